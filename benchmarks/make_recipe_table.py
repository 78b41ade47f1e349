"""The table of recipes in the documentation, from the figures of `scene15.py` and `caltech.py`.

python benchmarks/make_recipe_table.py --scene15 scene15.json --caltech caltech.json

Its file is written anew each time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import accuracy

TABLE = Path(__file__).resolve().parents[1] / "docs" / "recipes-table.md"

TEXT = """# What recipes reach

`benchmarks/make_recipe_table.py` made this from the figures of `benchmarks/scene15.py` and `benchmarks/caltech.py`.

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
    parser.add_argument("--caltech", type=Path, help="figures of caltech.py")
    parser.add_argument("--output", type=Path, default=TABLE)
    options = parser.parse_args()
    files = {accuracy.SCENE15.title: options.scene15, accuracy.CALTECH.title: options.caltech}
    sets = {title: rows for title, path in files.items() if (rows := accuracy.read_rows(path))}
    if not sets:
        raise SystemExit("no figures; give --scene15 FILE, --caltech FILE or both")
    machines = "; ".join(sorted({row.machine for rows in sets.values() for row in rows}))
    options.output.write_text(TEXT.format(machines=machines, table=accuracy.table(sets)), "utf-8")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
