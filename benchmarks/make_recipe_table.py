"""The table of recipes in the documentation, from figures of `scene15.py`, `caltech.py` and `classicvision benchmark`.

    classicvision benchmark scene15/ --splits 10 --train 100 --recipe ... --json > report.json
    python benchmarks/make_recipe_table.py --scene15 scene15.json --report report.json --caltech caltech.json

Of a recipe that the report has, its splits count and not those of `scene15.py`. The file is written anew each time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import accuracy

TABLE = Path(__file__).resolve().parents[1] / "docs" / "recipes-table.md"

TEXT = """# What recipes reach

`benchmarks/make_recipe_table.py` made this from the figures of `benchmarks/scene15.py`, `benchmarks/caltech.py` and
`classicvision benchmark`.

Mean per-class accuracy of the test images in per cent ± its standard deviation over seeded splits (number of splits).
Scene-15: 100 training images a class; eight classes of Caltech-101: 30 a class; the rest is the test set. Codebook, C
and the weights of a fusion come from the training images of each split alone.

Milliseconds are processor time of one thread from the decoded image to its code, median over images of the first set
that has the recipe, measured on: {machines}.

{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene15", type=Path, help="figures of scene15.py")
    parser.add_argument("--report", type=Path, help="of recipes on Scene-15, by `classicvision benchmark --json`")
    parser.add_argument("--caltech", type=Path, help="figures of caltech.py")
    parser.add_argument("--output", type=Path, default=TABLE)
    options = parser.parse_args()
    report = accuracy.rows_of_benchmark(options.report)
    reported = {row.label for row in report}
    scenes = [*(row for row in accuracy.read_rows(options.scene15) if row.label not in reported), *report]
    found = {accuracy.SCENE15.title: scenes, accuracy.CALTECH.title: accuracy.read_rows(options.caltech)}
    sets = {title: rows for title, rows in found.items() if rows}
    if not sets:
        raise SystemExit("no figures; give one of --scene15, --report and --caltech")
    machines = "; ".join(sorted({row.machine for rows in sets.values() for row in rows}))
    options.output.write_text(TEXT.format(machines=machines, table=accuracy.table(sets)), "utf-8")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
