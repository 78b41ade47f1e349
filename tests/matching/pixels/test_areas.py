"""From the states of blocks to areas: neighbours vote, flat parts follow their surroundings, parts that differ."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.matching.outline import polygon_area
from classicvision.matching.pixels.areas import (
    agreeing_area,
    centres,
    components,
    differing_parts,
    pixel_hull,
    shows_something_else,
    to_pixels,
)
from classicvision.matching.pixels.blocks import AGREES, DIFFERS, SILENT, Blocks


def blocks(state, correlation=None):
    state = np.array(state, np.int8)
    zeros = np.zeros(state.shape)
    correlation = zeros if correlation is None else np.asarray(correlation)
    return Blocks(state, np.ones(state.shape, bool), correlation, zeros, 0.0)


def filled(value, shape=(20, 20)):
    return np.full(shape, value, np.int8)


def test_components_are_connected_across_corners():
    mask = np.zeros((6, 6), bool)
    mask[0, 0] = mask[1, 1] = mask[4, 4] = True
    parts = components(mask)
    assert sorted(int(part.sum()) for part in parts) == [1, 2]
    assert_array_equal(np.logical_or.reduce(parts), mask)


def test_a_mask_without_blocks_has_no_components():
    assert components(np.zeros((3, 3), bool)) == []


def test_few_differing_blocks_are_noise():
    state = filled(AGREES)
    state[5, 5:9] = DIFFERS
    assert differing_parts(blocks(state)) == []
    state[6, 5:9] = DIFFERS
    (part,) = differing_parts(blocks(state))
    assert_array_equal(part, state == DIFFERS)


def test_parts_that_differ_come_largest_first():
    state = filled(AGREES)
    state[1:4, 1:4] = state[10:16, 10:16] = DIFFERS
    assert [int(part.sum()) for part in differing_parts(blocks(state))] == [36, 9]


def test_weakly_correlated_parts_show_something_else():
    state = filled(DIFFERS)
    part = np.zeros(state.shape, bool)
    part[3:8, 3:8] = True
    assert shows_something_else(part, blocks(state, np.where(part, 0.2, 0.9)))
    assert not shows_something_else(part, blocks(state, np.where(part, 0.6, 0.1)))


def test_a_single_differing_block_among_agreeing_ones_is_outvoted():
    state = filled(AGREES)
    state[10, 10] = DIFFERS
    assert agreeing_area(blocks(state)).all()


def test_a_replaced_part_is_not_in_the_area():
    state = filled(AGREES)
    state[5:12, 5:12] = DIFFERS
    area = agreeing_area(blocks(state))
    assert not area[6:11, 6:11].any()
    assert area[:4].all()
    assert area[14:].all()


def test_a_flat_part_follows_what_surrounds_it():
    state = filled(AGREES)
    state[3:17, 3:17] = SILENT
    assert agreeing_area(blocks(state)).all()
    assert not agreeing_area(blocks(np.where(state == AGREES, DIFFERS, SILENT))).any()


def test_a_flat_part_next_to_what_differs_does_not_agree_as_a_whole():
    state = filled(SILENT, (30, 30))
    state[:3], state[27:] = AGREES, DIFFERS
    area = agreeing_area(blocks(state))
    assert area[:6].all()
    assert not area[8:].any()


def test_nothing_agrees_where_nothing_is_seen():
    assert not agreeing_area(blocks(filled(SILENT))).any()


def test_a_block_covers_two_by_two_cells():
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    pixels = to_pixels(mask, (32, 40))
    assert_array_equal(np.argwhere(pixels)[[0, -1]], [[8, 16], [23, 31]])
    assert pixels.sum() == 16 * 16


def test_an_incomplete_cell_at_the_border_follows_its_neighbour():
    assert to_pixels(np.ones((3, 4), bool), (37, 45)).all()


def test_the_hull_has_the_area_of_a_rectangle_of_pixels():
    pixels = np.zeros((50, 60), bool)
    pixels[10:30, 20:50] = True
    hull = pixel_hull(pixels)
    assert_allclose(polygon_area(hull), 600)
    assert_allclose([hull.min(axis=0), hull.max(axis=0)], [[19.5, 9.5], [49.5, 29.5]])


def test_the_centre_of_the_first_block():
    assert_allclose(centres((2, 3))[[0, 2, 3]], [[7.5, 7.5], [23.5, 7.5], [7.5, 15.5]])
