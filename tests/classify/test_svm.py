"""The linear support vector machine: by hand, and against scikit-learn's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.svm import LinearSVC

from classicvision.classify import svm
from classicvision.classify.logistic import fit_log_odds
from classicvision.classify.svm import fit_hyperplanes

COSTS = (0.1, 1.0, 10.0)


def make_problem(n, d, n_classes, seed=0):
    """Return codes of unit length around a centre for each class, too close to be separable, and y."""
    rng = np.random.default_rng(seed)
    y = np.sort(np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)]))
    codes = rng.random((n_classes, d))[y] + rng.random((n, d))
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype(np.float32), y


def loss(planes, codes, y, cost, balanced):
    """Return what is minimised, for each hyperplane, in float64."""
    counts = np.bincount(y)
    weights = len(y) / (len(counts) * counts) if balanced else np.ones(len(counts))
    losses = []
    for w, b, k in zip(*planes, range(len(counts)) if len(counts) > 2 else [1], strict=True):
        signs = np.where(y == k, 1, -1)
        v = np.where(y == k, weights[k], 1 if len(counts) > 2 else weights[0])
        missing = np.maximum(0, 1 - signs * (codes.astype(np.float64) @ w + b))
        losses.append((w @ w + b * b) / 2 + cost * (v * missing**2).sum())
    return np.array(losses)


def of_sklearn(codes, y, cost, balanced):
    weight = "balanced" if balanced else None
    found = LinearSVC(C=cost, dual=False, class_weight=weight, tol=1e-9, max_iter=10_000).fit(codes, y)
    return found.coef_, found.intercept_


def test_two_opposite_images_are_solved_by_hand():
    # Both images ask the same of w, and b = 0: w^2 / 2 + 2 C (1 - w)^2 is least at w = 4 C / (1 + 4 C).
    codes, y = np.array([[1], [-1]], np.float32), np.array([1, 0])
    for cost, (weights, bias) in zip(COSTS, fit_hyperplanes(codes, y, COSTS), strict=True):
        assert_allclose(weights, [[4 * cost / (1 + 4 * cost)]], rtol=1e-6)
        assert_allclose(bias, [0], atol=1e-6)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize(("n", "d"), [(300, 20), (60, 400)])
def test_the_loss_is_that_of_sklearn_within_a_ten_thousandth(n, d, n_classes, balanced):
    codes, y = make_problem(n, d, n_classes)
    for cost, planes in zip(COSTS, fit_hyperplanes(codes, y, COSTS, balanced=balanced), strict=True):
        least = loss(of_sklearn(codes, y, cost, balanced), codes, y, cost, balanced)
        assert_allclose(loss(planes, codes, y, cost, balanced), least, rtol=1e-4)


def test_scores_are_those_of_sklearn_within_a_hundredth_of_the_margin():
    codes, y = make_problem(300, 50, 5)
    weights, bias = fit_hyperplanes(codes, y, [1.0])[0]
    other_weights, other_bias = of_sklearn(codes, y, 1.0, balanced=True)
    assert_allclose(codes @ weights.T + bias, codes @ other_weights.T + other_bias, atol=0.01)


def test_codes_and_products_of_codes_lead_to_the_same_hyperplanes(monkeypatch):
    codes, y = make_problem(100, 70, 4)
    by_products = fit_hyperplanes(codes, y, COSTS)
    monkeypatch.setattr(svm, "_MOST_PRODUCTS", 0)
    for one, other in zip(by_products, fit_hyperplanes(codes, y, COSTS), strict=True):
        assert_allclose(one.weights, other.weights, atol=0.005 * np.abs(other.weights).max())


@pytest.mark.parametrize("fit", [fit_hyperplanes, fit_log_odds])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_dims", [20, 3000])  # by codes, and by products in more than a block
@pytest.mark.parametrize("rows", [np.arange(1, 100, 2), None])
def test_rows_and_weights_are_as_if_the_codes_were_copied(n_dims, n_classes, fit, rows):
    codes, y = make_problem(100, n_dims, n_classes)
    some, weighing = slice(None) if rows is None else rows, np.linspace(0, 2, n_dims, dtype=np.float32)
    before = codes.copy()
    found = fit(codes, y[some], COSTS, rows=rows, weighing=weighing, balanced=True)
    assert_array_equal(codes, before)
    for one, other in zip(found, fit(codes[some] * weighing, y[some], COSTS, balanced=True), strict=True):
        size = np.abs(other[0]).max()
        assert_allclose(one[0], other[0] * weighing, atol=1e-4 * size)
        assert_allclose(one[1], other[1], atol=1e-4 * size)


def test_products_are_taken_of_wide_codes_only():
    assert svm._is_wide(1200, 1000)
    assert not svm._is_wide(2001, 1000)
    assert not svm._is_wide(20_000, 40_000)  # their products would take 1.6 GB


def test_the_order_of_the_costs_changes_nothing():
    codes, y = make_problem(60, 30, 3)
    up, down = fit_hyperplanes(codes, y, COSTS), fit_hyperplanes(codes, y, COSTS[::-1])
    for one, other in zip(up, down[::-1], strict=True):
        assert_array_equal(one.weights, other.weights)


@pytest.mark.parametrize("n", [40, 400])
def test_codes_of_zeros_leave_the_bias_alone(n):
    y = np.arange(n) % 3
    weights, _ = fit_hyperplanes(np.zeros((n, 50), np.float32), y, [1.0])[0]
    assert_array_equal(weights, np.zeros((3, 50)))


@pytest.mark.parametrize(("n", "d"), [(300, 20), (80, 60)])
def test_the_least_cost_gives_the_loss_of_sklearn(n, d):
    codes, y = make_problem(n, d, 3)
    planes = fit_hyperplanes(codes, y, [svm.LEAST_COST])[0]
    least = loss(of_sklearn(codes, y, svm.LEAST_COST, True), codes, y, svm.LEAST_COST, True)
    assert_allclose(loss(planes, codes, y, svm.LEAST_COST, True), least, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (80, 60), (60, 400)])
@pytest.mark.parametrize("cost", [1e3, svm.LARGEST_COST])
def test_large_costs_tell_training_images_apart(cost, n, d):
    codes, y = make_problem(n, d, 3)
    weights, bias = fit_hyperplanes(codes, y, [cost])[0]
    assert_array_equal(np.argmax(codes @ weights.T + bias, axis=1), y)


def test_a_class_without_images_is_an_error():
    with pytest.raises(ValueError, match=r"\[2, 0, 1\] images"):
        fit_hyperplanes(np.eye(3, dtype=np.float32), np.array([0, 0, 2]), [1.0])


def test_a_converged_class_does_not_overflow_while_others_continue():
    codes = np.array(
        [
            [-0.7521177530288696, -0.5928067564964294, -0.2879219055175781],
            [-0.7534059882164001, -0.5925779938697815, -0.28501012921333313],
            [0.29285961389541626, 0.4918331503868103, 0.8199594020843506],
            [0.06784103810787201, 0.38351181149482727, 0.9210408926010132],
        ],
        np.float32,
    )
    for planes in fit_hyperplanes(codes, np.array([0, 1, 2, 2]), (0.3, 1.0, 3.0, 10.0, 30.0)):
        assert all(np.isfinite(numbers).all() for numbers in planes)
