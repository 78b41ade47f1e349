"""How many of a query's keypoints agree with each image of a segment on one rotation and one change of scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.index.postings import SCALE_STEPS, Postings, near_postings
from classicvision.index.vocabulary import QuantizedFeatures

__all__ = ["VotingKeypoints", "largest_agreements"]

_ROTATIONS = 16  # steps of the difference of angle; votes that agree are in two neighbouring ones
_SCALES = 32  # steps of the difference of scale, half an octave each, likewise
_STEP_BYTES = SCALE_STEPS // 2


@dataclass(frozen=True, eq=False)
class VotingKeypoints:
    """The keypoints of a query that vote, Q in all.

    Attributes
    ----------
    quantized : QuantizedFeatures
    angles, scales : (Q,) uint8
        In the units of `Postings`.
    weights : (Q,) float32
        Of a vote: the rarity of the word.
    """

    quantized: QuantizedFeatures
    angles: NDArray[np.uint8]
    scales: NDArray[np.uint8]
    weights: NDArray[np.float32]


def largest_agreements(postings: Postings, voters: VotingKeypoints, n_images: int, limit: int) -> NDArray[np.float64]:
    """Return, for each image, the largest sum of votes in a window of two by two steps, (n_images,).

    Votes of one keypoint for one image are damped: n of them weigh 1 / sqrt(n) each.

    Raises
    ------
    ValueError
        If a list of postings lies outside the postings, or a posting refers to an unknown image.
    """
    if native_available():
        from classicvision._native import hamming

        columns = (postings.offsets, postings.signatures, postings.rows, postings.angles, postings.scales)
        of_query = (voters.quantized.words, voters.quantized.signatures, voters.angles, voters.scales, voters.weights)
        return hamming.find_largest_agreements(columns, of_query, n_images, limit)
    return _largest_agreements(postings, voters, n_images, limit)


def _largest_agreements(postings: Postings, voters: VotingKeypoints, n_images: int, limit: int) -> NDArray[np.float64]:
    posting, row_of_query, _ = near_postings(postings, voters.quantized, limit)
    images = postings.rows[posting].astype(np.int64)
    if len(images) and int(images.max()) >= n_images:
        raise ValueError("a posting names no image")
    # Differences of bytes are modulo a full rotation.
    rotation = (postings.angles[posting] - voters.angles[row_of_query]).astype(np.int64) // (256 // _ROTATIONS)
    growth = postings.scales[posting].astype(np.int64) - voters.scales[row_of_query]
    scales = np.clip(growth // _STEP_BYTES + _SCALES // 2, 0, _SCALES - 1)
    burst = _burst(images, row_of_query, len(voters.weights))
    votes = voters.weights[row_of_query] / np.sqrt(burst.astype(np.float32))
    found, place = np.unique(images, return_inverse=True)
    cells = (place.reshape(-1) * _ROTATIONS + rotation) * _SCALES + scales
    sums = np.bincount(cells, votes, minlength=len(found) * _ROTATIONS * _SCALES).reshape(-1, _ROTATIONS, _SCALES)
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
