"""The search among the images of an index for copies of each other, in which versions of one image cost little.

The best images are searched for first. What is a whole copy of one of them is a version of it, and two versions of one
image are not compared with each other; each is still compared with all other images. Images that are not versions of
an earlier one are searched for in rounds, in parallel; the rounds depend on the images only, and so do the results.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.copies.queries import AmongImages, AmongTask, Query, QueryResult, References
from classicvision.copies.settings import SearchSettings
from classicvision.copies.versions import is_whole_copy
from classicvision.index.index import Index
from classicvision.matching.global_match import hash_significance
from classicvision.progress import StageProgress
from classicvision.workers import ordered_map

__all__ = ["search_among"]

MAX_ROUND: Final = 32
"""Images that are searched for before their versions are known. Versions of one image in a round are each compared with
all the others; more images in a round keep more workers busy."""

MIN_LIKENESS: Final = 5.0
"""Significance of two hashes from which the images are probably versions, so that a round ends before the second."""


def search_among(
    index: Index,
    queries: Sequence[Query],
    cache: FeatureCache,
    settings: SearchSettings,
    *,
    n_workers: int = 1,
    progress: StageProgress | None = None,
) -> list[QueryResult]:
    """Search the images of an index for copies of each other: the queries are those images.

    Of images with equal pixels only the first is searched for and found; each of the others is a finding with the
    first. Of two versions of one image no finding is looked for, if both are whole copies of a better one. A pair can
    be found from both its sides: see `best_of_each_pair`. Parameters and results are those of `search_queries`.
    """
    with ordered_map(AmongImages(References(index), cache, settings), n_workers) as search:
        return _Rounds(index, queries, settings, search, progress).run()


class _Rounds:
    """The rounds of a search, and what they have shown so far.

    Images are known by their place in the order: most pixels first, then by path. An image that the index does not have
    comes last. Of images with equal pixels, which are next to each other, only the first has versions.
    """

    def __init__(
        self,
        index: Index,
        queries: Sequence[Query],
        settings: SearchSettings,
        search: Callable[[Sequence[AmongTask]], list[QueryResult]],
        progress: StageProgress | None,
    ) -> None:
        ids = [index.with_path(query.path) for query in queries]
        self._order = sorted(range(len(queries)), key=lambda row: _rank(index, ids[row]))
        self._queries = [queries[row] for row in self._order]
        self._ids = [ids[row] for row in self._order]
        self._place_of = {image_id: place for place, image_id in enumerate(self._ids) if image_id is not None}
        self._equal_ids: dict[str, list[int]] = {}  # of images of one colour too, which have no keypoints
        for image_id, place in self._place_of.items():
            self._equal_ids.setdefault(self._queries[place].whole.pixels, []).append(image_id)
        self._waiting = deque(place for place in range(len(queries)) if self._is_first_of_equal(place))
        self._index, self._search, self._progress = index, search, progress
        self._all_are_compared = len(index) <= settings.n_candidates
        self._results: dict[int, QueryResult] = {}
        self._best: dict[int, int] = {}  # place of the representative of each image that has one
        self._versions: dict[int, set[int]] = {}  # IDs of the versions of each representative

    def run(self) -> list[QueryResult]:
        """Return the results in the order of the queries."""
        while places := self._next_round():
            self._run(places)
            for place in places:
                self._find_versions(place)
        self._run([place for place in range(len(self._queries)) if place not in self._results])
        by_row = {row: self._results[place] for place, row in enumerate(self._order)}
        return [by_row[row] for row in range(len(self._queries))]

    def _is_first_of_equal(self, place: int) -> bool:
        own = self._ids[place]
        return own is not None and self._equal_ids[self._queries[place].whole.pixels][0] == own

    def _next_round(self) -> list[int]:
        """Return the next places without a representative, up to the first whose image is like one before it."""
        places: list[int] = []
        held: list[NDArray[np.float32]] = []
        while self._waiting and len(places) < MAX_ROUND:
            signs = self._queries[self._waiting[0]].whole.signs
            if self._waiting[0] in self._best:
                self._waiting.popleft()
            elif held and hash_significance(signs, np.stack(held)).max() >= MIN_LIKENESS:
                break
            else:
                held.append(signs)
                places.append(self._waiting.popleft())
        return places

    def _run(self, places: Sequence[int]) -> None:
        tasks = [AmongTask(self._queries[place], frozenset(self._excluded(place))) for place in places]
        self._results |= zip(places, self._search(tasks), strict=True)
        if self._progress is not None and places:
            self._progress(len(self._results), len(self._queries))

    def _excluded(self, place: int) -> Collection[int]:
        """Return the IDs that an image is not compared with: its own, its versions, and what was compared with all."""
        earlier = range(place + 1) if self._all_are_compared else (place,)
        excluded = {image_id for other in earlier for image_id in self._equal(other)}
        return excluded | self._versions.get(self._best.get(place, place), set())

    def _equal(self, place: int) -> Collection[int]:
        """Return the IDs of the images with the pixels of one."""
        return self._equal_ids.get(self._queries[place].whole.pixels, ())

    def _find_versions(self, place: int) -> None:
        """Note which images are whole copies of this one, or of which better image it is a version."""
        if place in self._best:  # by an image of the same round
            return
        found = (self._index.with_path(f.path_b) for f in self._results[place].findings if is_whole_copy(f))
        whole = sorted(self._place_of[image_id] for image_id in found if image_id is not None)
        better = [other for other in whole if other < place and self._best[other] == other]
        best = better[0] if better else place
        new = {place} if better else {place, *(other for other in whole if other not in self._best)}
        self._best |= dict.fromkeys(new, best)
        self._versions.setdefault(best, set()).update(image_id for other in new for image_id in self._equal(other))


def _rank(index: Index, image_id: int | None) -> tuple[bool, int, tuple[str, ...]]:
    """Return the sort key of the images of an index: best first, and one that it does not have last."""
    if image_id is None:
        return True, 0, ()
    image = index.image(image_id)
    return False, -image.image_size[0] * image.image_size[1], image.path.parts
