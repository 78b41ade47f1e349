"""The pairs of a calibration."""

import numpy as np
import pytest

from classicvision.copies.calibration_pairs import draw_pairs


@pytest.mark.parametrize(("n", "n_pairs"), [(2, 10), (50, 100), (1000, 50), (300, 44_850)])
def test_pairs_are_drawn_once_each_and_in_order(n, n_pairs):
    pairs = draw_pairs(np.arange(n), n_pairs, np.random.default_rng(0))
    assert len(pairs) == min(n_pairs, n * (n - 1) // 2)
    assert pairs == sorted(set(pairs))
    assert all(0 <= i < j < n for i, j in pairs)


def test_pairs_of_one_group_are_never_drawn():
    groups = np.array([0, 1, 0, 2, 1])
    pairs = draw_pairs(groups, 100, np.random.default_rng(0))
    assert pairs == [(0, 1), (0, 3), (0, 4), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]
