"""Outlines computed by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from classicvision.matching.outline import (
    connected_parts,
    contains,
    filled_share,
    hull_of_circles,
    polygon_area,
    shared_outline,
)

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
GRID = np.stack(np.meshgrid(np.arange(2.0, 80, 4), np.arange(2.0, 80, 4)), axis=-1).reshape(-1, 2)  # 20 x 20


def shift(x, y):
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def test_area_of_a_square_is_the_square_of_its_side():
    assert polygon_area(SQUARE) == polygon_area(SQUARE[::-1]) == 100


def test_the_area_of_an_empty_polygon_is_zero():
    assert polygon_area(np.zeros((0, 2))) == 0


def test_a_square_contains_its_centre_and_border_but_no_point_outside():
    points = np.array([[5.0, 5], [10, 3], [10.1, 3], [-1, 5]])
    assert contains(SQUARE, points).tolist() == contains(SQUARE[::-1], points).tolist() == [True, True, False, False]


def test_an_empty_polygon_contains_no_point():
    assert not contains(np.zeros((0, 2)), np.ones((1, 2))).any()


def test_the_hull_of_one_circle_is_a_circle():
    hull = hull_of_circles(np.array([[7.0, 8]]), np.array([2.0]))
    assert_allclose(np.linalg.norm(hull - [7, 8], axis=1), 2)


def test_the_hull_reaches_as_far_as_the_circles():
    hull = hull_of_circles(np.array([[0.0, 0], [10, 0], [5, 1]]), np.array([1.0, 2, 0.5]))
    assert_allclose([hull.min(axis=0), hull.max(axis=0)], [[-1, -2], [12, 2]])


@pytest.mark.parametrize(
    ("x", "y", "box"),
    [
        (30, 0, (-0.5, -0.5, 49.5, 79.5)),
        (-30, 0, (29.5, -0.5, 79.5, 79.5)),
        (0, 30, (-0.5, -0.5, 79.5, 49.5)),
        (0, -30, (-0.5, 29.5, 79.5, 79.5)),
    ],
)
def test_the_outline_of_evenly_distributed_keypoints_is_the_overlap(x, y, box):
    polygon_a, polygon_b = shared_outline(GRID, np.ones(400), shift(x, y), (80, 80), (80, 80))
    left, top, right, bottom = box
    assert sorted(polygon_a.tolist()) == [[left, top], [left, bottom], [right, top], [right, bottom]]
    assert_allclose(polygon_b - polygon_a, np.tile([x, y], (len(polygon_a), 1)))


def test_the_outline_of_keypoints_in_a_corner_is_their_hull():
    few = GRID[(GRID < 20).all(axis=1)]
    polygon_a, _ = shared_outline(few, np.ones(len(few)), shift(0, 0), (80, 80), (80, 80))
    assert_allclose(polygon_a.max(axis=0), [22, 22], atol=0.2)


def test_without_overlap_the_outline_is_empty():
    polygon_a, polygon_b = shared_outline(GRID[:3], np.ones(3), shift(500, 0), (80, 80), (80, 80))
    assert polygon_a.shape == polygon_b.shape == (0, 2)


def test_the_horizon_clips_the_outline():
    tilted = np.array([[1.0, 0, 0], [0, 1, 0], [-0.02, 0, 1]])  # horizon at x = 50
    polygon_a, polygon_b = shared_outline(GRID[:5], np.ones(5), tilted, (80, 80), (10**6, 10**6))
    assert polygon_a[:, 0].max() < 50
    assert np.isfinite(polygon_b).all()


def test_inliers_in_every_cell_fill_the_whole_outline():
    fine = np.concatenate([GRID, GRID + 1])
    assert filled_share(80.0 / 10 * SQUARE, GRID, fine, fine) == 1


@pytest.mark.parametrize("corner", [(0, 0), (30, -20)])
def test_a_common_frame_around_different_images_fills_only_its_cells(corner):
    frame = GRID[(np.abs(GRID - 40) > 30).any(axis=1)] + corner
    fine = np.concatenate([GRID, GRID + 1]) + corner
    assert filled_share(80.0 / 10 * SQUARE + corner, frame, fine, fine) == pytest.approx(28 / 64)


@pytest.mark.parametrize(("n_a", "n_b", "share"), [(6, 6, 0.5), (5, 6, 1), (6, 5, 1)])
def test_six_keypoints_of_each_image_show_that_a_cell_is_not_shared(n_a, n_b, share):
    """Two cells side by side: the left one has an inlier, the right one does not."""
    left, right = np.tile([[2.0, 2]], (40, 1)), np.tile([[8.0, 8]], (6, 1))
    in_a, in_b = (np.concatenate([left, right[:n], SQUARE[:1]]) for n in (n_a, n_b))
    assert filled_share(SQUARE, left[:1], in_a, in_b) == share


@pytest.mark.parametrize(("n_agreeing", "share"), [(18, 1), (17, 0.85)])
def test_nine_cells_in_ten_count_as_all(n_agreeing, share):
    """Of 8 x 8 cells of 10 x 10 pixels, twenty have ten or more keypoints of both images."""
    row = np.arange(5.0, 80, 10)
    middles = np.stack(np.meshgrid(row, row), axis=-1).reshape(-1, 2)[:20]
    keypoints = np.concatenate([np.repeat(middles, 10, axis=0), np.tile(middles[0], (440, 1))])
    assert filled_share(80.0 / 10 * SQUARE, middles[:n_agreeing], keypoints, keypoints) == share


def test_cells_that_touch_at_a_corner_are_connected():
    """Of 8 x 8 cells of 10 pixels, the first row has inliers, and so have two diagonal cells in the last two rows."""
    fine = np.concatenate([GRID, GRID + 1])
    above = GRID[GRID[:, 1] < 10]
    below = np.array([[5.0, 65], [15, 75]])
    parts = connected_parts(80.0 / 10 * SQUARE, np.concatenate([above, below]), fine, fine)
    assert len(set(parts[:-2])) == len(set(parts[-2:])) == 1
    assert parts[0] != parts[-1]


def test_the_hull_can_be_requested_instead_of_the_overlap():
    inside = GRID[(GRID > 8).all(axis=1) & (GRID < 72).all(axis=1)]
    size = np.ones(len(inside))
    hull, overlap = (shared_outline(inside, size, shift(0, 0), (80, 80), (80, 80), whole=w)[0] for w in (False, True))
    assert_allclose(overlap.max(axis=0), 79.5)
    assert_allclose(hull.max(axis=0), 74, atol=0.2)


def test_cells_without_keypoints_of_both_images_are_ignored():
    left = GRID[GRID[:, 0] < 40]
    assert filled_share(80.0 / 10 * SQUARE, left, GRID, left) == 1


def test_a_square_and_itself_rotated_by_45_degrees_overlap_in_an_octagon():
    c, middle = np.sqrt(0.5), np.array([39.5, 39.5])
    rotated = np.array([[c, -c, 0], [c, c, 0], [0, 0, 1]])
    rotated[:2, 2] = middle - rotated[:2, :2] @ middle
    polygon, _ = shared_outline(GRID, np.ones(400), rotated, (80, 80), (80, 80))
    angles = np.radians(22.5 + 45 * np.arange(8))
    corners = middle + 40 / np.cos(np.radians(22.5)) * np.column_stack([np.cos(angles), np.sin(angles)])
    assert_allclose(sorted(polygon.round(6).tolist()), sorted(corners.round(6).tolist()))
    assert polygon_area(polygon) == pytest.approx(8 * 40**2 * np.tan(np.radians(22.5)))


def test_keypoints_on_the_left_border_of_an_outline_are_in_it_and_those_on_the_right_are_not():
    """Four cells, and keypoints that agree in the middle of the one below on the right."""
    agreeing = np.tile([[7.0, 7]], (40, 1))
    for border, share in (([0.0, 2], 0.5), ([2.0, 0], 0.5), ([10.0, 2], 1), ([2.0, 10], 1)):
        keypoints = np.concatenate([agreeing, np.tile([border], (6, 1))])
        assert filled_share(SQUARE, agreeing[:1], keypoints, keypoints) == share
