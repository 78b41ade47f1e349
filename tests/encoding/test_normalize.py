"""Norms and weights of codes: by hand, and against scikit-learn's chi-squared map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.kernel_approximation import AdditiveChi2Sampler

from classicvision.encoding.normalize import additive_chi2_map, hellinger, idf, l1, l2

FUNCTIONS = [l1, l2, hellinger, additive_chi2_map]

codes = arrays(
    np.float32, array_shapes(min_dims=1, max_dims=2, max_side=6), elements=st.floats(0, 2**10, width=16).map(np.float32)
)


def test_l1_divides_by_the_sum():
    assert_array_equal(l1(np.array([1, 3, 0])), np.array([0.25, 0.75, 0], np.float32))


def test_l1_divides_by_the_sum_of_absolute_values():
    assert_array_equal(l1(np.array([-1, 3])), np.array([-0.25, 0.75], np.float32))


def test_l2_divides_by_the_euclidean_norm():
    assert_allclose(l2(np.array([[3, 4], [0, 2]])), [[0.6, 0.8], [0, 1]], rtol=1e-6)


def test_hellinger_is_the_root_of_the_shares():
    assert_allclose(hellinger(np.array([1, 9, 6])), [0.25, 0.75, np.sqrt(6) / 4], rtol=1e-6)


def test_hellinger_keeps_signs():
    assert_allclose(hellinger(np.array([-1, 3])), [-0.5, np.sqrt(0.75)], rtol=1e-6)


def test_scalar_product_of_hellinger_codes_is_bhattacharyyas_coefficient():
    a, b = np.array([1, 3]), np.array([3, 1])
    assert_allclose(hellinger(a) @ hellinger(b), 2 * np.sqrt(0.25 * 0.75), rtol=1e-6)


@pytest.mark.parametrize("normalize", FUNCTIONS)
def test_zeros_stay_zeros(normalize):
    assert_array_equal(normalize(np.zeros((2, 3))), np.zeros_like(normalize(np.ones((2, 3)))))


@pytest.mark.parametrize("normalize", FUNCTIONS)
@given(codes=codes)
def test_results_are_float32_and_rows_are_independent(normalize, codes):
    result = normalize(codes)
    assert result.dtype == np.float32
    assert result.ndim == codes.ndim
    if codes.ndim == 2:
        assert_allclose(normalize(codes[0]), result[0], rtol=1e-6)


@pytest.mark.parametrize("normalize", FUNCTIONS)
def test_no_rows_give_no_rows(normalize):
    assert normalize(np.zeros((0, 4))).shape[0] == 0


@pytest.mark.parametrize("n_samples", [1, 2, 3])
@given(codes=codes)
def test_chi2_map_equals_scikit_learns(n_samples, codes):
    rows = np.atleast_2d(codes)
    expected = AdditiveChi2Sampler(sample_steps=n_samples).fit(rows).transform(rows)
    assert_allclose(np.atleast_2d(additive_chi2_map(codes, n_samples)), expected, rtol=1e-4, atol=1e-5)


def test_scalar_product_of_chi2_maps_is_near_the_chi2_kernel_and_nearer_with_more_samples():
    a, b = l1(np.random.default_rng(0).random((2, 200, 20)) ** 3)
    kernel = (2 * a * b / (a + b)).sum(axis=1)
    maps = [(additive_chi2_map(a, n), additive_chi2_map(b, n)) for n in (1, 2, 3)]
    errors = [np.abs((map_a * map_b).sum(axis=1) - kernel).max() for map_a, map_b in maps]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_chi2_map_refuses_negative_numbers():
    with pytest.raises(ValueError, match="non-negative"):
        additive_chi2_map(np.array([1.0, -0.5]))


def test_chi2_map_refuses_more_samples_than_have_a_period():
    with pytest.raises(ValueError, match="n_samples is 4"):
        additive_chi2_map(np.ones(3), 4)


def test_idf_is_the_logarithm_of_the_inverse_document_frequency():
    assert_allclose(idf(np.array([1, 2, 4]), 4), [np.log(4), np.log(2), 0], rtol=1e-6)


def test_a_word_of_no_image_weighs_as_much_as_a_word_of_one():
    assert_array_equal(idf(np.array([0, 1]), 8), np.full(2, np.log(8), np.float32))


def test_idf_of_no_images_is_finite():
    assert np.isfinite(idf(np.zeros(3, int), 0)).all()
