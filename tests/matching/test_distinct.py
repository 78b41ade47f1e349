"""Distinct matches, and those that resemble another place of the same image just as much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.features.local import LocalFeatures
from classicvision.matching.correspondences import Correspondences, Motion
from classicvision.matching.distinct import UNDOUBTED, are_distinct, count_apart, weigh_distinct
from classicvision.matching.hypotheses import N_CHOICES, Agreement
from classicvision.matching.significance import significance

SAME = np.array([[0, 0]], np.int32)


def keypoints(*levels, xy=None, scale=2.0):
    """Return keypoints 50 pixels apart whose descriptors differ only in their first bin."""
    n = len(levels)
    descriptors = np.zeros((n, 128), np.uint8)
    descriptors[:, 0] = levels
    return LocalFeatures(
        xy=np.column_stack([50.0 * np.arange(n), np.zeros(n)]) if xy is None else np.asarray(xy, float),
        scale=np.full(n, scale),
        angle=np.zeros(n),
        response=np.ones(n),
        descriptors=descriptors,
        image_size=(100, 500),
    )


def test_a_match_is_distinct_if_it_passes_the_ratio_test_against_the_next_place_of_a():
    """The partners are 8 apart; the next place of a is 11 away (8 < 8.8), then 9 (8 > 7.2)."""
    b = keypoints(108)
    assert_array_equal(are_distinct(keypoints(100, 89), b, SAME, 0.8), [True])
    assert_array_equal(are_distinct(keypoints(100, 91), b, SAME, 0.8), [False])


def test_the_next_place_of_b_counts_as_well():
    assert_array_equal(are_distinct(keypoints(100), keypoints(108, 119), SAME, 0.8), [True])
    assert_array_equal(are_distinct(keypoints(100), keypoints(108, 117), SAME, 0.8), [False])


def test_keypoints_within_two_scales_are_the_same_place():
    b = keypoints(108)
    for distance, expected in ((8.0, True), (8.1, False)):
        a = keypoints(100, 100, xy=[(0, 0), (distance, 0)], scale=4.0)
        assert_array_equal(are_distinct(a, b, SAME, 0.8), [expected])


def test_an_image_of_one_keypoint_has_no_other_place():
    assert_array_equal(are_distinct(keypoints(100), keypoints(108), SAME, 0.8), [True])


def test_keypoints_near_a_remaining_smaller_one_are_suppressed():
    """The large one reaches 20 pixels and so all others; these reach 4, and no two of them are that close."""
    xy = np.array([[0.0, 0], [6, 0], [25, 0], [10, 0]])
    assert count_apart(xy, np.array([2.0, 2, 2, 10])) == 3


def test_keypoints_of_one_corner_at_several_scales_count_once():
    assert count_apart(np.array([[0.0, 0], [3, 3], [15, 15]]), np.array([1.0, 2.5, 12])) == 1


def test_no_keypoints_count_zero():
    assert count_apart(np.zeros((0, 2)), np.zeros(0)) == 0


def agreement(significance, n):
    motion = Motion(np.eye(3), 0.0, 0.0)
    return Agreement(motion, "similarity", np.ones(n, bool), 1.5, significance, 1e-4)


@pytest.mark.parametrize(
    ("levels", "before", "after"),
    [
        ((9, 50, 91, 132, 173, 214), 20.0, 20.0),
        ((9, 9, 9, 9, 9, 9), 20.0, 0.0),
        ((9, 9, 9, 9, 9, 9), UNDOUBTED, UNDOUBTED),
    ],
    ids=["distinct places", "similar places", "too significant for a grid"],
)
def test_only_distinct_matches_add_significance(levels, before, after):
    a = keypoints(*levels)
    rows = np.arange(len(a), dtype=np.int32)
    matches = Correspondences.of(a, a, np.column_stack([rows, rows]))
    own = significance(6, 6, 1e-4, n_deciding=2, n_choices=N_CHOICES)
    found = agreement(before, len(a))
    weighed = weigh_distinct(found, matches, a, a, 0.8)
    assert weighed.significance == pytest.approx(min(after, own) if before < UNDOUBTED else after)


def test_four_corners_at_several_scales_are_four_places():
    corners = np.array([[20.0, 20], [220, 20], [20, 80], [220, 80]])
    xy = np.concatenate([corners, corners + 8])  # farther apart than a place, nearer than two of the larger scales
    a = replace(keypoints(*range(9, 250, 30)[:8], xy=xy), scale=np.repeat([2.0, 6.0], 4))
    rows = np.arange(8, dtype=np.int32)
    matches = Correspondences.of(a, a, np.column_stack([rows, rows]))
    assert matches.n_places == 8
    weighed = weigh_distinct(agreement(30.0, 8), matches, a, a, 0.8)
    assert weighed.significance == significance(8, 4, 1e-4, n_deciding=2, n_choices=N_CHOICES)
