"""The search for copies of many images in parallel: against an index, and among the images of an index.

An image is not a copy of itself, whatever path leads to it. Files of equal bytes are compared once: they are found by
their hash, without looking at keypoints.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding, region_points
from classicvision.copies.search import search_contents
from classicvision.copies.settings import SearchSettings
from classicvision.extraction import Extraction
from classicvision.features.local import LocalFeatures
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.items import Items
from classicvision.matching.result import MatchResult
from classicvision.progress import StageProgress
from classicvision.workers import in_order

__all__ = ["SEARCHING", "Query", "QueryResult", "best_of_each_pair", "queries_of", "search_among", "search_queries"]

SEARCHING: Final = "search"
"""The stage in which queries are compared, a step for each query."""


@dataclass(frozen=True)
class Query:
    """An image to search for.

    Attributes
    ----------
    path : Path
    content : str
        SHA-256 of the file.
    key : str
        Cache key of its features. Workers read them from the cache: they are not sent, nor all held in memory.
    """

    path: Path
    content: str
    key: str

    def features(self, cache: FeatureCache) -> LocalFeatures:
        """Return the features from the cache."""
        return Items[LocalFeatures](cache, (self.key,))[0]


@dataclass(frozen=True, eq=False)
class QueryResult:
    """The findings of one query, and the facts about it that explain why there are no more."""

    findings: tuple[Finding, ...]
    n_keypoints: int
    image_size: tuple[int, int]


def queries_of(files: Sequence[Path], extraction: Extraction[LocalFeatures]) -> list[Query]:
    """Return the images of which features were extracted, as queries, in the order of the files."""
    found = zip(extraction.rows, extraction.contents, extraction.items.keys, strict=True)
    return [Query(files[row], content, key) for row, content, key in found]


def search_queries(
    index: Index,
    queries: Sequence[Query],
    cache: FeatureCache,
    settings: SearchSettings,
    *,
    n_workers: int = 1,
    progress: StageProgress | None = None,
) -> list[QueryResult]:
    """Search an index for the images that each query copies, or that copy it.

    Parameters
    ----------
    index : Index
    queries : sequence of Query
    cache : FeatureCache
        Has the features of each.
    settings : SearchSettings
    n_workers : int
        Processes. The results do not depend on it.
    progress : callable, optional
        Called with the number of queries done and of all queries.

    Returns
    -------
    list of QueryResult
        In the order of the queries.
    """
    return in_order(_AgainstIndex(_References(index), cache, settings), queries, n_workers, progress)


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

    Of files with equal bytes only the first is searched for and found; each of the others is a finding with the first,
    so that n equal files are n - 1 findings. A pair can be found from both its sides: see `best_of_each_pair`.
    Parameters and results are those of `search_queries`.
    """
    return in_order(_AmongImages(_References(index), cache, settings), queries, n_workers, progress)


def best_of_each_pair(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each two images, whichever of them is a: the finding of higher score."""
    best: dict[frozenset[Path], Finding] = {}
    for finding in findings:
        pair = frozenset((finding.path_a, finding.path_b))
        if pair not in best or finding.result.score > best[pair].result.score:
            best[pair] = finding
    return list(best.values())


class _Equals(NamedTuple):
    """The images of one content: their IDs and paths, sorted by path."""

    ids: tuple[int, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class _References:
    """The images of an index, and those of equal content, which are looked up once where they are many."""

    index: Index
    _known: dict[str, _Equals] = field(default_factory=dict)

    def equals(self, content: str) -> _Equals:
        """Return the images of a content; there may be none."""
        if (known := self._known.get(content)) is not None:
            return known
        paths = {image_id: self.index.path(image_id) for image_id in self.index.with_content(content)}
        ids = sorted(paths, key=lambda image_id: paths[image_id].parts)
        equals = _Equals(tuple(ids), tuple(paths[image_id] for image_id in ids))
        if len(ids) > 1:  # a file without an equal is rarely looked up again
            self._known[content] = equals
        return equals


@dataclass(frozen=True)
class _AgainstIndex:
    """The search for one query, in this process or in a worker, which maps the index itself."""

    references: _References
    cache: FeatureCache
    settings: SearchSettings

    def __call__(self, query: Query) -> QueryResult:
        features, equal = query.features(self.cache), self.references.equals(query.content)
        own = self.references.index.with_path(query.path)  # even if the file has changed since
        exclude = {*equal.ids, own} if own is not None else {*equal.ids}
        findings = [*_equal_files(query, equal.paths, features), *self._copies(query, features, exclude)]
        return QueryResult(tuple(findings), len(features), features.image_size)

    def _copies(self, query: Query, features: LocalFeatures, exclude: Collection[int]) -> Iterator[Finding]:
        index = self.references.index
        for ids, result in search_contents(index, features, self.settings, exclude=exclude):
            points = region_points(result, features, index.features(ids[0]))
            yield from (Finding(query.path, index.path(image_id), result, points) for image_id in ids)


@dataclass(frozen=True)
class _AmongImages:
    """The same for one of the images of the index."""

    references: _References
    cache: FeatureCache
    settings: SearchSettings

    def __call__(self, query: Query) -> QueryResult:
        features, equal = query.features(self.cache), self.references.equals(query.content)
        findings = list(_equal_files(query, equal.paths[:1], features))
        if not equal.paths or equal.paths[0] == absolute(query.path):
            findings += self._copies(query, features, {*equal.ids, *self._compared_elsewhere(query)})
        return QueryResult(tuple(findings), len(features), features.image_size)

    def _compared_elsewhere(self, query: Query) -> Iterable[int]:
        """Return the query's own ID, and the IDs before it if each of those is compared with all images."""
        index = self.references.index
        own = index.with_path(query.path)
        if own is None:
            return ()
        all_are_compared = len(index) <= self.settings.n_candidates
        return index.ids[index.ids <= own].tolist() if all_are_compared else (own,)

    def _copies(self, query: Query, features: LocalFeatures, exclude: Collection[int]) -> Iterator[Finding]:
        index = self.references.index
        for ids, result in search_contents(index, features, self.settings, exclude=exclude):
            first = self.references.equals(index.image(ids[0]).content).ids[0]
            if first in ids:
                points = region_points(result, features, index.features(first))
                yield Finding(query.path, index.path(first), result, points)


def _equal_files(query: Query, paths: Iterable[Path], features: LocalFeatures) -> Iterator[Finding]:
    """Yield a finding for each path whose file is equal to the query's, unless it is the query's file itself."""
    n, size = len(features), features.image_size
    result = MatchResult("copy", "bytes", (), math.inf, (n, n), 0, (size, size), "the files are equal, byte for byte")
    return (Finding(query.path, path, result) for path in paths if not _is_same_file(path, query.path))


def _is_same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file; a file that no longer exists is compared by its path."""
    try:
        return path.samefile(other)
    except OSError:
        return absolute(path) == absolute(other)
