import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features.extrema import Blobs
from classicvision.features.orientation import BLOCK, _find_peaks, _smooth, assign_orientations, split_by_work
from classicvision.features.scalespace import ScaleSpace

ROWS, COLUMNS = np.indices((41, 41)).astype(np.float32)


def space_of(level: np.ndarray) -> ScaleSpace:
    gaussians = np.repeat(level[None].astype(np.float32), 6, axis=0)
    return ScaleSpace((gaussians,), (np.diff(gaussians, axis=0),), sigma=1.6, n_layers=3, upsampled=False)


def blobs_at(*places: tuple[int, int]) -> Blobs:
    row, column = np.array(places).T
    one = np.ones(len(places), np.int64)
    return Blobs(0 * one, one, row, column, np.column_stack([column, row]).astype(float), 2.0 * one, 0.1 * one)


@pytest.mark.parametrize("degrees", range(0, 360, 10))
def test_a_ramp_gives_the_direction_in_which_it_climbs_clockwise_from_the_right(degrees):
    angle = np.radians(degrees)
    level = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    rows, found = assign_orientations(space_of(level), blobs_at((20, 20)))
    assert_array_equal(rows, [0])
    assert_allclose(found, angle, atol=1e-4)


def test_a_corner_gives_both_directions():
    level = np.where(COLUMNS >= ROWS, ROWS, COLUMNS)
    rows, angle = assign_orientations(space_of(level), blobs_at((20, 20)))
    assert_array_equal(rows, [0, 0])
    assert_allclose(np.degrees(angle), [0, 90], atol=1)


def test_a_uniform_neighbourhood_has_no_orientation():
    rows, angle = assign_orientations(space_of(np.zeros((41, 41))), blobs_at((20, 20), (5, 5)))
    assert rows.shape == angle.shape == (0,)


def test_samples_beyond_the_border_do_not_count():
    _, angle = assign_orientations(space_of(COLUMNS), blobs_at((0, 0), (40, 40)))
    assert_allclose(angle, [0, 0], atol=1e-6)


def test_a_second_peak_counts_from_80_percent_of_the_highest():
    histogram = np.zeros((2, 36))
    histogram[:, 4] = 1.0
    histogram[:, 20] = [0.81, 0.79]
    rows, angle = _find_peaks(histogram)
    assert_array_equal(rows, [0, 0, 1])
    assert_allclose(np.degrees(angle), [40, 200, 40])


def test_a_parabola_through_2_4_3_peaks_a_sixth_of_a_bin_beyond_the_middle():
    histogram = np.zeros((1, 36))
    histogram[0, [35, 0, 1]] = [2, 4, 3]
    _, angle = _find_peaks(histogram)
    assert_allclose(np.degrees(angle), [10 / 6])


def test_angles_below_zero_wrap_to_below_a_full_turn():
    histogram = np.zeros((1, 36))
    histogram[0, [35, 0, 1]] = [3, 4, 2]
    _, angle = _find_peaks(histogram)
    assert_allclose(np.degrees(angle), [360 - 10 / 6])


def test_smoothing_spreads_one_count_as_1_4_6_4_1_around_the_circle():
    histogram = np.zeros((1, 36))
    histogram[0, 0] = 16
    expected = np.zeros(36)
    expected[[34, 35, 0, 1, 2]] = [1, 4, 6, 4, 1]
    assert_allclose(_smooth(histogram)[0], expected)


def test_blocks_contain_every_row_once_and_a_bounded_number_of_samples():
    half_side = np.random.default_rng(0).integers(5, 200, 500)
    blocks = list(split_by_work(half_side))
    assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(500))
    assert max(len(block) * (2 * half_side[block].max() + 1) ** 2 for block in blocks) <= BLOCK
