"""Candidates: images of an index whose keypoints are the query's words and agree about one rotation and size.

A keypoint of the query votes for an image by a posting of its word whose signature is near (Jegou, Douze and Schmid
2008, section 4). A vote counts as much as the word is rare (idf), and less the more votes the same keypoint has for the
same image, as repeated structures give (burstiness; Jegou, Douze and Schmid 2009, section 4.2). The score of an image
is the largest sum of votes that agree about the difference of angle and of scale (weak geometric consistency; 2008, 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import ArchiveError
from classicvision.features.local import LocalFeatures
from classicvision.retrieval.index import Index
from classicvision.retrieval.postings import SCALE_STEPS, angle_bytes, near_postings, scale_bytes
from classicvision.retrieval.segment import Segment
from classicvision.retrieval.vocabulary import QuantizedFeatures

__all__ = ["Candidates", "find_candidates", "rarity"]

_TURNS = 16  # steps of the difference of angle; votes that agree lie in two neighbouring ones
_SIZES = 32  # steps of the difference of scale, half an octave each, likewise
_STEP_BYTES = SCALE_STEPS // 2


@dataclass(frozen=True, eq=False)
class Candidates:
    """Images that may share something with a query, best first.

    Attributes
    ----------
    ids : (C,) int64
    votes : (C,) float64
        The largest weighted number of keypoints that agree about a rotation and a change of size.
    mirrored : (C,) bool
        Whether those are keypoints of the query's mirror image.
    """

    ids: NDArray[np.int64]
    votes: NDArray[np.float64]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, n: int) -> Candidates:
        """Return the best n."""
        return Candidates(self.ids[:n], self.votes[:n], self.mirrored[:n])


def find_candidates(
    index: Index, features: LocalFeatures, *, limit: int, stop_ratio: float = np.inf, mirrored: bool = True
) -> Candidates:
    """Find all images that have a vote.

    Parameters
    ----------
    index : Index
    features : LocalFeatures
        Of the query.
    limit : int
        Bits of 64 in which descriptors of one word may differ.
    stop_ratio : float
        Words that so many times more images have than the mean word are not searched.
    mirrored : bool
        Look for the query's mirror image too.

    Returns
    -------
    Candidates
        Of equal votes the image of smaller number first.
    """
    weights = rarity(index, stop_ratio)
    upright = index.vocabulary.quantize(features.descriptors)
    found = [_vote(index, upright, features, weights, limit)]
    if mirrored:
        flat = index.vocabulary.quantize_mirrored(features.descriptors, upright)
        found.append(_vote(index, flat, features.mirrored(), weights, limit))
    ids = np.concatenate([ids for ids, _ in found])
    votes = np.concatenate([votes for _, votes in found])
    is_flat = np.repeat(np.arange(len(found)) == 1, [len(ids) for ids, _ in found])
    order = np.lexsort((is_flat, ids, -votes))
    order = order[np.sort(np.unique(ids[order], return_index=True)[1])]  # each image by its better orientation
    return Candidates(ids[order], votes[order], is_flat[order])


def rarity(index: Index, stop_ratio: float) -> NDArray[np.float32]:
    """Return the weight of each word, (K,): idf as a share of the largest, and 0 for a word that is not searched.

    The inverse document frequency is log(1 + N / n), with n of N images that have the word, so that no word of a small
    library is worth nothing.
    """
    n_images = sum(segment.entry.n_images for segment in index.segments)
    n_with = index.n_images_of_words
    weights = np.log1p(n_images / np.maximum(n_with, 1)) / np.log1p(max(n_images, 1))
    weights[n_with > stop_ratio * n_with.mean()] = 0
    rounded: NDArray[np.float32] = weights.astype(np.float32)
    return rounded


def _vote(
    index: Index, quantized: QuantizedFeatures, features: LocalFeatures, weights: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers and votes of the images that one orientation of the query has votes for."""
    searched = np.flatnonzero(weights[quantized.words] > 0)
    query = quantized[searched]
    # Bytes of angle and scale of the query's keypoints; differences of bytes are taken modulo a turn.
    angles, scales = angle_bytes(features.angle[searched]), scale_bytes(features.scale[searched])
    found = [_found_in(segment, query, limit) for segment in index.segments]
    images, row_of_query, angle, scale = (np.concatenate(columns) for columns in zip(_NOTHING, *found, strict=True))
    turned = (angle - angles[row_of_query]).astype(np.int64) // (256 // _TURNS)
    grown = scale.astype(np.int64) - scales[row_of_query]
    sizes = np.clip(grown // _STEP_BYTES + _SIZES // 2, 0, _SIZES - 1)
    vote = weights[query.words[row_of_query]] / np.sqrt(_burst(images, row_of_query, len(searched)))
    ids, votes = _largest_agreement(images, turned, sizes, vote)
    kept = ~np.isin(ids, index.removed)
    return ids[kept], votes[kept]


# Number of the image, row of the query's keypoint, and angle and scale of the posting, for no vote at all.
_Found = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint8]]
_NOTHING: _Found = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.uint8))


def _found_in(segment: Segment, query: QuantizedFeatures, limit: int) -> _Found:
    """Return what votes there are in one segment."""
    postings = segment.postings
    try:
        posting, row_of_query, _ = near_postings(postings, query, limit)
    except ValueError as error:
        raise _damaged(segment) from error
    rows = postings.rows[posting]
    if len(rows) and int(rows.max()) >= len(segment.catalogue):
        raise _damaged(segment)
    return segment.catalogue.ids[rows], row_of_query, postings.angles[posting], postings.scales[posting]


def _damaged(segment: Segment) -> ArchiveError:
    path = segment.folder / segment.entry.postings.name
    return ArchiveError(f"{path} is damaged; `classicvision index verify` says what else is. Build the index again.")


def _burst(images: NDArray[np.int64], queries: NDArray[np.int32], n_queries: int) -> NDArray[np.int64]:
    """Return, for each vote, the number of votes of the same keypoint for the same image, whose number is given."""
    _, inverse, counts = np.unique(images * n_queries + queries, return_inverse=True, return_counts=True)
    burst: NDArray[np.int64] = counts[inverse.reshape(-1)]
    return burst


def _largest_agreement(
    images: NDArray[np.int64], turned: NDArray[np.int64], sizes: NDArray[np.int64], votes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the images that have a vote and, for each, the largest sum in a window of two by two steps."""
    found, place = np.unique(images, return_inverse=True)
    place = place.reshape(-1)
    several = np.bincount(place, minlength=len(found)) > 1
    largest = np.zeros(len(found))
    largest[place] = votes  # right where there is one vote; the others are few, and follow
    chosen = several[place]
    number = np.cumsum(several) - 1
    cells = (number[place[chosen]] * _TURNS + turned[chosen]) * _SIZES + sizes[chosen]
    sums = np.bincount(cells, votes[chosen], minlength=int(several.sum()) * _TURNS * _SIZES)
    sums = sums.reshape(-1, _TURNS, _SIZES)
    sums = sums + np.roll(sums, -1, axis=1)
    sums[:, :, :-1] += sums[:, :, 1:].copy()
    largest[several] = sums.max(axis=(1, 2)) if len(sums) else 0
    return found, largest
