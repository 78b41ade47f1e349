"""Tests of significance: solved by hand, held to scipy, and simulated where nothing differs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.statistics import holm, mcnemar, resampled_t_test

counts = st.integers(0, 3000)


def test_one_against_five_is_seven_of_thirty_two_tosses_on_either_side():
    # P(at most 1 head in 6) = (1 + 6) / 64; twice that is 14 / 64; the mid-p lacks one 6 / 64.
    assert mcnemar(1, 5).p == pytest.approx(14 / 64)
    assert mcnemar(1, 5).mid_p == pytest.approx(8 / 64)


def test_without_an_image_that_tells_them_apart_nothing_is_shown():
    assert (mcnemar(0, 0).p, mcnemar(0, 0).mid_p) == (1, 1)


def test_one_against_one_has_a_mid_p_without_half_of_the_middle():
    # 0, 1 or 2 heads: 1/4, 1/2, 1/4. The middle was seen, half of it counts.
    assert mcnemar(1, 1).p == 1
    assert mcnemar(1, 1).mid_p == pytest.approx(3 / 4)


@given(counts, counts)
def test_the_exact_test_is_scipys_binomial_test(n_a, n_b):
    expected = stats.binomtest(n_a, n_a + n_b, 0.5).pvalue if n_a + n_b else 1.0
    assert mcnemar(n_a, n_b).p == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(counts, counts)
def test_mid_p_is_the_exact_p_less_the_probability_of_what_was_seen(n_a, n_b):
    found = mcnemar(n_a, n_b)
    seen = stats.binom.pmf(n_a, n_a + n_b, 0.5)
    expected = 1 - seen / 2 if n_a == n_b else 2 * stats.binom.cdf(min(n_a, n_b), n_a + n_b, 0.5) - seen
    assert found.mid_p == pytest.approx(expected if n_a + n_b else 1, rel=1e-6, abs=1e-12)
    assert 0 <= found.mid_p <= found.p <= 1


def test_a_negative_number_of_images_is_refused():
    with pytest.raises(ValueError, match="-1 and 3; they must not be negative"):
        mcnemar(-1, 3)


def test_the_corrected_t_of_three_splits_by_hand():
    # Mean 2, variance 1; (1/3 + 1/2) 1 = 5/6: t = 2 / sqrt(5/6). With 2 degrees P(|T| > t) = 1 - t / sqrt(2 + t^2).
    found = resampled_t_test([1, 2, 3], test_over_train=0.5)
    t = 2 / math.sqrt(5 / 6)
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t**2))
    # The 97.5 % point with 2 degrees is 4.30265.
    assert found.difference.high - 2 == pytest.approx(4.30265 * math.sqrt(5 / 6), rel=1e-5)
    assert found.difference.low + found.difference.high == pytest.approx(4)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30).filter(lambda x: np.ptp(x) > 1e-6))
def test_without_the_correction_it_would_be_scipys_t_test(differences):
    found = resampled_t_test(differences, test_over_train=1e-15)
    expected = stats.ttest_1samp(differences, 0)
    assert found.t == pytest.approx(expected.statistic, rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


def test_equal_recipes_have_t_0_and_p_1():
    found = resampled_t_test([0.0, 0.0, 0.0], test_over_train=1)
    assert (found.t, found.p) == (0, 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_equal_differences_have_an_infinite_t_of_their_sign(sign):
    found = resampled_t_test([sign * 0.1] * 3, test_over_train=1)
    assert (found.t, found.p) == (sign * math.inf, 0)


def test_one_split_is_too_few_to_test_splits():
    with pytest.raises(NotEnoughDataError, match="1 split has no deviation"):
        resampled_t_test([0.1], test_over_train=1)


def test_holm_by_hand():
    # Sorted .01 .02 .04 .5, times 4 3 2 1: .04 .06 .08 .5.
    assert holm([0.04, 0.01, 0.5, 0.02]) == pytest.approx([0.08, 0.04, 0.5, 0.06])


def test_holm_keeps_the_order_of_the_tests_and_stays_at_most_1():
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([0.02, 0.03]) == pytest.approx([0.04, 0.04])
    assert holm([]) == []


def test_the_corrected_test_keeps_its_level_on_random_splits_and_the_plain_one_does_not():
    # Two classifiers of equal skill: each looks at its own noisy view of one class bit and learns its threshold.
    rng = np.random.default_rng(0)
    n_images, n_train, n_splits, n_runs = 60, 30, 10, 400
    alarms = np.zeros(2)
    for _ in range(n_runs):
        label = rng.integers(0, 2, n_images)
        views = label + rng.normal(0, 1, (2, n_images))
        differences = []
        for _ in range(n_splits):
            order = rng.permutation(n_images)
            train, test = order[:n_train], order[n_train:]
            right = [(view[test] > view[train].mean()) == label[test] for view in views]
            differences.append(right[0].mean() - right[1].mean())
        corrected = resampled_t_test(differences, test_over_train=(n_images - n_train) / n_train)
        alarms += corrected.p <= 0.05, stats.ttest_1samp(differences, 0).pvalue <= 0.05
    # 5 % of 400 runs are 20, with a deviation of 4.4.
    assert alarms[0] <= 33
    assert alarms[1] >= 60
