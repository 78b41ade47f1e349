import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision.features.edges import (
    difference_of_gaussians,
    gradient,
    laplacian,
    laplacian_of_gaussian,
    zero_crossings,
)

ROWS, COLUMNS = np.mgrid[:41, :41] - 20.0


def blob(sigma: float) -> np.ndarray:
    return np.exp(-(ROWS**2 + COLUMNS**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def test_a_downward_ramp_of_two_per_pixel_has_magnitude_two_and_an_angle_of_90_degrees_clockwise():
    magnitude, angle = gradient(2 * ROWS)
    assert_allclose(magnitude[1:-1], 2)
    assert_allclose(angle[1:-1], np.pi / 2)


def test_brighter_to_the_right_is_angle_zero_and_to_the_left_pi():
    assert_allclose(gradient(COLUMNS)[1][:, 1:-1], 0)
    assert_allclose(gradient(-COLUMNS)[1][:, 1:-1], np.pi)


def test_bytes_are_scaled_by_255():
    gray = np.array([[0, 255, 255]], np.uint8)
    assert_allclose(gradient(gray)[0], [[0.5, 0.5, 0]])


def test_the_laplacian_of_one_bright_pixel_is_its_four_neighbours_minus_four_times_itself():
    image = np.zeros((5, 5))
    image[2, 2] = 1
    expected = np.zeros((5, 5))
    expected[2, 2] = -4
    expected[[1, 3, 2, 2], [2, 2, 1, 3]] = 1
    assert_allclose(laplacian(image), expected)


def test_laplacian_of_x_squared_plus_y_squared_is_four():
    assert_allclose(laplacian(ROWS**2 + COLUMNS**2)[1:-1, 1:-1], 4)


def test_laplacian_of_gaussian_of_a_gaussian_blob_is_the_formula_at_the_summed_variance():
    variance = 2.0**2 + 1.6**2
    squared_radius = ROWS**2 + COLUMNS**2
    expected = blob(variance**0.5) * (squared_radius / variance**2 - 2 / variance)
    found = laplacian_of_gaussian(blob(2.0), 1.6)
    assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@given(st.floats(0.5, 4), st.floats(0, 255))
def test_a_uniform_image_has_no_edges(sigma, level):
    image = np.full((9, 12), level)
    assert_allclose(gradient(image)[0], 0, atol=1e-9)
    assert_allclose(laplacian(image), 0, atol=1e-9)
    assert_allclose(laplacian_of_gaussian(image, sigma), 0, atol=1e-9)
    assert_allclose(difference_of_gaussians(image, sigma), 0, atol=1e-9)


def test_signs_change_between_a_pixel_and_its_right_or_lower_neighbour():
    response = np.array([[1.0, -1.0, -1.0], [1.0, 1.0, -5.0]])
    assert_array_equal(zero_crossings(response), [[True, True, False], [False, True, False]])


def test_small_steps_across_zero_are_ignored():
    response = np.array([[1.0, -1.0, -1.0], [1.0, 1.0, -5.0]])
    assert_array_equal(zero_crossings(response, least_step=5), [[False, False, False], [False, True, False]])


def test_the_edge_of_a_disc_is_where_laplacian_of_gaussian_crosses_zero():
    radius = np.hypot(ROWS, COLUMNS)
    crossing = zero_crossings(laplacian_of_gaussian((radius < 12).astype(float), 1.5), least_step=1e-3)
    assert crossing.sum() > 60
    assert np.all(np.abs(radius[crossing] - 12) < 1.5)


@pytest.mark.parametrize(("k", "least", "most"), [(2 ** (1 / 3), 0.14, 0.19), (1.1, 0.06, 0.08), (1.01, 0.006, 0.009)])
@pytest.mark.parametrize("name", ["camera", "gravel"])
def test_difference_of_gaussians_is_the_laplacian_of_gaussian_with_an_error_proportional_to_k_minus_one(
    name, k, least, most
):
    gray = getattr(data, name)()
    expected = (k - 1) * 1.6**2 * laplacian_of_gaussian(gray, 1.6)
    error = np.linalg.norm(difference_of_gaussians(gray, 1.6, k) - expected) / np.linalg.norm(expected)
    assert least < error < most


def test_difference_of_gaussians_is_within_three_percent_of_the_laplacian_at_the_mean_variance():
    gray, sigma, k = data.camera(), 1.6, 2 ** (1 / 3)
    middle = sigma * ((1 + k**2) / 2) ** 0.5
    expected = (k**2 - 1) / 2 * sigma**2 * laplacian_of_gaussian(gray, middle)
    error = np.linalg.norm(difference_of_gaussians(gray, sigma) - expected) / np.linalg.norm(expected)
    assert error < 0.03


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_one_pixel_is_a_valid_image(shape):
    gray = np.full(shape, 9, np.uint8)
    assert gradient(gray)[0].shape == laplacian_of_gaussian(gray, 2).shape == shape


@pytest.mark.parametrize("shape", [(4, 4, 3), (0, 5), (5,)])
def test_an_array_that_is_not_a_grey_image_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"shape \(.*grey"):
        laplacian(np.zeros(shape))
