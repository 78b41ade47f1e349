"""How many agreements as good as this one chance would give: the a-contrario score of Moisan and Stival (2004).

n matches, k of which a transform explains within a tolerance. Under the background model each match is explained by
chance with probability p, independently. The number of false alarms is the number of transforms that could have been
tried times the probability that one explains so many:

    NFA = N_tests * P[Binomial(n - d, p) >= k - d]

d matches decide the transform and prove nothing; N_tests counts the choices of d from n, of the tolerance, of the
family and of the mirror. The significance is -log10 NFA.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["log10_binomial_tail", "significance"]

_LN_10: Final = math.log(10)


def significance(n: int, k: int, p: float, *, n_deciding: int, n_choices: int) -> float:
    """Return -log10 of the expected number of chance agreements of k among n matches, at least 0.

    Parameters
    ----------
    n, k : int
        Matches, and those that agree with the transform.
    p : float
        Probability that one match agrees by chance.
    n_deciding : int
        Matches that decide the transform.
    n_choices : int
        Other choices that were tried: tolerances, families, mirrors.
    """
    if k <= n_deciding or p >= 1:
        return 0.0
    log10_tests = math.log10(n_choices) + _log_choices(n, n_deciding) / _LN_10
    return max(0.0, -log10_tests - log10_binomial_tail(n - n_deciding, k - n_deciding, p))


def log10_binomial_tail(n: int, k: int, p: float) -> float:
    """Return log10 P[Binomial(n, p) >= k], for 0 < p < 1, also where it is far below the smallest float."""
    if k <= 0:
        return 0.0
    if k > n:
        return -math.inf
    successes = np.arange(k, n + 1)
    terms = _log_choices_of(n)[k:] + successes * math.log(p) + (n - successes) * math.log1p(-p)
    largest = float(terms.max())
    return min(0.0, (largest + math.log(float(np.exp(terms - largest).sum()))) / _LN_10)


def _log_choices(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_choices_of(n: int) -> NDArray[np.float64]:
    """Return log C(n, j) for j from 0 to n."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    choices: NDArray[np.float64] = factorials[n] - factorials - factorials[::-1]
    return choices
