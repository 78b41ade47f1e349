"""How much of a query's keypoints agree with each image of a segment about one rotation and one change of size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.index.postings import SCALE_STEPS, Postings, near_postings
from classicvision.index.vocabulary import QuantizedFeatures

__all__ = ["Query", "largest_agreements"]

_TURNS = 16  # steps of the difference of angle; votes that agree lie in two neighbouring ones
_SIZES = 32  # steps of the difference of scale, half an octave each, likewise
_STEP_BYTES = SCALE_STEPS // 2


@dataclass(frozen=True, eq=False)
class Query:
    """The keypoints that vote.

    Attributes
    ----------
    quantized : QuantizedFeatures
    angles, scales : (Q,) uint8
        As in postings.
    weights : (Q,) float32
        Of a vote.
    """

    quantized: QuantizedFeatures
    angles: NDArray[np.uint8]
    scales: NDArray[np.uint8]
    weights: NDArray[np.float32]


def largest_agreements(postings: Postings, query: Query, n_images: int, limit: int) -> NDArray[np.float64]:
    """Return, for each image, the largest sum of votes in a window of two by two steps, (n_images,).

    The votes of one keypoint for one image weigh the less the more they are: n of them weigh 1 / sqrt(n) each.

    Raises
    ------
    ValueError
        If a list lies outside of the postings, or a posting names no image.
    """
    if native_available():
        from classicvision._native import hamming

        columns = (postings.offsets, postings.signatures, postings.rows, postings.angles, postings.scales)
        asked = (query.quantized.words, query.quantized.signatures, query.angles, query.scales, query.weights)
        return hamming.find_largest_agreements(columns, asked, n_images, limit)
    return _largest_agreements(postings, query, n_images, limit)


def _largest_agreements(postings: Postings, query: Query, n_images: int, limit: int) -> NDArray[np.float64]:
    posting, row_of_query, _ = near_postings(postings, query.quantized, limit)
    images = postings.rows[posting].astype(np.int64)
    if len(images) and int(images.max()) >= n_images:
        raise ValueError("a posting names no image")
    # Differences of bytes are taken modulo a turn.
    turned = (postings.angles[posting] - query.angles[row_of_query]).astype(np.int64) // (256 // _TURNS)
    grown = postings.scales[posting].astype(np.int64) - query.scales[row_of_query]
    sizes = np.clip(grown // _STEP_BYTES + _SIZES // 2, 0, _SIZES - 1)
    burst = _burst(images, row_of_query, len(query.weights))
    votes = query.weights[row_of_query] / np.sqrt(burst.astype(np.float32))
    found, place = np.unique(images, return_inverse=True)
    cells = (place.reshape(-1) * _TURNS + turned) * _SIZES + sizes
    sums = np.bincount(cells, votes, minlength=len(found) * _TURNS * _SIZES).reshape(-1, _TURNS, _SIZES)
    sums = sums + np.roll(sums, -1, axis=1)
    sums[:, :, :-1] += sums[:, :, 1:].copy()
    largest = np.zeros(n_images)
    largest[found] = sums.max(axis=(1, 2), initial=0)
    return largest


def _burst(images: NDArray[np.int64], queries: NDArray[np.int32], n_queries: int) -> NDArray[np.int64]:
    """Return, for each vote, the number of votes of the same keypoint for the same image."""
    _, inverse, counts = np.unique(images * n_queries + queries, return_inverse=True, return_counts=True)
    burst: NDArray[np.int64] = counts[inverse.reshape(-1)]
    return burst
