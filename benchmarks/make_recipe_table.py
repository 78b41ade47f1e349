"""Make the table of recipes of the documentation from figures of `scene15.py`, `caltech.py` and `benchmark`.

    classicvision benchmark scene15/ --splits 10 --train 100 --recipe ... --json > report.json
    python benchmarks/make_recipe_table.py --scene15 scene15.json --report report.json --caltech caltech.json

For a recipe in the report, its splits count instead of those of `scene15.py`. The file is overwritten.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import accuracy

TABLE = Path(__file__).resolve().parents[1] / "docs" / "recipes-table.md"

TEXT = """# Accuracy and cost

Written by `benchmarks/make_recipe_table.py` from the results of `benchmarks/scene15.py`, `benchmarks/caltech.py` and
`classicvision benchmark`.

Mean per-class test accuracy in per cent ± standard deviation over seeded splits (number of splits). Training images per
class: 100 for Scene-15, 30 for eight classes of Caltech-101; all other images are test images. Codebook, C and fusion
weights are learned from the training images of each split alone.

Milliseconds are CPU time of one thread from the decoded image to its code: the median over images of the first set with
that recipe. Machine: {machines}.

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
