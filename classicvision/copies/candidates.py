"""Candidates: images of an index that share words with the query and agree with it on one rotation and scale.

A keypoint of the query votes for an image by a posting of its word with a similar signature (Jegou, Douze and Schmid
2008, section 4). A vote is weighted by the rarity of the word (idf), and damped if the same keypoint has several votes
for the same image, as repeated structures cause (burstiness; Jegou, Douze and Schmid 2009, section 4.2). The score of
an image is the largest sum of votes that agree on the differences of angle and of scale (weak geometric consistency;
2008, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.copies.votes import VotingKeypoints, largest_agreements
from classicvision.errors import ArchiveError
from classicvision.features.local import LocalFeatures
from classicvision.index.index import Index
from classicvision.index.postings import angle_bytes, scale_bytes
from classicvision.index.segment import Segment
from classicvision.index.vocabulary import QuantizedFeatures

__all__ = ["Candidates", "find_candidates", "rarity"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Images that may share something with a query, best first.

    Attributes
    ----------
    ids : (C,) int64
    votes : (C,) float64
        The largest weighted number of keypoints that agree on a rotation and a change of scale.
    mirrored : (C,) bool
        Whether those are keypoints of the query's mirror image.
    other_votes : (C,) float64
        The votes of the other orientation, at most `votes`.
    """

    ids: NDArray[np.int64]
    votes: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    other_votes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """Return the candidates selected by a mask, a slice or an index array."""
        return type(self)(self.ids[rows], self.votes[rows], self.mirrored[rows], self.other_votes[rows])


def find_candidates(
    index: Index, features: LocalFeatures, *, limit: int, stop_ratio: float = np.inf, mirrored: bool = True
) -> Candidates:
    """Find all images that have at least one vote.

    Parameters
    ----------
    index : Index
    features : LocalFeatures
        Of the query.
    limit : int
        Bits of 64 in which descriptors of one word may differ. Larger values give more votes, true and false ones.
    stop_ratio : float
        Words in more than this many times as many images as the mean word are not searched.
    mirrored : bool
        Search for the query's mirror image too.

    Returns
    -------
    Candidates
        Of equal votes the image with the smaller ID first.
    """
    weights = rarity(index, stop_ratio)
    upright = index.vocabulary.quantize(features.descriptors)
    direct = _vote(index, upright, features, weights, limit)
    in_mirror = np.zeros_like(direct)
    if mirrored:
        flat = index.vocabulary.quantize_mirrored(features.descriptors, upright)
        in_mirror = _vote(index, flat, features.mirrored(), weights, limit)
    votes = np.maximum(direct, in_mirror)
    votes[np.isin(index.all_ids, index.removed)] = 0
    rows = np.flatnonzero(votes)
    rows = rows[np.argsort(-votes[rows], kind="stable")]
    is_flat, other = (in_mirror > direct)[rows], np.minimum(direct, in_mirror)[rows]
    return Candidates(index.all_ids[rows], votes[rows], is_flat, other)


def rarity(index: Index, stop_ratio: float) -> NDArray[np.float32]:
    """Return the weight of each word, (K,): idf divided by the largest, and 0 for a word that is not searched.

    The inverse document frequency is log(1 + N / n) for a word in n of N images: above 0 even for a word in all images
    of a small library.
    """
    n_images = sum(segment.entry.n_images for segment in index.segments)
    n_with = index.n_images_of_words
    weights = np.log1p(n_images / np.maximum(n_with, 1)) / np.log1p(max(n_images, 1))
    weights[n_with > stop_ratio * n_with.mean()] = 0
    rounded: NDArray[np.float32] = weights.astype(np.float32)
    return rounded


def _vote(
    index: Index, quantized: QuantizedFeatures, features: LocalFeatures, weights: NDArray[np.float32], limit: int
) -> NDArray[np.float64]:
    """Return the votes of one orientation of the query for each row of `index.all_ids`."""
    searched = np.flatnonzero(weights[quantized.words] > 0)
    voters = VotingKeypoints(
        quantized[searched],
        angle_bytes(features.angle[searched]),
        scale_bytes(features.scale[searched]),
        weights[quantized.words[searched]],
    )
    return np.concatenate([np.zeros(0), *(_votes_in(segment, voters, limit) for segment in index.segments)])


def _votes_in(segment: Segment, voters: VotingKeypoints, limit: int) -> NDArray[np.float64]:
    try:
        return largest_agreements(segment.postings, voters, len(segment.catalogue), limit)
    except ValueError as error:
        path = segment.folder / segment.entry.postings.name
        raise ArchiveError(
            f"{path} is damaged; `classicvision index verify` lists all damage. Build the index again."
        ) from error
