"""Homographies for measuring: by hand, and estimated from matches of which many are wrong."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.evaluation.homography import corner_error, estimate_homography, growth, in_resized, is_visible
from classicvision.matching.geometry import warp_points

TILT = np.array([[0.9, -0.2, 30], [0.25, 1.1, -12], [4e-4, -2e-4, 1]])


def shift(x, y):
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def estimate(a, b, **changes):
    rng = np.random.default_rng(0)
    return estimate_homography(a, b, **{"threshold": 3.0, "n_hypotheses": 500, "rng": rng, **changes})


def points(n, seed=0):
    return np.random.default_rng(seed).uniform(0, 400, (n, 2))


def test_a_shift_leaves_the_part_that_it_leaves():
    xy = np.array([[0, 0], [9, 0], [10, 0], [10, 5]], float)
    assert_array_equal(is_visible(xy, shift(-10, -5), ((20, 20), (20, 20))), [False, False, False, True])


def test_the_last_pixel_is_in_the_image_and_half_a_pixel_on_is_not():
    assert_array_equal(is_visible(np.array([[19, 9], [19.5, 9]]), np.eye(3), ((10, 20), (10, 20))), [True, False])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("mirror", [1, -1])
def test_a_point_behind_the_horizon_is_not_seen_though_it_is_mapped_into_the_image(sign, mirror):
    # The depth is 1 - x / 100: 0.5 in the middle of a, at x = 50, and -1 at x = 200.
    b_from_a = sign * np.array([[1, 0, 0], [0, mirror, 0], [-0.01, 0, 1.0]])
    xy = np.array([[200, -20 * mirror], [10, 9 * mirror]], float)
    assert_allclose(warp_points(xy, b_from_a), [[-200, 20], [10 / 0.9, 10]])
    wide = b_from_a + np.outer([300, 0, 0], b_from_a[2])  # shifts all by 300 to the right
    assert_array_equal(is_visible(xy, wide, ((101, 101), (400, 400))), [False, True])


def test_a_doubling_grows_by_two_everywhere_and_a_mirror_by_one():
    assert_allclose(growth(points(3), np.diag([2, 2, 1.0])), 2)
    assert_allclose(growth(points(3), np.diag([-1, 1, 1.0])), 1)


def test_growth_is_the_root_of_the_area_that_a_small_square_gets():
    xy, step = points(20), 1e-3
    square = np.array([[0, 0], [step, 0], [0, step]])
    corner, right, below = (warp_points(xy + offset, TILT) for offset in square)
    (x, y), (u, v) = (right - corner).T, (below - corner).T
    assert_allclose(growth(xy, TILT), np.sqrt(np.abs(x * v - y * u)) / step, rtol=1e-4)


def test_halving_an_image_halves_pixels_about_their_borders():
    # The centre of the first pixel of the halved image is between two old ones: 0 -> 0.5.
    b_from_a = in_resized(np.eye(3), ((40, 60), (40, 60)), ((20, 30), (40, 60)))
    assert_allclose(warp_points(np.array([[0.0, 0.0]]), b_from_a), [[0.5, 0.5]])
    assert_allclose(in_resized(TILT, ((40, 60), (30, 30)), ((40, 60), (30, 30))), TILT)


def test_the_corner_error_of_a_shift_is_its_length():
    assert corner_error(shift(3, 4), np.eye(3), (100, 200)) == pytest.approx(5)


def test_no_homography_has_an_infinite_corner_error():
    assert corner_error(np.full((3, 3), np.nan), np.eye(3), (100, 200)) == math.inf


def test_exact_matches_give_the_homography_itself():
    a = points(30)
    assert_allclose(estimate(a, warp_points(a, TILT)), TILT, atol=1e-7)


def test_four_matches_determine_a_homography_and_three_do_not():
    a = np.array([[0, 0], [400, 10], [390, 300], [5, 280]], float)
    assert_allclose(estimate(a, warp_points(a, TILT)), TILT, rtol=1e-6, atol=1e-7)
    assert np.isnan(estimate(a[:3], a[:3])).all()
    assert np.isnan(estimate(a[:0], a[:0])).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_two_thirds_of_wrong_matches_do_no_harm(seed):
    rng = np.random.default_rng(seed)
    a = rng.uniform(0, 400, (150, 2))
    b = warp_points(a, TILT) + rng.normal(0, 0.3, a.shape)
    b[50:] = rng.uniform(0, 400, (100, 2))
    assert corner_error(estimate(a, b, n_hypotheses=1500), TILT, (400, 400)) < 1.5


def test_the_estimate_is_as_near_as_opencvs():
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(10):
        a = rng.uniform(0, 400, (200, 2))
        b = warp_points(a, TILT) + rng.normal(0, 1, a.shape)
        b[100:] = rng.uniform(0, 400, (100, 2))
        theirs, _ = cv2.findHomography(a, b, cv2.USAC_MAGSAC, 3.0)
        errors.append([corner_error(h, TILT, (400, 400)) for h in (estimate(a, b), theirs)])
    ours, theirs = np.mean(errors, axis=0)
    assert ours < 1.2 * theirs


def test_matches_on_one_line_or_one_place_decide_nothing_and_raise_nothing():
    line = np.column_stack([np.arange(20.0), np.arange(20.0)])
    place = np.ones((20, 2))
    for a in (line, place):
        for b in (line, place):
            assert estimate(a, b).shape == (3, 3)


def test_one_generator_gives_one_homography():
    a, b = points(60), points(60, seed=1)
    assert_array_equal(estimate(a, b), estimate(a, b))
