"""Mixtures of Gaussians: one point and two components by hand, then compared with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.mixture import GaussianMixture

from classicvision.encoding import gmm, mixture
from classicvision.encoding.gmm import improve_mixture, learn_mixture
from classicvision.encoding.mixture import LEAST_SHARE, DiagonalMixture, Moments, moments
from classicvision.errors import NotEnoughDataError


def two_components(weights=(0.5, 0.5), means=((-1,), (1,)), variances=((1,), (1,))):
    return DiagonalMixture(*(np.array(array, np.float32) for array in (weights, means, variances)))


def clumps(n, n_clumps=4, n_dims=3, seed=0):
    rng = np.random.default_rng(seed)
    centres, deviations = rng.normal(0, 4, (n_clumps, n_dims)), rng.uniform(0.3, 1.5, (n_clumps, n_dims))
    label = rng.integers(n_clumps, size=n)
    return (centres[label] + deviations[label] * rng.normal(size=(n, n_dims))).astype(np.float32)


def as_sklearn(ours):
    theirs = GaussianMixture(len(ours.weights), covariance_type="diag")
    theirs.weights_, theirs.means_, theirs.covariances_ = (
        array.astype(np.float64) for array in (ours.weights, ours.means, ours.variances)
    )
    theirs.precisions_cholesky_ = 1 / np.sqrt(theirs.covariances_)
    return theirs


@pytest.fixture(params=["best", "numpy"])
def way(request, monkeypatch):
    """Run with the kernel, if it was built, and with NumPy."""
    if request.param == "numpy":
        monkeypatch.setattr(mixture, "native_available", lambda: False)


def test_a_point_in_the_middle_counts_half_for_each_of_two_components(way):
    found = moments(np.zeros((1, 1), np.float32), two_components())
    assert_allclose(found.zeroth, [0.5, 0.5], rtol=1e-6)
    assert_allclose(found.first, [[0.5], [-0.5]], rtol=1e-6)
    assert_allclose(found.second, [[0.5], [0.5]], rtol=1e-6)
    # The density at distance 1 of a standard Gaussian.
    assert found.log_likelihood == pytest.approx(-0.5 - np.log(2 * np.pi) / 2, rel=1e-6)


def test_deviates_are_in_units_of_the_standard_deviation(way):
    one = two_components((1.0,), ((2.0, 0.0),), ((4.0, 0.25),))
    found = moments(np.array([[6, 1], [2, 0]], np.float32), one)
    assert_allclose(found.first, [[2, 2]], rtol=1e-6)
    assert_allclose(found.second, [[4, 4]], rtol=1e-6)
    assert_allclose(found.zeroth, [2], rtol=1e-6)


def test_posteriors_are_those_of_sklearn(way):
    ours = learn_mixture(clumps(2000), 6, np.random.default_rng(0))
    points = clumps(300, seed=0)
    found, expected = moments(points, ours), as_sklearn(ours).predict_proba(points)
    assert_allclose(found.zeroth, expected.sum(axis=0), rtol=1e-4, atol=1e-3)
    assert found.log_likelihood / 300 == pytest.approx(as_sklearn(ours).score(points), rel=1e-5)


def test_a_negligible_posterior_counts_as_zero(way):
    # 0.5 + 2 x: at x = -5.8 the log of the ratio of the densities is 11.6, and exp(-11.6) is below 1e-5.
    assert np.exp(-11.6) < LEAST_SHARE
    found = moments(np.float32([[-5.8]]), two_components())
    assert_array_equal(found.zeroth, [1, 0])


def test_a_point_a_little_nearer_counts_for_both(way):
    found = moments(np.float32([[-5.6]]), two_components())
    assert_allclose(found.zeroth, [1, np.exp(-11.2)], rtol=1e-3)


def test_moments_of_parts_add_up_to_those_of_all(way):
    ours, points = learn_mixture(clumps(500), 4, np.random.default_rng(0)), clumps(1500)
    together, parts = moments(points, ours), moments(points[:700], ours) + moments(points[700:], ours)
    assert together.n_points == parts.n_points == 1500
    assert together.log_likelihood == pytest.approx(parts.log_likelihood)
    assert_allclose(together.second, parts.second, rtol=1e-5, atol=1e-3)


def test_moments_of_no_points_are_zero(way):
    found = moments(np.zeros((0, 1), np.float32), two_components())
    assert (found.n_points, found.log_likelihood) == (0, 0)
    assert_array_equal(found.first, np.zeros((2, 1)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_refused(way, value):
    with pytest.raises(ValueError, match="not finite"), np.errstate(all="ignore"):
        moments(np.full((1, 1), value, np.float32), two_components())


def test_points_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        moments(np.zeros((3, 2), np.float32), two_components())


@pytest.mark.parametrize(
    ("change", "message"),
    [({"weights": (0.5, 0.0)}, "weights"), ({"variances": ((1,), (-1,))}, "variances"), ({"means": ((1,),)}, "means")],
)
def test_invalid_parameters_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        two_components(**change)


def test_em_reaches_the_likelihood_of_sklearn_from_the_same_start(monkeypatch):
    points = clumps(3000, n_clumps=8, n_dims=5)
    start = learn_mixture(points, 8, np.random.default_rng(1), n_iterations=0)
    ours = learn_mixture(points, 8, np.random.default_rng(1), n_iterations=20)
    theirs = GaussianMixture(
        8,
        covariance_type="diag",
        max_iter=20,
        tol=0,
        means_init=start.means,
        weights_init=start.weights / start.weights.sum(dtype=np.float64),
        precisions_init=1 / start.variances,
    )
    with pytest.warns(Warning, match="converge"):
        theirs.fit(points.astype(np.float64))
    assert moments(points, ours).log_likelihood / 3000 == pytest.approx(theirs.score(points), rel=1e-3)
    assert_allclose(ours.means, theirs.means_, atol=0.02)


def test_one_iteration_by_hand():
    # The points 1 and 3 have mean 2 and variance 1, wherever the component was before.
    start = two_components((1.0,), ((0.0,),), ((4.0,),))
    found = improve_mixture(np.float32([[1], [3]]), start, n_iterations=1)
    assert_allclose([found.means[0, 0], found.variances[0, 0]], [2, 1], rtol=1e-6)


def test_every_iteration_raises_the_likelihood():
    points = clumps(2000, n_clumps=6)
    passes = [learn_mixture(points, 5, np.random.default_rng(2), n_iterations=n) for n in range(6)]
    likelihoods = [moments(points, each).log_likelihood for each in passes]
    assert (np.diff(likelihoods) > 0).all()


def test_one_component_is_mean_and_variance(way):
    points = clumps(1000)
    one = learn_mixture(points, 1, np.random.default_rng(0), n_iterations=2)
    assert_allclose(one.means[0], points.mean(axis=0), atol=1e-4)
    assert_allclose(one.variances[0], points.var(axis=0), rtol=1e-4)
    assert_array_equal(one.weights, [1])


def test_no_variance_falls_below_the_floor():
    points = clumps(500)
    points[:200] = points[0]
    fitted = learn_mixture(points, 5, np.random.default_rng(0), variance_floor=0.01)
    shares = fitted.variances / points.var(axis=0)
    assert shares.min() == pytest.approx(0.01, rel=1e-4)


def test_a_constant_dimension_is_harmless():
    points = np.column_stack([clumps(300), np.full(300, 7)]).astype(np.float32)
    fitted = learn_mixture(points, 3, np.random.default_rng(0))
    assert np.isfinite(moments(points, fitted).log_likelihood)


def test_an_empty_component_is_replaced_by_half_of_the_heaviest():
    # The third component has no points; the first has variance 9 in x, so it is cut at 1.5 to both sides.
    found = gmm._mixture(
        np.array([8.0, 2.0, 0.0]), np.zeros((3, 2)), np.array([[9.0, 1.0], [1.0, 1.0], [1.0, 1.0]]), np.full(2, 1e-6)
    )
    assert_allclose(found.weights, [0.4, 0.2, 0.4], rtol=1e-6)
    assert_allclose(found.means, [[-1.5, 0], [0, 0], [1.5, 0]])
    assert_allclose(found.variances[2], [9, 1])


def test_the_number_of_threads_does_not_change_the_result():
    points = clumps(30_000)
    one, four = (learn_mixture(points, 7, np.random.default_rng(0), n_iterations=3, n_threads=n) for n in (1, 4))
    assert_array_equal(one.variances, four.variances)


def test_too_few_distinct_points_are_refused():
    with pytest.raises(NotEnoughDataError, match="2 of them distinct"):
        learn_mixture(np.tile(np.float32([[0], [1]]), (5, 1)), 3, np.random.default_rng(0))


def test_a_mixture_survives_the_round_trip_through_arrays():
    ours = learn_mixture(clumps(200), 3, np.random.default_rng(0))
    again = DiagonalMixture.from_arrays(ours.to_arrays(), (3, 3))
    assert_array_equal(again.variances, ours.variances)
    with pytest.raises(ValueError, match="means"):
        DiagonalMixture.from_arrays(ours.to_arrays(), (3, 4))
    with pytest.raises(ValueError, match="needs the array 'weights'"):
        DiagonalMixture.from_arrays({}, (3, 3))


def test_zero_moments_are_neutral():
    ours = two_components()
    found = moments(np.zeros((1, 1), np.float32), ours)
    assert_array_equal((Moments.zero(ours) + found).first, found.first)


@pytest.mark.parametrize("n_constant", [0, 2])
def test_constant_dimensions_do_not_merge_the_components(n_constant):
    rng = np.random.default_rng(0)
    two_clumps = np.repeat([0.0, 9.0], 90)[:, np.newaxis] + rng.normal(0, 0.5, (180, 1))
    points = np.hstack([two_clumps, np.full((180, n_constant), 0.1)]).astype(np.float32)
    means = learn_mixture(points, 2, np.random.default_rng(1)).means[:, 0]
    assert_allclose(np.sort(means), [0, 9], atol=0.2)
