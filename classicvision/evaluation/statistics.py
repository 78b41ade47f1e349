"""Tests of whether one recipe is better than another on the same splits.

Each pair of recipes is tested in two ways. *Per image* (McNemar 1947): is only the one correct on more images than only
the other? *Per split* (Nadeau and Bengio 2003): is the difference of the mean per-class accuracies large compared with
its deviation over the splits? The first test ignores the variation from the choice of training images; the second
includes it, but has few numbers. `comparison.compare` names a winner only if both agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from classicvision.errors import NotEnoughDataError

__all__ = ["ConfidenceInterval", "McNemar", "ResampledT", "holm", "mcnemar", "resampled_t_test"]


@dataclass(frozen=True)
class ConfidenceInterval:
    """A measured value, and the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class McNemar:
    """How often only one of two recipes is correct, and the probability of a result as uneven by chance alone.

    Attributes
    ----------
    n_only_a, n_only_b : int
        Images on which only a, and only b, is correct.
    p : float
        Two-sided, exact: under the null hypothesis each of these images is a fair toss.
    mid_p : float
        The same with half of the probability of the observed result. It is closer to the nominal level, and may exceed
        it slightly (Fagerland, Lydersen and Laake 2013, doi:10.1186/1471-2288-13-91).
    """

    n_only_a: int
    n_only_b: int
    p: float
    mid_p: float


@dataclass(frozen=True)
class ResampledT:
    """The corrected resampled t-test of the differences of J splits.

    Attributes
    ----------
    difference : ConfidenceInterval
        Mean over the splits.
    t : float
        Infinite if all differences are one number other than zero; 0 if all are zero.
    p : float
        Two-sided, with J - 1 degrees of freedom.
    n_splits : int
    """

    difference: ConfidenceInterval
    t: float
    p: float
    n_splits: int


def mcnemar(n_only_a: int, n_only_b: int) -> McNemar:
    """Test whether two recipes are correct on equally many images, by those on which only one of them is.

    Parameters
    ----------
    n_only_a, n_only_b : int
        Images on which only a, and only b, is correct.

    Examples
    --------
    >>> round(mcnemar(1, 5).p, 5)
    0.21875
    """
    if min(n_only_a, n_only_b) < 0:
        raise ValueError(f"the numbers of images are {n_only_a} and {n_only_b}; they must not be negative")
    n, least = n_only_a + n_only_b, min(n_only_a, n_only_b)
    if n_only_a == n_only_b:
        # Both tails meet: together they are 1, and the middle is counted once.
        return McNemar(n_only_a, n_only_b, 1.0, 1.0 - 0.5 * _toss(n, least) if n else 1.0)
    tail = math.fsum(_toss(n, k) for k in range(least + 1))
    return McNemar(n_only_a, n_only_b, min(1.0, 2 * tail), 2 * tail - _toss(n, least))


def resampled_t_test(differences: ArrayLike, *, test_over_train: float) -> ResampledT:
    """Test whether the mean difference over random splits is zero.

    Splits share images, so their differences vary less than those of independent data would; the variance of their
    mean is taken as (1 / J + n_test / n_train) s^2 instead of s^2 / J (Nadeau and Bengio 2003, section 3,
    doi:10.1023/A:1024068626366).

    Parameters
    ----------
    differences : (J,) float
        Of one measure of two recipes on each split.
    test_over_train : float
        Test images over training images of a split; 1 / (K - 1) for K folds.

    Raises
    ------
    NotEnoughDataError
        For fewer than two splits, which have no deviation.
    """
    from scipy.special import stdtr, stdtrit  # the distribution function of Student's t, and its inverse

    values = np.asarray(differences, np.float64)
    n = len(values)
    if n < 2:
        raise NotEnoughDataError(f"{n} split has no deviation; the test per split needs at least 2 splits")
    if not test_over_train > 0:
        raise ValueError(f"test_over_train is {test_over_train}; it must be above 0")
    mean = float(values.mean())
    # Equal differences deviate by rounding only, which would make the result arbitrary.
    spread = 0.0 if np.ptp(values) <= 1e-12 else float(values.std(ddof=1))
    error = math.sqrt(1 / n + test_over_train) * spread
    half = error * float(stdtrit(n - 1, 0.975))
    interval = ConfidenceInterval(mean, mean - half, mean + half)
    if error == 0:
        is_zero = abs(mean) <= 1e-12
        return ResampledT(interval, 0.0 if is_zero else math.copysign(math.inf, mean), 1.0 if is_zero else 0.0, n)
    t = mean / error
    return ResampledT(interval, t, float(2 * stdtr(n - 1, -abs(t))), n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of several tests, adjusted for the family-wise error rate (Holm 1979).

    The k-th smallest of m, counted from 0, is multiplied by m - k, and is no less than the one before it.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    floor = 0.0
    for k, i in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - k) * p_values[i]))
        adjusted[i] = floor
    return adjusted


def _toss(n: int, k: int) -> float:
    """Return the probability of k heads in n fair tosses, by logarithms: 2^-n alone is 0 from n = 1075 on."""
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
