"""Matched keypoints as columns: canonical order, agreement with a transform, and random agreement."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features.local import LocalFeatures
from classicvision.matching import correspondences
from classicvision.matching.correspondences import Correspondences, Motion


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 6), max_size=30))
def test_matches_are_sorted_by_position_in_a_then_in_b_then_by_angles(rows):
    """Few distinct values, so that ties are common."""
    columns = np.array(rows, float).reshape(-1, 6)
    ya, xa, yb, xb, angle_b, angle_a = columns.T
    pairs = np.zeros((len(rows), 2), np.int32)
    a, b = np.column_stack([xa, ya]), np.column_stack([xb, yb])
    ordered = Correspondences(a, b, np.zeros((2, len(rows))), np.stack([angle_a, angle_b]), pairs, 1.0, 1.0).in_order()
    found = np.column_stack([ordered.a[:, ::-1], ordered.b[:, ::-1], ordered.angle[::-1].T])
    assert_array_equal(found, np.array(sorted(rows), float).reshape(-1, 6))


@pytest.fixture(params=["kernels", "NumPy"])
def engine(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(correspondences, "native_available", lambda: False)
    elif not correspondences.native_available():
        pytest.skip("installed without compiled kernels")
    return request.param


def matches(a, b, turn=0.0, scale=1.0, areas=(1e4, 1e4)):
    """Return matches of keypoints, those of a with scale 1 and angle 0."""
    a, b = np.array(a, float).reshape(-1, 2), np.array(b, float).reshape(-1, 2)
    log_scale = np.stack([np.zeros(len(a)), np.full(len(a), np.log(scale))])
    angle = np.stack([np.zeros(len(a)), np.full(len(a), turn)])
    return Correspondences(a, b, log_scale, angle, np.zeros((len(a), 2), np.int32), *areas)


def test_matched_keypoints_are_looked_up_as_columns():
    columns = {"response": np.ones(2), "descriptors": np.zeros((2, 128), np.uint8)}
    a = LocalFeatures(xy=[[1, 2], [3, 4]], scale=[1, math.e], angle=[0, 1], image_size=(10, 20), **columns)
    b = LocalFeatures(xy=[[5, 6], [7, 8]], scale=[1, math.e**2], angle=[2, 3], image_size=(30, 40), **columns)
    found = Correspondences.of(a, b, np.array([[1, 0], [0, 1], [1, 1]], np.int32))
    assert_array_equal(np.hstack([found.a, found.b]), [[3, 4, 5, 6], [1, 2, 7, 8], [3, 4, 7, 8]])
    assert_allclose(found.log_scale, [[1, 0, 1], [0, 2, 2]], atol=1e-6)
    assert_array_equal(found.angle, [[1, 0, 1], [2, 3, 3]])
    assert (found.area_a, found.area_b) == (200, 1200)


def scaled(factor):
    return Motion.at(np.diag([factor, factor, 1.0]), np.zeros((1, 2)))


@pytest.mark.parametrize(("degrees", "agrees"), [(29.9, True), (30.1, False), (-29.9, True), (-30.1, False)])
def test_a_match_agrees_up_to_30_degrees_from_the_rotation_of_the_transform(engine, degrees, agrees):
    for turns in (0, 1, -2):
        turn = math.radians(degrees) + turns * 2 * math.pi
        errors = scaled(1.0).errors(matches([5, 5], [5, 6], turn))
        assert_array_equal(errors, [1 if agrees else np.inf])


@pytest.mark.parametrize(("ratio", "agrees"), [(1.59, True), (1.61, False), (1 / 1.59, True), (1 / 1.61, False)])
def test_a_match_agrees_up_to_a_factor_of_1_6_from_the_scale_of_the_transform(engine, ratio, agrees):
    for factor in (0.5, 1, 2):
        errors = scaled(factor).errors(matches([0, 0], [0, 0], scale=factor * ratio))
        assert_array_equal(errors, [0 if agrees else np.inf])


@pytest.mark.parametrize(("factor", "error"), [(2.0, 3.0), (1.5, 4.0), (1.0, 6.0), (0.5, 6.0)])
def test_errors_are_in_pixels_of_the_image_that_shows_the_thing_smaller(engine, factor, error):
    (found,) = scaled(factor).errors(matches([20, 10], [20 * factor + 6, 10 * factor], scale=factor))
    assert found == pytest.approx(error)


@pytest.mark.parametrize(
    ("factor", "areas", "common"),
    [
        (2.0, (1e4, 9e4), 1e4),  # all of a, which covers 4e4 square pixels of b
        (2.0, (1e4, 2e4), 5e3),  # all of b, which covers 5e3 of a
        (0.5, (1e4, 9e4), 2.5e3),  # all of a, in b
        (0.5, (1e4, 2e3), 2e3),  # all of b
    ],
)
def test_the_common_area_is_that_of_the_smaller_image_where_the_thing_is_shown_smaller(factor, areas, common):
    assert scaled(factor).common_area(matches([0, 0], [0, 0], areas=areas)) == pytest.approx(common)


def test_of_three_matches_two_of_six_other_pairs_are_accidentally_near(engine):
    """Keypoints at 0, 1 and 100: only the first two, exchanged, are within 1.5 pixels of each other."""
    line = [[0, 0], [1, 0], [100, 0]]
    assert scaled(1.0).share_by_chance(matches(line, line), (0.5, 1.5)) == [0, pytest.approx(1 / 3)]


@pytest.mark.parametrize(("n", "shifts"), [(2, [1]), (5, [1, 2, 3, 4]), (1000, [1, 500, 999]), (4000, [1])])
def test_keypoints_are_paired_in_all_ways_or_some_two_thousand(n, shifts):
    assert_array_equal(matches(np.zeros((n, 2)), np.zeros((n, 2))).shifts, shifts)


def test_no_matches_are_at_no_place():
    assert matches([], []).n_places == 0


def test_a_place_is_a_square_of_six_pixels():
    assert matches([[5.9, 5.9], [6.1, 5.9], [5.9, 6.1], [0, 0]], np.arange(8) * 50).n_places == 3
