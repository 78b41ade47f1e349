"""The search of an index with one query: candidates by visual words, then keypoint matching with the best of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classicvision.copies.candidates import Candidates, find_candidates
from classicvision.copies.settings import SearchSettings
from classicvision.features.local import LocalFeatures
from classicvision.index.index import Index
from classicvision.matching.pair import match_features
from classicvision.matching.result import MatchResult, Orientation

__all__ = ["choose_candidates", "search_contents", "search_index"]


def search_index(
    index: Index,
    features: LocalFeatures,
    settings: SearchSettings | None = None,
    *,
    exclude: Collection[int] = (),
) -> list[tuple[int, MatchResult]]:
    """Search an index for the images that share a part with a query.

    Parameters
    ----------
    index : Index
    features : LocalFeatures
        Of the query, by the extractor of the index.
    settings : SearchSettings, optional
    exclude : collection of int
        IDs of images that are not compared.

    Returns
    -------
    list of (int, MatchResult)
        ID of the image, and how the query (a) and the image (b) relate; most significant first. Empty if there is no
        copy, or the query has fewer keypoints than `MatchSettings.min_keypoints`.

    Notes
    -----
    At most `n_candidates` images are compared, so only the time to search the words grows with the index. Of images
    with equal pixels one is compared, and all are found with it.

    Comparing stops early: after the first `n_always` candidates, an image is compared only if the votes that agree on a
    rotation and a scale weigh `least_votes`, or `least_ratio` times as much as those of the last candidate, which
    measure chance. It is compared with the query or its mirror image, whichever has more votes, and with the other one
    too if that has `least_votes`. So a copy is missed only if `n_always` images have as many votes or more, and its
    votes are no more than chance gives.

    In an index of at most `n_candidates` images all are compared, without words.
    """
    found = search_contents(index, features, settings or SearchSettings(), exclude=exclude)
    return [(image_id, result) for ids, result in found for image_id in ids]


def search_contents(
    index: Index, features: LocalFeatures, settings: SearchSettings, *, exclude: Collection[int] = ()
) -> list[tuple[tuple[int, ...], MatchResult]]:
    """Search an index as `search_index` does; the IDs of images with equal pixels together, the one compared first."""
    if len(features) < settings.match.min_keypoints:
        return []
    excluded = frozenset(exclude)
    candidates = choose_candidates(index, features, settings, exclude=excluded)
    match = replace(settings.match, mirrored=settings.match.mirrored and settings.mirrored)
    found = []
    for image_id, orientation in zip(candidates.ids.tolist(), _orientations(candidates, settings), strict=True):
        result = match_features(features, index.features(image_id), match, orientation=orientation)
        if result.verdict == "copy":
            equal = index.with_pixels(index.image(image_id).whole.pixels)
            found.append(((image_id, *(n for n in equal if n != image_id and n not in excluded)), result))
    return sorted(found, key=lambda item: -item[1].score)


def choose_candidates(
    index: Index, features: LocalFeatures, settings: SearchSettings, *, exclude: Collection[int] = ()
) -> Candidates:
    """Return the images that `search_index` compares with a query, in that order: one of equal pixels."""
    if len(index) <= settings.n_candidates:
        ids = index.ids
        unknown = np.full(len(ids), np.inf)
        found = Candidates(ids, unknown, np.zeros(len(ids), bool), unknown)
    else:
        found = find_candidates(
            index, features, limit=settings.limit, stop_ratio=settings.stop_ratio, mirrored=settings.mirrored
        )
    found = found[~np.isin(found.ids, list(exclude))]
    found = found[_first_of_equal_pixels(index, found.ids, settings.n_candidates)]
    enough = found.votes >= _least_votes(found, settings)
    return found[: max(int(enough.sum()), settings.n_always)]


def _first_of_equal_pixels(index: Index, ids: NDArray[np.int64], n: int) -> NDArray[np.intp]:
    """Return the rows of the first n images that have no equal before them; fewer if fewer are distinct."""
    n_seen = 2 * n
    while True:
        pixels = index.pixels[np.searchsorted(index.ids, ids[:n_seen])]
        first = np.sort(np.unique(pixels, return_index=True)[1])[:n]
        if len(first) == n or n_seen >= len(ids):
            return first
        n_seen *= 4


def _least_votes(found: Candidates, settings: SearchSettings) -> float:
    """Return how many votes justify a comparison.

    Most of the best hundred images have only votes of chance agreement, and so has the last one, unless the query has
    very many copies.
    """
    chance = float(found.votes[-1]) if len(found) else 0.0
    return min(settings.least_votes, settings.least_ratio * chance)


def _orientations(candidates: Candidates, settings: SearchSettings) -> list[Orientation]:
    """Return the orientations in which each candidate is compared with the query: those in which it has votes."""
    both = candidates.other_votes >= settings.least_votes
    return [
        "both" if is_both else "mirrored" if is_flat else "direct"
        for is_both, is_flat in zip(both.tolist(), candidates.mirrored.tolist(), strict=True)
    ]
