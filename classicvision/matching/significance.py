"""Significance of an agreement: the a-contrario score of Moisan and Stival (2004).

A transform explains k of n matches within a tolerance. Under the background model each match is explained by chance
with probability p, independently. The number of false alarms is the number of transforms that could have been tested
times the probability that one of them explains at least k matches:

    NFA = N_tests * P[Binomial(n - d, p) >= k - d]

The d matches that determine the transform do not count as evidence. N_tests counts the choices of d from n, of the
tolerance, of the family and of the orientation. The significance is -log10 NFA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["log10_binomial_tail", "most_significant", "significance"]

_LN_10: Final = math.log(10)
_ROUNDING: Final = 1e-6  # far above the rounding error of the largest significance


def most_significant(
    n: int, counts: Sequence[int], chances: Sequence[float], *, n_deciding: int, n_choices: int
) -> tuple[int, float]:
    """Return the index of the most significant of several inlier counts, the first of ties, and its significance.

    Parameters
    ----------
    n : int
        Number of matches.
    counts : sequence of int
        Numbers of inliers, one per tolerance, ascending. A count equal to the previous one is skipped.
    chances : sequence of float
        Probability that one match agrees by chance, per tolerance.
    n_deciding, n_choices : int
        As for `significance`.
    """
    if n <= n_deciding:
        return 0, 0.0
    log10_tests = _log10_tests(n, n_deciding, n_choices)
    # A larger tolerance without more inliers is never better. P[X >= k] >= P[X = k] gives an upper bound of each score.
    bounds = {
        number: max(0.0, -log10_tests - _log10_one(n - n_deciding, k - n_deciding, p))
        for number, (k, p) in enumerate(zip(counts, chances, strict=True))
        if not (number and k == counts[number - 1])
    }
    best, score = 0, -1.0
    for number in sorted(bounds, key=lambda number: -bounds[number]):
        if score >= 0 and bounds[number] < score - _ROUNDING:
            break
        k, p = counts[number], chances[number]
        at_this = significance(n, k, p, n_deciding=n_deciding, n_choices=n_choices)
        if at_this > score or (at_this == score and number < best):
            best, score = number, at_this
    return best, score


def significance(n: int, k: int, p: float, *, n_deciding: int, n_choices: int) -> float:
    """Return -log10 of the expected number of agreements of k among n matches by chance, at least 0.

    Parameters
    ----------
    n, k : int
        Number of matches, and of inliers of the transform.
    p : float
        Probability that one match agrees by chance.
    n_deciding : int
        Matches that determine the transform.
    n_choices : int
        Other choices that were tested: tolerances, families and orientations.
    """
    if k <= n_deciding or p >= 1:
        return 0.0
    log10_tests = _log10_tests(n, n_deciding, n_choices)
    return max(0.0, -log10_tests - log10_binomial_tail(n - n_deciding, k - n_deciding, p))


def log10_binomial_tail(n: int, k: int, p: float) -> float:
    """Return log10 P[Binomial(n, p) >= k], for 0 < p < 1, even far below the smallest float."""
    if k <= 0:
        return 0.0
    if k > n:
        return -math.inf
    # log C(n, j) + j log p + (n - j) log(1 - p) for j from k to n.
    log_odds = math.log(p) - math.log1p(-p)
    terms = _log_choices(n)[k:] + np.arange(k, n + 1) * log_odds
    largest = float(terms.max())
    log_tail = largest + n * math.log1p(-p) + math.log(float(np.exp(terms - largest).sum()))
    return min(0.0, log_tail / _LN_10)


def _log10_tests(n: int, n_deciding: int, n_choices: int) -> float:
    log_choices = math.lgamma(n + 1) - math.lgamma(n_deciding + 1) - math.lgamma(n - n_deciding + 1)
    return math.log10(n_choices) + log_choices / _LN_10


def _log10_one(n: int, k: int, p: float) -> float:
    """Return log10 P[Binomial(n, p) = k]; -inf, which is not a useful bound, outside 0 <= k <= n and 0 < p < 1."""
    if not (0 <= k <= n and 0 < p < 1):
        return -math.inf
    choices = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return (choices + k * math.log(p) + (n - k) * math.log1p(-p)) / _LN_10


@lru_cache(maxsize=64)
def _log_choices(n: int) -> NDArray[np.float64]:
    """Return log C(n, j) for j from 0 to n."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    choices: NDArray[np.float64] = factorials[n] - factorials - factorials[::-1]
    return choices
