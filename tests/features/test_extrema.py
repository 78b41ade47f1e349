import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision.features.extrema import BORDER, find_extrema
from classicvision.features.scalespace import ScaleSpace, build_scale_space

SIDE = 97
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(float)


def as_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def blob(x: float, y: float, sigma_x: float, sigma_y: float | None = None) -> np.ndarray:
    return np.exp(-((COLUMNS - x) ** 2) / (2 * sigma_x**2) - (ROWS - y) ** 2 / (2 * (sigma_y or sigma_x) ** 2))


def hand_made_space(dog: np.ndarray) -> ScaleSpace:
    gaussians = np.zeros((len(dog) + 1, *dog.shape[1:]), np.float32)
    return ScaleSpace((gaussians,), (dog.astype(np.float32),), sigma=1.6, n_layers=len(dog) - 2, upsampled=False)


def strongest(blobs):
    return int(np.argmax(np.abs(blobs.value)))


@pytest.mark.parametrize(("x", "y", "sigma"), [(48, 48, 3), (44.5, 47.2, 3.8), (50.1, 41.7, 4.6), (47.3, 52.4, 5.5)])
def test_a_gaussian_blob_is_found_at_its_centre_and_at_its_scale(x, y, sigma):
    kept = find_extrema(build_scale_space(as_bytes(0.9 * blob(x, y, sigma)))).kept
    best = strongest(kept)
    assert_allclose(kept.xy[best], [x, y], atol=0.025 * sigma)
    # G(k s) - G(s) of a blob of variance v peaks where k s^2 = v: that is at s = sqrt(v / k).
    assert_allclose(kept.scale[best], (sigma**2 - 0.25) ** 0.5 / 2 ** (1 / 6), rtol=0.02)


def test_bright_blobs_have_a_negative_and_dark_blobs_a_positive_value():
    bright = find_extrema(build_scale_space(as_bytes(blob(48, 48, 4)))).kept
    dark = find_extrema(build_scale_space(as_bytes(1 - blob(48, 48, 4)))).kept
    assert bright.value[strongest(bright)] < 0 < dark.value[strongest(dark)]


@given(st.tuples(*[st.floats(-0.45, 0.45)] * 3))
def test_the_extremum_of_a_quadratic_is_found_exactly(offset):
    layer, row, column = np.indices((5, 21, 21)).astype(float)
    top = np.array([2, 10, 10]) + offset
    dog = 0.5 - 0.001 * ((layer - top[0]) ** 2 + (row - top[1]) ** 2 + 2 * (column - top[2]) ** 2)
    steps = find_extrema(hand_made_space(dog))
    assert_allclose(steps.kept.xy, [[top[2], top[1]]], atol=1e-3)
    assert_allclose(steps.kept.scale, [1.6 * 2 ** (top[0] / 3)], rtol=1e-3)
    assert_allclose(steps.kept.value, [0.5], rtol=1e-5)


def test_a_neighbour_of_the_same_value_does_not_hide_an_extremum():
    dog = np.zeros((3, 15, 15))
    dog[1, 7, 7] = dog[1, 7, 8] = 0.5
    candidates = find_extrema(hand_made_space(dog)).candidates
    assert_array_equal(np.column_stack([candidates.row, candidates.column]), [[7, 7], [7, 8]])


@pytest.mark.parametrize("place", [(0, 6, 8), (2, 8, 6), (1, 6, 6), (1, 8, 8)])
def test_a_larger_neighbour_in_place_or_scale_hides_an_extremum(place):
    dog = np.zeros((3, 15, 15))
    dog[1, 7, 7] = 0.5
    assert len(find_extrema(hand_made_space(dog)).candidates) == 1
    dog[place] = 0.6
    assert (7, 7) not in zip(*_places(find_extrema(hand_made_space(dog)).candidates), strict=True)


def _places(blobs):
    return blobs.row.tolist(), blobs.column.tolist()


@pytest.mark.parametrize(("distance", "n_found"), [(BORDER - 1, 0), (BORDER, 1)])
def test_blobs_keep_a_distance_of_five_samples_from_the_border(distance, n_found):
    dog = np.zeros((3, 15, 15))
    dog[1, distance, 7] = 0.5
    assert len(find_extrema(hand_made_space(dog)).candidates) == n_found


def test_candidates_below_half_the_contrast_threshold_are_ignored():
    dog = np.zeros((3, 15, 15))
    dog[1, 7, 7] = 0.05
    assert len(find_extrema(hand_made_space(dog), contrast=0.09).candidates) == 1
    assert len(find_extrema(hand_made_space(dog), contrast=0.11).candidates) == 0


def test_a_weak_blob_is_dropped_by_the_contrast_test():
    space = build_scale_space(as_bytes(0.5 + 0.3 * blob(48, 48, 4)))
    value = np.abs(find_extrema(space).kept.value).max()
    assert len(find_extrema(space, contrast=3 * value * 0.99).strong) > 0
    steps = find_extrema(space, contrast=3 * value * 1.01)
    assert len(steps.refined) > 0
    assert len(steps.strong) == 0


def test_curvatures_of_ratio_four_pass_an_edge_ratio_of_five_and_not_of_three():
    # A quadratic with curvatures 4 and 1: Tr^2 / Det = 25 / 4, and (r + 1)^2 / r is 7.2 for r = 5 and 5.33 for r = 3.
    layer, row, column = np.indices((3, 15, 15)).astype(float)
    dog = 0.5 - 0.001 * ((layer - 1) ** 2 + (row - 7) ** 2 + 4 * (column - 7) ** 2)
    assert len(find_extrema(hand_made_space(dog), edge_ratio=5).kept) == 1
    assert len(find_extrema(hand_made_space(dog), edge_ratio=3).kept) == 0
    assert len(find_extrema(hand_made_space(dog), edge_ratio=3).strong) == 1


def test_a_saddle_is_dropped_by_the_edge_test():
    # No neighbour exceeds (7, 7), but its quadratic climbs to two corners and falls to the others.
    dog = np.full((3, 15, 15), 0.4)
    dog[1, 7, 5:10] = dog[1, 5:10, 7] = 0.499
    dog[1, 7, 7] = 0.5
    dog[1, [6, 8], [6, 8]] = 0.5
    steps = find_extrema(hand_made_space(dog), edge_ratio=1000)
    assert (7, 7) in zip(*_places(steps.strong), strict=True)
    assert (7, 7) not in zip(*_places(steps.kept), strict=True)


def test_candidates_that_converge_to_the_same_sample_are_one_blob():
    refined = find_extrema(build_scale_space(data.gravel()[:200, :200])).refined
    places = list(zip(refined.octave, refined.layer, *_places(refined), strict=True))
    assert len(places) == len(set(places)) > 500


def test_each_step_keeps_a_subset_of_the_step_before():
    gray = np.random.default_rng(0).integers(0, 255, (80, 80), np.uint8)
    steps = find_extrema(build_scale_space(gray))
    counts = [len(step) for step in steps]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (12, 12), (33, 17), (4, 400)])
def test_a_uniform_image_has_no_blobs_at_any_size(shape):
    steps = find_extrema(build_scale_space(np.full(shape, 77, np.uint8)))
    assert [len(step) for step in steps] == [0, 0, 0, 0]
    assert steps.kept.xy.shape == (0, 2)
