"""Transforms: fits compared with hand-computed ones and with OpenCV, and implausible transforms."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from classicvision.matching import geometry
from classicvision.matching.geometry import (
    FITS,
    fit_affinity,
    fit_homography,
    fit_similarity,
    is_sane,
    jacobian,
    mirror_transform,
    warp_points,
)

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
TILTED = np.array([[1.1, 0.2, 20], [-0.1, 0.9, 30], [4e-4, -3e-4, 1]])


@pytest.fixture(params=["kernels", "NumPy"])
def engine(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(geometry, "native_available", lambda: False)
    elif not geometry.native_available():
        pytest.skip("installed without compiled kernels")
    return request.param


def some_points(n, seed=0):
    return np.random.default_rng(seed).uniform(0, 400, (n, 2))


def test_rotation_by_90_degrees_clockwise_maps_right_to_down(engine):
    rotated = fit_similarity(SQUARE, SQUARE @ [[0, 1], [-1, 0]])
    assert_allclose(rotated, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_mirroring_maps_the_first_column_to_the_last():
    assert_allclose(warp_points(np.array([[0.0, 3], [9, 3]]), mirror_transform(10)), [[9, 3], [0, 3]])


def test_similarity_of_stretched_points_has_the_mean_scale(engine):
    assert_allclose(fit_similarity(SQUARE, SQUARE * [1, 3])[:2, :2], [[2, 0], [0, 2]], atol=1e-12)


def test_affinity_fits_stretched_points(engine):
    assert_allclose(fit_affinity(SQUARE, SQUARE * [1, 3] + 5), [[1, 0, 5], [0, 3, 5], [0, 0, 1]], atol=1e-12)


def test_affinity_of_points_on_a_line_is_a_similarity(engine):
    line = np.array([[0.0, 0], [1, 1], [2, 2]])
    assert_allclose(fit_affinity(line, 2 * line), np.diag([2, 2, 1]), atol=1e-9)


def test_homography_of_four_corners_goes_through_them(engine):
    moved = np.array([[1.0, 2], [9, 1], [12, 14], [-1, 8]])
    assert_allclose(warp_points(SQUARE, fit_homography(SQUARE, moved)), moved, atol=1e-6)


@given(st.floats(0.2, 5), st.floats(-3, 3), st.floats(-100, 100), st.floats(-100, 100), st.sampled_from(sorted(FITS)))
def test_every_family_recovers_a_similarity(scale, turn, x, y, kind):
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    truth = np.array([[c, -s, x], [s, c, y], [0, 0, 1]])
    a = some_points(12)
    assert_allclose(FITS[kind][1](a, warp_points(a, truth)), truth, atol=1e-6)


def test_homography_is_recovered(engine):
    a = some_points(30)
    assert_allclose(fit_homography(a, warp_points(a, TILTED)), TILTED, atol=1e-8)


def test_homography_of_noisy_points_is_that_of_opencv(engine):
    a = some_points(60)
    b = warp_points(a, TILTED) + np.random.default_rng(1).normal(0, 0.5, (60, 2))
    theirs, _ = cv2.findHomography(a, b, 0)
    corners = np.array([[0.0, 0], [400, 0], [400, 400], [0, 400]])
    assert_allclose(warp_points(corners, fit_homography(a, b)), warp_points(corners, theirs), atol=0.02)


def test_jacobian_is_the_difference_of_near_points():
    for x, y in some_points(5):
        j = np.reshape(jacobian(TILTED, x, y), (2, 2))
        for axis, step in enumerate(np.eye(2) * 1e-5):
            ends = warp_points(np.array([x, y]) + np.stack([step, -step]), TILTED)
            assert_allclose(j[:, axis], (ends[0] - ends[1]) / 2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "b_from_a"),
    [
        ("a mirror", np.diag([-1.0, 1, 1])),
        ("scale 100", np.diag([100.0, 100, 1])),
        ("scale 1 / 100", np.diag([0.01, 0.01, 1])),
        ("stretch by 5", np.diag([5.0, 1, 1])),
        ("horizon at x = 5", np.array([[1.0, 0, 0], [0, 1, 0], [-0.2, 0, 1]])),
        ("far end 10 times farther", np.array([[1.0, 0, 0], [0, 1, 0], [0.9, 0, 1]])),
        ("not finite", np.full((3, 3), np.nan)),
    ],
)
def test_an_implausible_transform_is_rejected(name, b_from_a):
    assert not is_sane(b_from_a, SQUARE)


def test_scaling_rotation_and_a_stretch_by_3_are_plausible():
    assert is_sane(np.array([[0.0, -6, 3], [2, 0, 4], [0, 0, 1]]), SQUARE)


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda scale: np.diag([scale, scale, 1]), 32),
        (lambda scale: np.diag([1 / scale, 1 / scale, 1]), 32),
        (lambda stretch: np.array([[0, stretch, 0], [-1, 0, 0], [0, 0, 1]]), 4),
        (lambda depth: np.array([[2, 0, 0], [0, 1, 0], [(depth - 1) / 10, 0, 1]]), 4),
    ],
    ids=["enlarging by 32", "shrinking by 32", "stretching by 4", "an end 4 times farther"],
)
def test_a_transform_is_sane_up_to_a_limit(make, limit):
    box = SQUARE * [1, 0.1]
    assert is_sane(make(0.999 * limit), box)
    assert not is_sane(make(1.001 * limit), box)


def test_points_that_are_all_one_are_shifted(engine):
    assert_allclose(fit_similarity(np.full((3, 2), 4.0), np.full((3, 2), 7.0)), [[1, 0, 3], [0, 1, 3], [0, 0, 1]])


def test_affinity_of_points_with_a_spread_of_one_hundredth_across_a_line_is_not_a_similarity(engine):
    nearly = np.array([[0.0, 0], [10, 0], [20, 0.1], [30, -0.1]])
    truth = np.array([[2.0, 0.5, 7], [0.25, 3, 8], [0, 0, 1]])
    assert_allclose(fit_affinity(nearly, warp_points(nearly, truth)), truth, atol=1e-8)
