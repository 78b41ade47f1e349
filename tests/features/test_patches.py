"""The reference of dense SIFT, step by step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features.patches import (
    cell_weights,
    describe_patches,
    first_cell,
    gradient,
    pool,
    smooth,
    vote,
)

RAMP = np.tile(np.arange(40, dtype=np.uint8), (30, 1))


def described(gray, bin_size=4, **changes):
    options = {"step": 3, "first": 0, "magnification": 6.0, "window": 2.0} | changes
    return describe_patches(gray, bin_size, **options)


def test_all_cells_of_all_patches_are_centred_within_the_image():
    xy, _ = described(RAMP, 4, step=3, first=2)
    x, y = np.unique(xy[:, 0]), np.unique(xy[:, 1])
    # The first cell at 2, the last one 12 pixels farther: at most at 39 and at 29.
    assert_array_equal(x - 6, [2, 5, 8, 11, 14, 17, 20, 23, 26])
    assert_array_equal(y - 6, [2, 5, 8, 11, 14, 17])


def test_patches_follow_each_other_row_by_row():
    xy, _ = described(RAMP)
    assert_array_equal(np.lexsort(xy.T), np.arange(len(xy)))


@pytest.mark.parametrize("sizes", [(4, 6, 8, 10), (3, 7, 9)])
def test_patches_of_even_and_of_odd_sizes_share_their_centres(sizes):
    centres = {first_cell(size, max(sizes)) + 1.5 * size for size in sizes}
    assert len(centres) == 1


def test_no_patch_fits_in_an_image_smaller_than_the_span_of_its_cell_centres():
    assert len(described(RAMP[:12, :12])[0]) == 0
    assert len(described(np.ascontiguousarray(RAMP[:13, :13]))[0]) == 1


def test_a_ramp_to_the_right_votes_only_for_direction_0():
    _, histograms = described(RAMP, magnification=1e3)
    by_direction = histograms.reshape(-1, 16, 8)
    assert_array_equal(by_direction[..., 1:], 0)
    # 1 grey level per pixel with linear weights up to 4 pixels away on both sides: 16 in total, times the window.
    weights = cell_weights(4, 2.0)
    assert_allclose(by_direction[0, :, 0], 16 * np.outer(weights, weights).ravel())


@pytest.mark.parametrize(
    ("dx", "dy", "votes"),
    [
        (1, 0, {0: 1}),
        (0, -1, {2: 1}),  # brighter upwards
        (-1, 0, {4: 1}),
        (0, 1, {6: 1}),
        (3, -3, {1: 18**0.5}),
        (np.cos(np.pi / 8), -np.sin(np.pi / 8), {0: 0.5, 1: 0.5}),
        (np.cos(np.pi / 8), np.sin(np.pi / 8), {0: 0.5, 7: 0.5}),
        (0, 0, {}),
    ],
)
def test_a_gradient_votes_for_its_two_nearest_directions(dx, dy, votes):
    expected = [votes.get(direction, 0) for direction in range(8)]
    assert_allclose(vote(np.array(dx, float), np.array(dy, float)), expected, atol=1e-12)


def test_votes_add_up_to_the_magnitude_of_the_gradient():
    dx, dy = np.random.default_rng(0).normal(size=(2, 50))
    assert_allclose(vote(dx, dy).sum(axis=-1), np.hypot(dx, dy))


def test_the_gradient_is_one_sided_at_the_border():
    dx, dy = gradient(np.array([[0.0, 1, 4, 9]]))
    assert_array_equal(dx, [[1, 2, 4, 5]])
    assert_array_equal(dy, 0)


def test_pooling_has_linear_weights_and_repeats_the_border():
    values = np.array([1.0, 10, 100, 1000])
    assert_allclose(pool(values, np.array([2, 0]), 2, axis=0), [10 / 2 + 100 + 1000 / 2, 1 / 2 + 1 + 10 / 2])


@given(st.integers(1, 9), st.integers(0, 19))
def test_pooling_of_a_constant_is_the_side_of_the_cell(bin_size, centre):
    assert_allclose(pool(np.ones(20), np.array([centre]), bin_size, axis=0), [bin_size])


def test_a_wide_window_weights_all_cells_equally():
    assert_allclose(cell_weights(4, 1e6), 1)


def test_inner_cells_weigh_more_than_outer_ones_symmetrically():
    weights = cell_weights(5, 2.0)
    assert_allclose(weights, weights[::-1])
    assert weights[0] < weights[1] < 1


def test_a_cell_below_half_the_magnification_needs_no_blur():
    noise = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)
    assert_array_equal(smooth(noise, 3, 6.0), noise)
    assert np.abs(smooth(noise, 4, 6.0) - noise).max() > 1


def test_an_image_rotated_by_90_degrees_has_rotated_descriptors():
    gray = np.random.default_rng(1).integers(0, 256, (25, 25), np.uint8)
    xy, histograms = described(gray)
    rotated_xy, rotated = described(np.ascontiguousarray(np.rot90(gray)))
    # Anticlockwise: what was at (x, y) is at (y, 24 - x), and direction 0 has become direction 2.
    back = np.column_stack([24 - rotated_xy[:, 1], rotated_xy[:, 0]])
    order = np.lexsort(back.T)
    assert_array_equal(back[order], xy)
    cells = np.rot90(rotated.reshape(-1, 4, 4, 8), -1, axes=(1, 2))
    assert_allclose(np.roll(cells, -2, axis=3).reshape(len(xy), -1)[order], histograms, atol=1e-6)
