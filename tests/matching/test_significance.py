"""The number of false alarms, by hand and against exact fractions."""

from fractions import Fraction
from math import comb, inf, log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classicvision.matching.significance import log10_binomial_tail, most_significant, significance


def test_three_heads_in_three_tosses_have_probability_one_in_eight():
    assert log10_binomial_tail(3, 3, 0.5) == pytest.approx(log10(1 / 8))


def test_zero_or_more_successes_are_certain_and_more_than_n_impossible():
    assert log10_binomial_tail(5, 0, 0.1) == 0
    assert log10_binomial_tail(5, 6, 0.1) == -inf


@given(st.integers(1, 60), st.data())
def test_the_tail_is_the_sum_of_exact_fractions(n, data):
    k, p = data.draw(st.integers(1, n)), Fraction(data.draw(st.integers(1, 99)), 100)
    exact = sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    assert log10_binomial_tail(n, k, float(p)) == pytest.approx(
        log10(exact.numerator) - log10(exact.denominator), abs=1e-9
    )


@pytest.mark.parametrize("n", [6, 9, 50])
def test_a_tail_that_is_nearly_certain_has_a_probability_of_1_at_most(n):
    assert -1e-9 < log10_binomial_tail(n, 1, 0.999) <= 0


def test_a_tail_far_below_the_smallest_float_is_finite():
    assert log10_binomial_tail(2000, 2000, 1e-5) == pytest.approx(-10_000)


def test_significance_counts_the_choices_and_excludes_the_determining_matches():
    # 2 of 5 matches determine the transform, 3 more agree: 24 * C(5, 2) * 0.01^3.
    assert significance(5, 5, 0.01, n_deciding=2, n_choices=24) == pytest.approx(-log10(240e-6))


def test_matches_that_determine_the_transform_have_no_significance():
    assert significance(100, 2, 1e-9, n_deciding=2, n_choices=1) == 0


def test_the_expected_number_of_agreements_is_not_significant():
    assert significance(100, 50, 0.5, n_deciding=2, n_choices=24) == 0


@given(st.integers(0, 400), st.data())
def test_the_most_significant_count_is_the_first_maximum_of_all(n, data):
    counts = sorted(data.draw(st.lists(st.integers(0, n), min_size=4, max_size=4)))
    chances = sorted(data.draw(st.lists(st.floats(1e-7, 1), min_size=4, max_size=4)))
    both = {"n_deciding": 2, "n_choices": 24}
    each = [significance(n, k, p, **both) for k, p in zip(counts, chances, strict=True)]
    distinct = [number for number in range(4) if not (number and counts[number] == counts[number - 1])]
    best = max(distinct, key=lambda number: each[number])
    assert most_significant(n, counts, chances, **both) == (best, each[best])
