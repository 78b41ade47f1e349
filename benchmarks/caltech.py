"""Eight classes of Caltech-101: 30 random training images per class, the rest is the test set; seeded splits.

Objects, in addition to the scenes of `scene15.py`, with the same protocol: what helps one may hurt the other.

    python benchmarks/caltech.py --splits 5 --json caltech.json
    python benchmarks/caltech.py --splits 5 --first-split 5 --recipe fisher --json caltech.json
"""

import accuracy

if __name__ == "__main__":
    accuracy.run(accuracy.CALTECH, __doc__, accuracy.RECIPES)
