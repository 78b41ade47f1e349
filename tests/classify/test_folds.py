"""Parts of each class; the folds themselves are tested with the training that uses them."""

import numpy as np
from numpy.testing import assert_array_equal

from classicvision.classify.folds import some_of_each

LABELS = ["b"] * 7 + ["a"] * 5


def test_of_each_class_the_number_for_its_size_is_drawn():
    rows = some_of_each(LABELS, lambda n: n // 2, seed=0)
    assert [LABELS[row] for row in rows] == ["b"] * 3 + ["a"] * 2
    assert_array_equal(rows, np.sort(rows))


def test_more_than_there_are_is_all():
    assert_array_equal(some_of_each(LABELS, lambda _: 100, seed=0), np.arange(12))


def test_the_seed_decides_and_a_larger_part_has_the_smaller_one():
    two, again, four = (set(some_of_each(LABELS, lambda _, n=n: n, seed=3)) for n in (2, 2, 4))
    assert two == again
    assert two < four
    assert len({tuple(some_of_each(LABELS, lambda _: 2, seed=seed)) for seed in range(5)}) > 1
