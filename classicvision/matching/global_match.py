"""Comparing pictures as a whole by their global signatures, where they have too few keypoints to look for parts.

A whole picture is found again after compression, blur, changes of light and size, mirrored or turned by right angles;
never a part of it, and not beside something else. So what is said is `copy` or `cannot decide`.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.phash import HASH_SIZE, SYMMETRIES, symmetric_hashes
from classicvision.matching.result import MatchResult, Verdict

__all__ = [
    "HASH_THRESHOLD",
    "compare_hashes",
    "has_enough_coefficients",
    "hash_significance",
    "symmetric_significance",
]

HASH_THRESHOLD: Final = 10.0
"""Least significance of a copy. Among 1,463,292 pairs of unrelated photographs (BSDS500, Caltech-101 and a fifth of
Scene-15, across classes), 1 in 1,000 exceeded 3.3, 1 in 100,000 6.4, and the most reached 8.1; 8.6 when all were
blurred by a thirtieth of their longer side, 7.4 as icons of 24 x 24. It takes 37 waves to reach 10."""


def compare_hashes(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    *,
    image_sizes: tuple[tuple[int, int], tuple[int, int]],
    n_keypoints: tuple[int, int] = (0, 0),
    threshold: float = HASH_THRESHOLD,
) -> MatchResult:
    """Say whether two pictures are the same as a whole.

    Parameters
    ----------
    a, b : (256,) float32
        As `PerceptualHash` returns them.
    image_sizes : ((height, width), (height, width))
        Of a and of b, in pixels.
    n_keypoints : (int, int)
        Of a and of b; too few of them is why signatures are compared.
    threshold : float
        Least significance of a copy.

    Returns
    -------
    MatchResult
        Of method ``signature``, without regions; its score is the significance. The verdict is ``copy`` or
        ``cannot decide``: that two pictures differ as a whole says nothing about their parts.
    """
    significance, symmetry, n_agree, n_compared = _best_agreement(a, b[np.newaxis])
    score, waves = float(significance[0]), f"{int(n_agree[0])} of {int(n_compared[0])} slow waves agree"
    few = f"too few keypoints ({n_keypoints[0]} and {n_keypoints[1]})"
    verdict: Verdict
    if score >= threshold:
        verdict, reason = "copy", f"{few}, but as a whole b is a {SYMMETRIES[symmetry[0]]}: {waves}"
    elif _most_significant(int(n_compared[0])) < threshold:
        verdict, reason = "cannot decide", f"{few}, and too little in both to compare as a whole: {waves}"
    else:
        verdict, reason = "cannot decide", f"{few}, and as a whole they differ: {waves}"
    return MatchResult(
        verdict=verdict,
        method="signature",
        regions=(),
        score=score,
        n_keypoints=n_keypoints,
        n_matches=0,
        image_sizes=image_sizes,
        reason=reason,
    )


def has_enough_coefficients(signature: NDArray[np.float32]) -> bool:
    """Tell whether a picture has so many waves that its signature can show a copy; plain colours and ramps have not."""
    return _most_significant(int(np.abs(signature).sum())) >= HASH_THRESHOLD


def hash_significance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how surely picture a is each of N pictures b as a whole, mirrored and turned by right angles or not.

    Parameters
    ----------
    a : (256,) float32
    b : (N, 256) float32

    Returns
    -------
    (N,) float64
        -log10 of the expected number, among eight symmetries, of agreements as good as the best by chance: each of the
        n waves that both pictures have would agree with probability 1/2, so P = sum_{k <= d} C(n, k) / 2^n for d waves
        that disagree. At least 0.
    """
    return _best_agreement(a, b)[0]


def symmetric_significance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the significance for each of the eight symmetries of a, (N, 8), as `hash_significance` does."""
    return np.maximum(_agreements(a, b)[0], 0)


def _agreements(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return, for each of (N, 256) b and each symmetry, significance, and how many waves agree and are compared."""
    versions = symmetric_hashes(a)
    n_compared = np.rint(np.abs(b) @ np.abs(versions).T).astype(np.intp)  # (N, 8)
    n_agree = (n_compared + np.rint(b @ versions.T).astype(np.intp)) // 2
    significance = _significance()[n_compared, n_compared - n_agree] - np.log10(len(versions))
    return significance, n_agree, n_compared


def _best_agreement(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return, for each of (N, 256) b, significance, best symmetry, and how many waves agree and are compared."""
    significance, n_agree, n_compared = _agreements(a, b)
    best = significance.argmax(axis=1)
    rows = np.arange(len(b))
    return np.maximum(significance[rows, best], 0), best, n_agree[rows, best], n_compared[rows, best]


def _most_significant(n_compared: int) -> float:
    return float(_significance()[n_compared, 0] - np.log10(len(SYMMETRIES)))


@cache
def _significance() -> NDArray[np.float64]:
    """Return -log10 P(at most d of n fair coins show tails) for n, d up to 256, as a (257, 257) table."""
    table = np.zeros((HASH_SIZE + 1, HASH_SIZE + 1))
    probability = np.zeros(HASH_SIZE + 1)
    probability[0] = 1
    for n in range(1, HASH_SIZE + 1):
        probability[1:] = (probability[1:] + probability[:-1]) / 2  # Pascal's triangle, halved row by row
        probability[0] /= 2
        table[n] = -np.log10(np.minimum(np.cumsum(probability), 1))
    table.flags.writeable = False
    return table
