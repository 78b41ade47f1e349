"""The search of an index with one query: candidates by visual words, then keypoint matching with the best of them.

As long as the candidates compared last hold a copy, further ones are compared, so that no number of copies is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.copies.candidates import Candidates, find_candidates
from classicvision.copies.settings import SearchSettings
from classicvision.features.local import LocalFeatures
from classicvision.index.index import Index
from classicvision.matching.pair import match_features
from classicvision.matching.result import MatchResult, Orientation

__all__ = ["SearchResult", "Verify", "choose_candidates", "search_contents", "search_index"]

Verify: TypeAlias = Callable[[int, MatchResult], MatchResult]
"""Takes the ID of an image and the copy that keypoints propose; returns what the image is."""


@dataclass(eq=False)
class SearchResult:
    """What the search of an index with one query gave.

    Attributes
    ----------
    found : list of (tuple of int, MatchResult)
        Most significant first. The IDs of images with equal pixels are together, the one that was compared first.
    n_compared : int
        Images whose keypoints were compared with those of the query.
    is_cut : bool
        Whether `max_candidates` ended the search while the candidates compared last still held a copy.
    """

    found: list[tuple[tuple[int, ...], MatchResult]] = field(default_factory=list)
    n_compared: int = 0
    is_cut: bool = False


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
    `n_candidates` images are compared, and further ones as long as the last quarter of them holds a copy, up to
    `max_candidates`. So for most queries only the time to search the words grows with the index, and of an image with
    many copies all are found. Of images with equal pixels one is compared, and all are found with it.

    Comparing stops early: after the first `n_always` candidates, an image is compared only if the votes that agree on a
    rotation and a scale weigh `least_votes`, or `least_ratio` times as much as those of the last candidate, which
    measure chance. It is compared with the query or its mirror image, whichever has more votes, and with the other one
    too if that has `least_votes`. So a copy is missed only if `n_always` images have as many votes or more, and its
    votes are no more than chance gives.

    In an index of at most `n_candidates` images all are compared, without words.
    """
    search = search_contents(index, features, settings or SearchSettings(), exclude=exclude)
    return [(image_id, result) for ids, result in search.found for image_id in ids]


def search_contents(
    index: Index,
    features: LocalFeatures,
    settings: SearchSettings,
    *,
    exclude: Collection[int] = (),
    verify: Verify | None = None,
) -> SearchResult:
    """Search an index as `search_index` does, with a check of each copy that keypoints propose.

    Parameters
    ----------
    index, features, settings, exclude
        As for `search_index`.
    verify : callable, optional
        Decides what a proposed copy is. Only what is still a copy then leads to the comparison of further candidates.
    """
    search = SearchResult()
    if len(features) < settings.match.min_keypoints:
        return search
    excluded = frozenset(exclude)
    ranked = _ranked(index, features, settings, excluded)
    most, n = max(settings.n_candidates, settings.max_candidates), settings.n_candidates
    place_of_last_copy = -1
    while True:
        new = _worth_comparing(index, ranked, n, settings)[search.n_compared :]
        for image_id, proposed in _compare(index, features, new, settings):
            search.n_compared += 1
            if proposed.verdict == "copy":
                result = verify(image_id, proposed) if verify else proposed
                search.found.append((_with_equals(index, image_id, excluded), result))
                place_of_last_copy = search.n_compared if result.verdict == "copy" else place_of_last_copy
        quarter = -(-n // 4)
        if search.n_compared < n or place_of_last_copy <= n - quarter:
            break
        if n == most:
            search.is_cut = len(_worth_comparing(index, ranked, n + 1, settings)) > n
            break
        n = min(n + quarter, most)
    search.found.sort(key=lambda item: -item[1].score)
    return search


def choose_candidates(
    index: Index, features: LocalFeatures, settings: SearchSettings, *, exclude: Collection[int] = ()
) -> Candidates:
    """Return the first `n_candidates` images that `search_index` compares with a query, or fewer, in that order."""
    return _worth_comparing(index, _ranked(index, features, settings, exclude), settings.n_candidates, settings)


def _ranked(index: Index, features: LocalFeatures, settings: SearchSettings, exclude: Collection[int]) -> Candidates:
    """Return all images that have votes, best first; all images of a small index."""
    if len(index) <= settings.n_candidates:
        unknown = np.full(len(index), np.inf)
        found = Candidates(index.ids, unknown, np.zeros(len(index), bool), unknown)
    else:
        found = find_candidates(
            index, features, limit=settings.limit, stop_ratio=settings.stop_ratio, mirrored=settings.mirrored
        )
    return found[~np.isin(found.ids, list(exclude))]


def _worth_comparing(index: Index, ranked: Candidates, n: int, settings: SearchSettings) -> Candidates:
    """Return those of the first n images of different pixels that have enough votes; with a larger n none is lost."""
    first = ranked[_first_of_equal_pixels(index, ranked.ids, n)]
    enough = first.votes >= _least_votes(first, settings)
    return first[: max(int(enough.sum()), settings.n_always)]


def _compare(
    index: Index, features: LocalFeatures, candidates: Candidates, settings: SearchSettings
) -> Iterator[tuple[int, MatchResult]]:
    match = replace(settings.match, mirrored=settings.match.mirrored and settings.mirrored)
    for image_id, orientation in zip(candidates.ids.tolist(), _orientations(candidates, settings), strict=True):
        yield image_id, match_features(features, index.features(image_id), match, orientation=orientation)


def _with_equals(index: Index, image_id: int, excluded: Collection[int]) -> tuple[int, ...]:
    """Return the ID of an image, then those of the images with equal pixels."""
    equal = index.with_pixels(index.image(image_id).whole.pixels)
    return (image_id, *(n for n in equal if n != image_id and n not in excluded))


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
