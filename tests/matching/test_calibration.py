"""The tail of unrelated pairs: a conservative fit, and thresholds and rates computed from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from classicvision.config import from_dict, to_dict
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.matching.calibration import DEFAULT_CALIBRATION, Calibration, fit_calibration
from classicvision.matching.settings import MatchSettings

TEN = 1 / math.log(10)  # the scale of a tail that falls tenfold with each unit


def tail(**changes):
    values = {"n_images": 500, "n_pairs": 100_000, "tail_start": 2.0, "tail_rate": 0.001, "tail_scale": TEN}
    return Calibration(**values | {"highest": 4.0} | changes)


def test_a_tenfold_lower_rate_raises_the_threshold_by_one_for_a_tail_as_in_theory():
    # A thousandth exceeds 2; a millionth is three decades below.
    assert tail().threshold_for(1e-6) == pytest.approx(5)


def test_a_heavier_tail_needs_a_higher_threshold():
    assert tail(tail_scale=2 * TEN).threshold_for(1e-6) == pytest.approx(8)


def test_for_rates_above_the_tail_its_start_is_the_threshold():
    assert tail().threshold_for(0.1) == 2


@given(st.floats(1e-30, 1e-3))
def test_the_rate_at_the_threshold_of_a_rate_is_that_rate(rate):
    assert tail().false_match_rate(tail().threshold_for(rate)) == pytest.approx(rate)


def test_below_the_tail_the_rate_is_one():
    assert tail().false_match_rate(2) == pytest.approx(0.001)
    assert tail().false_match_rate(1.99) == 1


def test_the_scale_of_the_tail_is_too_low_one_time_in_twenty():
    rng = np.random.default_rng(0)
    n_low = sum(fit_calibration(rng.exponential(1, 2000), n_images=9).tail_scale < 1 for _ in range(2000))
    assert 70 < n_low < 130  # 100 expected, with a standard deviation of 10


def test_rates_below_one_pair_are_extrapolated():
    assert tail().is_extrapolated(0.9e-5)
    assert not tail().is_extrapolated(1.1e-5)
    assert not tail(n_pairs=2**20).is_extrapolated(2**-20)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1e-6, float("nan")])
def test_a_rate_outside_0_and_1_is_refused(rate):
    with pytest.raises(SettingsError, match="the false-match rate is"):
        tail().threshold_for(rate)


def test_the_tail_is_the_thousandth_of_the_largest_scores():
    # 100 scores above 3, by 0.01, 0.02, ..., 1.00; all others are 3.
    scores = np.full(100_000, 3.0)
    scores[:100] += np.arange(1, 101) / 100
    found = fit_calibration(scores, n_images=448)
    assert (found.tail_start, found.tail_rate, found.highest) == (3, 0.001, 4)
    # Their mean excess is 0.505; the upper bound from 100 values is 18 % higher.
    assert found.tail_scale == pytest.approx(0.505 * 1.188, rel=0.01)


def test_the_order_of_the_scores_does_not_matter():
    scores = np.random.default_rng(0).exponential(1, 5000)
    assert fit_calibration(scores, n_images=9) == fit_calibration(scores[::-1], n_images=9)


@pytest.mark.parametrize("seed", range(10))
def test_a_threshold_fitted_on_one_half_holds_on_the_other(seed):
    # 200,000 scores of a tail twice as heavy as in theory; the rate of the threshold for 1e-5, known exactly, is kept.
    scores = np.random.default_rng(seed).exponential(2 * TEN, 200_000)
    threshold = fit_calibration(scores, n_images=633).threshold_for(1e-5)
    assert 1e-6 < math.exp(-threshold / (2 * TEN)) < 1.3e-5


def test_scores_that_are_all_zero_have_a_tail_no_steeper_than_theory():
    found = fit_calibration(np.zeros(100_000), n_images=448)
    assert found.tail_start == 0
    assert not found.has_tail
    assert found.threshold_for(1e-6) == pytest.approx(3)


def test_too_few_pairs_are_refused():
    with pytest.raises(NotEnoughDataError, match=r"too few pairs of images to fit a tail: 199; at least 200"):
        fit_calibration(np.zeros(199), n_images=20)


def test_a_calibration_survives_the_round_trip_through_plain_values():
    assert from_dict(Calibration, to_dict(tail(matcher="abc"))) == tail(matcher="abc")


@pytest.mark.parametrize("n_pairs", [200, 20_000, 100_000, 300_000])
def test_the_scale_is_the_upper_bound_of_95_percent_by_the_gamma_law(n_pairs):
    """The sum of the excesses of n scores in the tail, over their true mean, has a gamma law of shape n."""
    n_tail = max(20, n_pairs // 1000)
    scores = np.full(n_pairs, 3.0)
    scores[:n_tail] += np.arange(1, n_tail + 1)
    found = fit_calibration(scores, n_images=9)
    assert (found.tail_start, found.tail_rate) == (3, n_tail / n_pairs)
    assert found.tail_scale == pytest.approx(n_tail * (n_tail + 1) / 2 / gamma.ppf(0.05, n_tail), rel=1e-3)


def test_every_pair_may_be_in_a_tail_that_starts_at_0():
    assert tail(tail_rate=1.0, tail_start=0.0).threshold_for(0.1) == pytest.approx(1)
    assert not tail(tail_start=0.0).has_tail
    assert tail(tail_start=0.5).has_tail


@pytest.mark.parametrize(
    "wrong",
    [{"tail_rate": 0.0}, {"tail_rate": 1.01}, {"tail_scale": 0.0}, {"tail_start": -1.0}],
)
def test_an_invalid_tail_is_refused(wrong):
    with pytest.raises(SettingsError, match="calibrate again"):
        tail(**wrong)


def test_the_default_threshold_is_below_one_in_a_hundred_million_for_photographs():
    assert DEFAULT_CALIBRATION.false_match_rate(MatchSettings().threshold) <= 1e-8
