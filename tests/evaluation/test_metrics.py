"""Scores worked out on paper, properties, and scikit-learn as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as oracle

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.metrics import Confusion, score, wilson_interval

PETS = ("cat", "dog", "eel")


@pytest.fixture(scope="module")
def pets():
    """Four cats (3 right, 1 called dog), two dogs (1 right, 1 called cat), no eel."""
    return score([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], PETS)


def test_rows_of_the_confusion_matrix_are_true_and_columns_predicted():
    assert_array_equal(score([0, 0, 0], [1, 1, 2], PETS).confusion, [[0, 2, 1], [0, 0, 0], [0, 0, 0]])


def test_accuracy_is_the_share_of_right_answers(pets):
    assert pets.accuracy == pytest.approx(4 / 6)


def test_mean_per_class_accuracy_weighs_tested_classes_equally(pets):
    assert pets.mean_per_class_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_recall_of_a_class_without_test_image_is_nan(pets):
    assert_array_equal(pets.recall, [0.75, 0.5, np.nan])


def test_precision_of_a_class_never_predicted_is_nan(pets):
    assert_array_equal(pets.precision, [0.75, 0.5, np.nan])


def test_f1_is_two_hits_over_support_plus_predictions(pets):
    assert_allclose(pets.f1, [6 / 8, 2 / 4, np.nan])


def test_f1_of_a_tested_class_never_predicted_is_zero():
    assert score([0, 1], [0, 0], ["cat", "dog"]).f1[1] == 0


def test_support_counts_true_images(pets):
    assert_array_equal(pets.support, [4, 2, 0])
    assert (pets.n_images, pets.n_tested_classes) == (6, 2)


def test_majority_share_is_that_of_the_largest_class(pets):
    assert pets.majority_share == pytest.approx(4 / 6)


def test_confusions_are_sorted_by_frequency_without_correct_answers():
    scores = score([0, 0, 0, 1, 1, 2], [0, 1, 1, 2, 2, 0], PETS)
    assert scores.confusions() == (
        Confusion("cat", "dog", 2, 3),
        Confusion("dog", "eel", 2, 2),
        Confusion("eel", "cat", 1, 1),
    )
    assert len(scores.confusions(2)) == 2


def test_all_right_has_no_confusions():
    assert score([0, 1], [0, 1], ["cat", "dog"]).confusions() == ()


def test_wilson_interval_of_81_in_263_is_that_of_newcombe():
    # Newcombe (1998), table I, method 3: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_interval_has_a_width_where_nothing_was_right():
    # Newcombe (1998), table I, method 3: 0 of 20 gives 0 to 0.1611.
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)


def test_bootstrap_interval_of_one_class_is_that_of_its_binomial_share():
    low, high = score([0] * 100, [0] * 80 + [1] * 20, ["cat", "dog"]).mean_per_class_interval
    assert (low, high) == pytest.approx((0.72, 0.88), abs=0.0101)  # quantiles of Binomial(100, 0.8): 72 and 87 or 88


def test_bootstrap_interval_is_narrower_than_of_its_smallest_class():
    true = [0] * 1000 + [1] * 10
    predicted = [0] * 900 + [1] * 100 + [1] * 5 + [0] * 5
    low, high = score(true, predicted, ["cat", "dog"]).mean_per_class_interval
    # The deviation of (a + b) / 2 is half of sqrt(0.9 x 0.1 / 1000 + 0.5 x 0.5 / 10) = 0.0792; the counts are discrete.
    assert high - low == pytest.approx(2 * 1.96 * 0.0792, rel=0.1)


def test_bootstrap_repeats_under_one_seed():
    true, predicted = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 1]
    first, second = (score(true, predicted, ["a", "b"], seed=7).mean_per_class_interval for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 1], [0], "2 true and 1 predicted"),
        ([0, 3], [0, 1], "from 0 to 3; there are 3 classes"),
        ([0, -1], [0, 1], "from -1 to 0"),
        ([0.5], [0], "float64"),
        ([[0]], [[0]], r"shape \(1, 1\)"),
    ],
)
def test_bad_indices_are_refused_with_their_value(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        score(true, predicted, PETS)


def test_no_image_is_not_enough_data():
    with pytest.raises(NotEnoughDataError, match="no image to score"):
        score([], [], PETS)


labels = st.integers(2, 5).flatmap(
    lambda k: st.tuples(st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1))
)


@given(labels)
@settings(max_examples=40, deadline=None)
def test_measures_agree_with_scikit_learn(case):
    k, pairs = case
    true, predicted = np.array(pairs).T
    scores = score(true, predicted, [str(i) for i in range(k)])
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        true, predicted, labels=range(k), zero_division=np.nan
    )
    assert_allclose(scores.precision, precision)
    assert_allclose(scores.recall, recall)
    assert_allclose(scores.f1, f1)
    assert_array_equal(scores.support, support)
    assert_array_equal(scores.confusion, oracle.confusion_matrix(true, predicted, labels=range(k)))
    assert scores.accuracy == pytest.approx(oracle.accuracy_score(true, predicted))


@given(labels)
@settings(max_examples=40, deadline=None)
def test_values_lie_in_their_intervals_and_those_in_zero_to_one(case):
    k, pairs = case
    true, predicted = np.array(pairs).T
    scores = score(true, predicted, [str(i) for i in range(k)])
    for value, (low, high) in (
        (scores.accuracy, scores.accuracy_interval),
        (scores.mean_per_class_accuracy, scores.mean_per_class_interval),
    ):
        assert 0 <= low <= value + 1e-12
        assert value - 1e-12 <= high <= 1
