"""Matches that single out a place, and those that are as like to another place of their own picture."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.testing import assert_array_equal

from classicvision.features.local import LocalFeatures
from classicvision.matching.distinct import are_distinct
from classicvision.matching.pair import match_features

SAME = np.array([[0, 0]], np.int32)


def keypoints(*levels, xy=None, scale=2.0):
    """Return keypoints 50 pixels apart, whose descriptors differ in their first number alone."""
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


def test_a_match_is_distinct_if_it_is_nearer_than_the_ratio_times_the_next_place_of_a():
    """Partners are 8 apart; the next place of a is 11 away (8 < 8.8), then 9 (8 > 7.2)."""
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


def test_a_picture_of_one_keypoint_has_no_other_place():
    assert_array_equal(are_distinct(keypoints(100), keypoints(108), SAME, 0.8), [True])


def grid_of_cells(rng, noise):
    """Return a lattice of 8 x 8 cells, all with the same three keypoints but for noise in their descriptors."""
    corner = 40.0 * np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=2).reshape(-1, 1, 2)
    xy = (corner + np.array([(5, 5), (30, 12), (16, 31)])).reshape(-1, 2)
    kinds = np.random.default_rng(0).exponential(30, (3, 128))
    descriptors = np.tile(kinds, (64, 1)) + rng.normal(0, noise, (192, 128))
    return LocalFeatures(
        xy=xy,
        scale=np.full(192, 2.0),
        angle=np.zeros(192),
        response=np.ones(192),
        descriptors=descriptors.clip(0, 255).astype(np.uint8),
        image_size=(320, 320),
    )


def test_grids_of_the_same_cells_are_no_copies():
    pictures = [grid_of_cells(np.random.default_rng(seed), noise=6) for seed in range(1, 9)]
    scores = [match_features(a, b).score for a, b in pairwise(pictures)]
    assert max(scores) < 3


def test_a_grid_is_a_copy_of_itself():
    a = grid_of_cells(np.random.default_rng(1), noise=6)
    assert match_features(a, replace(a, response=a.response / 2)).verdict == "copy"
