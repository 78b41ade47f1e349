"""The search for copies: candidates by their words, then the comparison of keypoints with the most promising."""

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

__all__ = ["choose_candidates", "find_copied_contents", "find_copies"]


def find_copies(
    index: Index,
    features: LocalFeatures,
    settings: SearchSettings | None = None,
    *,
    exclude: Collection[int] = (),
) -> list[tuple[int, MatchResult]]:
    """Find the images of an index that share a part with a query.

    Parameters
    ----------
    index : Index
    features : LocalFeatures
        Of the query, by the extractor of the index.
    settings : SearchSettings, optional
    exclude : collection of int
        Numbers of images that are not compared.

    Returns
    -------
    list of (int, MatchResult)
        Number of the image, and how the query (a) and the image (b) relate; most significant first. Empty if there is
        no copy, or the query has too few keypoints to decide: `MatchSettings.min_keypoints` says how many.

    Notes
    -----
    No more than `n_candidates` images are compared, so the time does not grow with the index but for the search of
    words. Of exact duplicates one is compared, and all are found with it.

    Comparing stops early: beyond the first `n_always` candidates, an image is compared only if keypoints that agree
    about a rotation and a size, among those that are the same word within `limit` bits, weigh `least_votes`, or
    `least_ratio` times as much as those of the last candidate, which agree by chance. It is compared with the query or
    its mirror image, whichever has more votes, and with the other one too if that has `least_votes`. A copy that is
    missed stands behind `n_always` images that have as many votes or more, and does not stand out of chance.

    An index of no more than `n_candidates` images is compared as a whole, without words.
    """
    found = find_copied_contents(index, features, settings or SearchSettings(), exclude=exclude)
    return [(number, result) for numbers, result in found for number in numbers]


def find_copied_contents(
    index: Index, features: LocalFeatures, settings: SearchSettings, *, exclude: Collection[int] = ()
) -> list[tuple[tuple[int, ...], MatchResult]]:
    """Find what `find_copies` finds, with exact duplicates put together: their numbers, first the one compared."""
    if len(features) < settings.match.min_keypoints:
        return []
    excluded = frozenset(exclude)
    candidates = choose_candidates(index, features, settings, exclude=excluded)
    match = replace(settings.match, mirrored=settings.match.mirrored and settings.mirrored)
    found = []
    for number, orientation in zip(candidates.ids.tolist(), _orientations(candidates, settings), strict=True):
        result = match_features(features, index.features(number), match, orientation=orientation)
        if result.verdict == "copy":
            equal = index.with_content(index.image(number).content)
            found.append(((number, *(n for n in equal if n != number and n not in excluded)), result))
    return sorted(found, key=lambda item: -item[1].score)


def choose_candidates(
    index: Index, features: LocalFeatures, settings: SearchSettings, *, exclude: Collection[int] = ()
) -> Candidates:
    """Return the images that `find_copies` compares with a query, in that order: one of each content."""
    if len(index) <= settings.n_candidates:
        ids = index.ids
        unknown = np.full(len(ids), np.inf)
        found = Candidates(ids, unknown, np.zeros(len(ids), bool), unknown)
    else:
        found = find_candidates(
            index, features, limit=settings.limit, stop_ratio=settings.stop_ratio, mirrored=settings.mirrored
        )
    found = found[~np.isin(found.ids, list(exclude))]
    found = found[_first_of_each_content(index, found.ids, settings.n_candidates)]
    enough = found.votes >= _least_votes(found, settings)
    return found[: max(int(enough.sum()), settings.n_always)]


def _first_of_each_content(index: Index, ids: NDArray[np.int64], n: int) -> NDArray[np.intp]:
    """Return the rows of the first n images that have no equal before them; fewer if fewer differ."""
    n_seen = 2 * n
    while True:
        contents = index.contents[np.searchsorted(index.ids, ids[:n_seen])]
        first = np.sort(np.unique(contents, return_index=True)[1])[:n]
        if len(first) == n or n_seen >= len(ids):
            return first
        n_seen *= 4


def _least_votes(found: Candidates, settings: SearchSettings) -> float:
    """Return how many votes are worth a comparison.

    Of the best hundred images most have their votes by chance; so has the last, unless the query has many copies.
    """
    chance = float(found.votes[-1]) if len(found) else 0.0
    return min(settings.least_votes, settings.least_ratio * chance)


def _orientations(candidates: Candidates, settings: SearchSettings) -> list[Orientation]:
    """Return how each candidate is compared with the query: as it has votes."""
    both = candidates.other_votes >= settings.least_votes
    return [
        "both" if is_both else "mirrored" if is_flat else "direct"
        for is_both, is_flat in zip(both.tolist(), candidates.mirrored.tolist(), strict=True)
    ]
