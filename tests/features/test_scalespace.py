import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features.scalespace import _double, build_scale_space


def bytes_of_a_blob(side: int, x: float, y: float, sigma: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return np.rint(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))).astype(np.uint8)


def test_the_first_octave_has_the_pixels_and_one_sample_between_neighbours():
    space = build_scale_space(np.zeros((40, 30), np.uint8))
    assert space.gaussians[0].shape == (6, 80, 60)
    assert space.spacing(0) == 0.5


def test_without_upsampling_the_samples_are_the_pixels():
    space = build_scale_space(np.zeros((40, 30), np.uint8), upsample=False)
    assert space.gaussians[0].shape == (6, 40, 30)
    assert space.spacing(0) == 1


def test_the_first_octave_is_interpolated_and_repeats_the_last_pixel():
    gray = np.array([[0, 100], [40, 60]], np.uint8)
    rows = [[0, 50, 100, 100], [20, 50, 80, 80], [40, 50, 60, 60], [40, 50, 60, 60]]
    assert_array_equal(_double(gray.astype(np.float32)), rows)


def test_the_next_octave_has_samples_0_2_4_of_whole_pairs():
    space = build_scale_space(np.random.default_rng(0).integers(0, 255, (40, 33), np.uint8))
    assert_array_equal(space.gaussians[1][0], space.gaussians[0][3, ::2, ::2])
    assert_array_equal(space.gaussians[2][0], space.gaussians[1][3, ::2, :32:2])


@pytest.mark.parametrize("upsample", [True, False])
def test_a_blob_is_at_the_same_place_in_all_octaves(upsample):
    space = build_scale_space(bytes_of_a_blob(192, 90.3, 95.8, 4.0), upsample=upsample)
    for octave in range(4):
        level = space.gaussians[octave][1].astype(float)
        rows, columns = np.indices(level.shape) * space.spacing(octave)
        assert_allclose(np.average(columns, weights=level), 90.3, atol=0.02)
        assert_allclose(np.average(rows, weights=level), 95.8, atol=0.02)


def test_variances_of_blob_and_level_add_up_minus_the_assumed_camera_blur():
    space = build_scale_space(bytes_of_a_blob(161, 80, 80, 5.0))
    for octave, layer in [(0, 0), (0, 3), (1, 2), (2, 5)]:
        level = space.gaussians[octave][layer].astype(float)
        columns = np.indices(level.shape)[1] * space.spacing(octave)
        variance = np.average((columns - 80) ** 2, weights=level)
        sigma = space.blur(layer) * space.spacing(octave)
        assert_allclose(variance, 5.0**2 + sigma**2 - 0.5**2, rtol=0.02)


def test_the_blur_doubles_over_one_octave():
    space = build_scale_space(np.zeros((40, 40), np.uint8), n_layers=4, sigma=1.5)
    assert_allclose([space.blur(0), space.blur(2), space.blur(4)], [1.5, 1.5 * 2**0.5, 3.0])


def test_a_dog_layer_is_the_next_gaussian_minus_this_one():
    space = build_scale_space(np.random.default_rng(0).integers(0, 255, (30, 30), np.uint8))
    assert_array_equal(space.dog[0][2], space.gaussians[0][3] - space.gaussians[0][2])


@given(st.integers(0, 255))
def test_blur_does_not_change_a_uniform_image(level):
    space = build_scale_space(np.full((20, 24), level, np.uint8))
    for octave in space.gaussians:
        assert_allclose(octave, level / 255, atol=1e-6)


@pytest.mark.parametrize(("side", "n_octaves"), [(1, 0), (2, 1), (64, 6), (512, 9)])
def test_octaves_end_at_a_few_samples(side, n_octaves):
    assert len(build_scale_space(np.zeros((side, 520), np.uint8)).gaussians) == n_octaves


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_far_from_the_border_a_rotated_image_has_exactly_the_rotated_levels(turns):
    gray = np.random.default_rng(0).integers(0, 255, (97, 97), np.uint8)
    upright, rotated = build_scale_space(gray), build_scale_space(np.rot90(gray, turns))
    for octave, size in [(0, 193), (1, 97)]:  # all samples except the last, which is extrapolated; all
        a, b = (space.gaussians[octave][:3, :size, :size] for space in (upright, rotated))
        inside = slice(32, -32)
        assert_array_equal(np.rot90(a, turns, axes=(1, 2))[:, inside, inside], b[:, inside, inside])
