"""Spatial pyramids: points in an image of 12 x 6 pixels by hand, then properties of any points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.encoding.normalize import l1
from classicvision.encoding.pyramid import cell_names, cell_rows, mirrored_sum, parse_cells, pool
from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures

WIDTH, HEIGHT = 12, 6

points = st.lists(
    st.tuples(st.floats(-0.5, WIDTH - 0.5, width=32), st.floats(-0.5, HEIGHT - 0.5, width=32)), max_size=30
)
grids = st.builds("{}x{}".format, st.integers(1, 5), st.integers(1, 5))


def features(*xy):
    """Return features at positions in the image, whose descriptors number them."""
    n = len(xy)
    descriptors = np.zeros((n, 128), np.uint8)
    descriptors[:, 0] = np.arange(n)
    return LocalFeatures(np.reshape(xy, (n, 2)), np.ones(n), np.zeros(n), np.ones(n), descriptors, (HEIGHT, WIDTH))


def rows(found):
    return [cell.tolist() for cell in found]


# --- by hand


def test_three_by_one_is_three_bands_one_above_the_other():
    assert rows(cell_rows(features((0, 5), (11, 0), (0, 0), (3, 2)), "3x1")) == [[1, 2], [3], [0]]


def test_two_by_two_goes_row_by_row():
    assert rows(cell_rows(features((0, 0), (11, 0), (0, 5), (11, 5)), "2x2")) == [[0], [1], [2], [3]]


def test_a_border_lies_half_a_pixel_before_the_first_pixel_of_the_next_cell():
    assert rows(cell_rows(features((5.25, 0), (5.5, 0), (6, 0)), "1x2")) == [[0], [1, 2]]


def test_a_point_outside_the_image_belongs_to_the_nearest_cell():
    assert rows(cell_rows(features((-3, -3), (14, 9)), "2x2")) == [[0], [], [], [1]]


def test_no_features_are_in_no_cell():
    assert rows(cell_rows(features(), "2x1")) == [[], []]


def test_pool_goes_grid_by_grid():
    counts = pool(
        features((0, 0), (0, 5), (11, 5)), ("1x1", "2x1"), lambda rows: np.array([len(rows), 2.0 * len(rows)])
    )
    assert_array_equal(counts, [[3, 6], [1, 2], [2, 4]])


def test_names_of_cells():
    assert cell_names(("1x1", "2x1", "1x2")) == ["1x1_0_0", "2x1_0_0", "2x1_1_0", "1x2_0_0", "1x2_0_1"]


def test_the_mirror_sum_adds_the_code_of_the_mirror_image_and_has_norm_1():
    def left_and_right(image):
        return np.array([len(cell) for cell in cell_rows(image, "1x2")], np.float32)

    image = features((0, 0), (1, 0), (2, 0), (11, 0))
    assert_allclose(mirrored_sum(image, left_and_right), [np.sqrt(0.5)] * 2, rtol=1e-6)
    assert_allclose(mirrored_sum(image, left_and_right, l1), [0.5, 0.5], rtol=1e-6)


def test_the_mirror_sum_of_no_features_is_zero():
    assert_array_equal(mirrored_sum(features(), lambda image: np.zeros(3, np.float32)), np.zeros(3))


# --- what holds for any


@given(xy=points, grid=grids)
def test_every_feature_is_in_exactly_one_cell(xy, grid):
    found = cell_rows(features(*xy), grid)
    ((n_rows, n_columns),) = parse_cells([grid])
    assert len(found) == n_rows * n_columns
    assert sorted(np.concatenate(found).tolist()) == list(range(len(xy)))
    assert all((np.diff(cell) > 0).all() for cell in found)


@given(xy=points, n_columns=st.integers(1, 5))
def test_columns_of_a_mirror_image_are_reversed(xy, n_columns):
    inside = [(x, y) for x, y in xy if abs((x + 0.5) * n_columns / WIDTH % 1 - 0.5) < 0.499]  # not at a border
    image = features(*inside)
    assert rows(cell_rows(image.mirrored(), f"1x{n_columns}")) == rows(cell_rows(image, f"1x{n_columns}")[::-1])


@given(xy=points, grid=grids, factor=st.integers(2, 5))
def test_cells_do_not_depend_on_the_size_of_the_image(xy, grid, factor):
    half_pixels = [(round(2 * x) / 2, round(2 * y) / 2) for x, y in xy]  # exact when resized, borders too
    image = features(*half_pixels)
    larger = image.resized((HEIGHT * factor, WIDTH * factor))
    assert rows(cell_rows(larger, grid)) == rows(cell_rows(image, grid))


@given(xy=points)
def test_an_image_and_its_mirror_image_have_the_same_mirror_sum(xy):
    def total(image):
        return mirrored_sum(image, lambda part: np.array([part.xy[:, 0].sum() + 1, len(part)], np.float32))

    image = features(*xy)
    assert_allclose(total(image.mirrored()), total(image), rtol=1e-4)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((), r"cells is \(\); it must be one or more grids such as '3x1', rows x columns"),
        (("3",), "cells is"),
        (("0x1",), "cells is"),
        (("1x1", "2*2"), "cells is"),
        (("33x1",), "at most 32"),
        (("1x1 ",), "cells is"),
        (("2x2", "2x2"), "different grids"),
    ],
)
def test_invalid_names_of_grids_are_refused(cells, words):
    with pytest.raises(SettingsError, match=words):
        parse_cells(cells)


def test_grids_are_rows_and_columns():
    assert parse_cells(("1x1", "3x1", "2x12")) == [(1, 1), (3, 1), (2, 12)]
