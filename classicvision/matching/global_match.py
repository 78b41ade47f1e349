"""Compare whole images by their perceptual hashes, if they have too few keypoints to compare parts.

A whole image is recognised after compression, blur, resizing, changes of brightness, reflection and rotation by right
angles, but neither a part of it nor a collage that contains it. The verdict is therefore `copy` or `cannot decide`.
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
"""Significance from which two images count as copies. Among 1,463,292 pairs of unrelated photographs (BSDS500,
Caltech-101 and a fifth of Scene-15, across classes), 1 in 1,000 exceeded 3.3, 1 in 100,000 exceeded 6.4, and the
highest was 8.1; it was 8.6 after blurring by a thirtieth of the longer side, and 7.4 as icons of 24 x 24. At least 37
coefficients are needed to reach 10."""


def compare_hashes(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    *,
    image_sizes: tuple[tuple[int, int], tuple[int, int]],
    n_keypoints: tuple[int, int] = (0, 0),
    threshold: float = HASH_THRESHOLD,
) -> MatchResult:
    """Compare two whole images by their hashes.

    Parameters
    ----------
    a, b : (256,) float32
        As returned by `PerceptualHash`.
    image_sizes : ((height, width), (height, width))
        Sizes of a and of b in pixels.
    n_keypoints : (int, int)
        Number of keypoints of a and of b; since these are too few, hashes are compared.
    threshold : float
        Significance from which the images count as copies; larger is stricter.

    Returns
    -------
    MatchResult
        With method ``signature`` and no regions; its score is the significance. The verdict is ``copy`` or
        ``cannot decide``, since images that differ as a whole may still share parts.
    """
    significance, symmetry, n_agree, n_compared = _best_agreement(a, b[np.newaxis])
    score, agreement = float(significance[0]), f"{int(n_agree[0])} of {int(n_compared[0])} low DCT coefficients agree"
    few = f"too few keypoints ({n_keypoints[0]} and {n_keypoints[1]})"
    verdict: Verdict
    if score >= threshold:
        verdict, reason = "copy", f"{few}, but as a whole b is a {SYMMETRIES[symmetry[0]]}: {agreement}"
    elif _most_significant(int(n_compared[0])) < threshold:
        verdict, reason = "cannot decide", f"{few}, and too little structure to compare them as a whole: {agreement}"
    else:
        verdict, reason = "cannot decide", f"{few}, and as a whole they differ: {agreement}"
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


def has_enough_coefficients(image_hash: NDArray[np.float32]) -> bool:
    """Return whether a hash has enough non-zero signs to reach the threshold; uniform images and ramps do not."""
    return _most_significant(int(np.abs(image_hash).sum())) >= HASH_THRESHOLD


def hash_significance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the significance that image a is the whole image b, under the best of eight symmetries, for N images b.

    Parameters
    ----------
    a : (256,) float32
    b : (N, 256) float32

    Returns
    -------
    (N,) float64
        -log10 of the expected number, among eight symmetries, of agreements as good as the best one by chance. Under
        the background model each of the n signs that are non-zero in both hashes agrees with probability 1/2, so
        P = sum_{k <= d} C(n, k) / 2^n for d signs that differ. At least 0.
    """
    return _best_agreement(a, b)[0]


def symmetric_significance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the significance under each of the eight symmetries of a, (N, 8); see `hash_significance`."""
    return np.maximum(_agreements(a, b)[0], 0)


def _agreements(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return significance, number of equal signs and number of signs compared, (N, 8), for b (N, 256)."""
    versions = symmetric_hashes(a)
    n_compared = np.rint(np.abs(b) @ np.abs(versions).T).astype(np.intp)  # (N, 8)
    n_agree = (n_compared + np.rint(b @ versions.T).astype(np.intp)) // 2
    significance = _significance()[n_compared, n_compared - n_agree] - np.log10(len(versions))
    return significance, n_agree, n_compared


def _best_agreement(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return significance, best symmetry, number of equal signs and number compared, (N,), for b (N, 256)."""
    significance, n_agree, n_compared = _agreements(a, b)
    best = significance.argmax(axis=1)
    rows = np.arange(len(b))
    return np.maximum(significance[rows, best], 0), best, n_agree[rows, best], n_compared[rows, best]


def _most_significant(n_compared: int) -> float:
    return float(_significance()[n_compared, 0] - np.log10(len(SYMMETRIES)))


@cache
def _significance() -> NDArray[np.float64]:
    """Return the (257, 257) table of -log10 P[Binomial(n, 1/2) <= d] for n, d up to 256."""
    table = np.zeros((HASH_SIZE + 1, HASH_SIZE + 1))
    probability = np.zeros(HASH_SIZE + 1)
    probability[0] = 1
    for n in range(1, HASH_SIZE + 1):
        probability[1:] = (probability[1:] + probability[:-1]) / 2  # Pascal's triangle, halved row by row
        probability[0] /= 2
        table[n] = -np.log10(np.minimum(np.cumsum(probability), 1))
    table.flags.writeable = False
    return table
