"""Matched keypoints as columns: their order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from classicvision.matching.correspondences import Correspondences


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 6), max_size=30))
def test_matches_are_ordered_by_place_in_a_then_in_b_then_angles(rows):
    """Few different numbers, so that most are equal."""
    columns = np.array(rows, float).reshape(-1, 6)
    ya, xa, yb, xb, angle_b, angle_a = columns.T
    pairs = np.zeros((len(rows), 2), np.int32)
    a, b = np.column_stack([xa, ya]), np.column_stack([xb, yb])
    ordered = Correspondences(a, b, np.zeros((2, len(rows))), np.stack([angle_a, angle_b]), pairs, 1.0, 1.0).in_order()
    found = np.column_stack([ordered.a[:, ::-1], ordered.b[:, ::-1], ordered.angle[::-1].T])
    assert_array_equal(found, np.array(sorted(rows), float).reshape(-1, 6))
