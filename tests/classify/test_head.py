"""The linear head."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.svm import LinearSVC

from classicvision.classify import head as head_module
from classicvision.classify.head import LinearHead


def test_three_planes_give_three_signed_distances():
    head = LinearHead(("a", "b", "c"), np.array([[1.0, 0], [0, 1], [-1, -1]]), np.array([0.0, 0.5, 1.0]), cost=1.0)
    assert_array_equal(head.decide(np.array([[2.0, 3.0]])), [[2.0, 3.5, -4.0]])
    assert head.predict(np.array([[2.0, 3.0]])) == 1


def test_one_plane_separates_two_classes_and_is_positive_for_the_second():
    head = LinearHead(("a", "b"), np.array([[2.0]]), np.array([-1.0]), cost=1.0)
    assert_array_equal(head.decide(np.array([[3.0]])), [[-5.0, 5.0]])
    assert_array_equal(head.predict(np.array([[3.0], [0.0]])), [1, 0])


def test_more_codes_than_are_widened_at_a_time_have_a_decision_each(monkeypatch):
    monkeypatch.setattr(head_module, "_BLOCK_BYTES", 16)  # two rows
    head = LinearHead(("a", "b", "c"), np.array([[1.0], [2.0], [3.0]]), np.zeros(3), cost=1.0)
    assert_array_equal(head.decide(np.arange(5.0)[:, np.newaxis]), np.outer(np.arange(5), [1, 2, 3]))
    assert_array_equal(head.decide(np.arange(5.0)[:, np.newaxis], np.array([4, 0, 2])), np.outer([4, 0, 2], [1, 2, 3]))
    assert head.decide(np.empty((0, 1))).shape == (0, 3)


def test_equal_classes_go_to_the_first():
    head = LinearHead(("a", "b", "c"), np.zeros((3, 1)), np.zeros(3), cost=1.0)
    assert head.predict(np.ones((1, 1))) == 0


@pytest.mark.parametrize("n_classes", [2, 5])
def test_decisions_equal_those_of_the_fitted_svm(n_classes):
    rng = np.random.default_rng(0)
    y = np.arange(60) % n_classes
    codes = (rng.random((60, 40)) + 0.3 * np.eye(n_classes, 40)[y]).astype(np.float32)
    svm = LinearSVC(C=10.0, random_state=0).fit(codes, y)
    head = LinearHead(tuple("abcde"[:n_classes]), svm.coef_, svm.intercept_, cost=10.0)
    ours = head.decide(codes)
    assert_allclose(ours[:, 1] if n_classes == 2 else ours, svm.decision_function(codes), atol=1e-5)
    assert_array_equal(head.predict(codes), svm.predict(codes))


def test_codes_of_another_width_are_refused_with_both_numbers():
    head = LinearHead(("a", "b"), np.zeros((1, 4)), np.zeros(1), cost=1.0)
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(N, 4\)"):
        head.decide(np.zeros((2, 3)))


def test_a_weight_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        LinearHead(("a", "b"), np.array([[np.nan]]), np.zeros(1), cost=1.0)


@pytest.mark.parametrize(("n_classes", "n_planes"), [(1, 1), (2, 2), (3, 1), (3, 2)])
def test_planes_that_do_not_fit_the_classes_are_refused(n_classes, n_planes):
    with pytest.raises(ValueError, match="do not fit"):
        LinearHead(tuple("abc"[:n_classes]), np.zeros((n_planes, 2)), np.zeros(n_planes), cost=1.0)
