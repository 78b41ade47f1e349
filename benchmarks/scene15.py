"""Scene-15: 100 random training images per class, the rest is the test set; mean per-class accuracy over seeded splits.

The codebook is learned, and C is chosen by cross-validation, on the training images of each split only; the folds share
the codebook. With --json a run resumes where an earlier one stopped.

    python benchmarks/scene15.py --splits 10 --recipe sift-bovw --recipe fisher --json scene15.json
    python benchmarks/scene15.py --splits 2 --recipe mine.toml --set encoder.n_words=4000
"""

import accuracy

if __name__ == "__main__":
    accuracy.run(accuracy.SCENE15, __doc__, accuracy.RECIPES)
