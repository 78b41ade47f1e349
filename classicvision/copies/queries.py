"""The search for copies of many images in parallel: against an index, and of one of the images of an index among them.

An image is not a copy of itself, whatever path leads to it. Images of equal pixels are compared once: they are found by
their digest, without comparing keypoints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding, region_points
from classicvision.copies.search import SearchResult, Verify, search_contents
from classicvision.copies.settings import SearchSettings
from classicvision.copies.verification import ImageFile, verify_files
from classicvision.extraction import Extraction
from classicvision.features.global_features import ONE_COLOUR, GlobalFeatures
from classicvision.features.local import LocalFeatures
from classicvision.index.catalogue import IndexedImage, absolute
from classicvision.index.index import Index
from classicvision.items import Items, parts_of
from classicvision.matching.result import MatchResult, equal_result
from classicvision.progress import StageProgress
from classicvision.workers import in_order

__all__ = [
    "SEARCHING",
    "AmongImages",
    "AmongTask",
    "ExtractedImage",
    "Query",
    "QueryResult",
    "References",
    "best_of_each_pair",
    "queries_of",
    "search_queries",
]

SEARCHING: Final = "search"
"""The stage in which queries are compared, a step for each query."""


@dataclass(frozen=True)
class ExtractedImage:
    """An image whose local features are in the cache.

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


@dataclass(frozen=True)
class Query(ExtractedImage):
    """An image to search for.

    Attributes
    ----------
    whole : GlobalFeatures
        The digest of its pixels, and its perceptual hash.
    """

    whole: GlobalFeatures


@dataclass(frozen=True, eq=False)
class QueryResult:
    """The findings of one query, and the facts about it that explain why there are no more.

    Attributes
    ----------
    findings : tuple of Finding
        Copies.
    n_keypoints : int
    image_size : (height, width)
    related : tuple of Finding
        Pairs that share a layout or show one scene, and are not copies.
    n_compared : int
        Images whose keypoints were compared with those of the query.
    is_cut : bool
        Whether `SearchSettings.max_candidates` ended the search while the images compared last still held a copy.
    """

    findings: tuple[Finding, ...]
    n_keypoints: int
    image_size: tuple[int, int]
    related: tuple[Finding, ...] = ()
    n_compared: int = 0
    is_cut: bool = False


def queries_of(files: Sequence[Path], extraction: Extraction[tuple[Any, ...]]) -> list[Query]:
    """Return the images of which local and global features were extracted, as queries, in the order of the files."""
    local, whole = parts_of(extraction.items)
    found = zip(extraction.rows, extraction.contents, local.keys, whole, strict=True)
    return [Query(files[row], content, key, GlobalFeatures.from_vector(vector)) for row, content, key, vector in found]


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
    return in_order(_AgainstIndex(References(index), cache, settings), queries, n_workers, progress)


def best_of_each_pair(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each two images, whichever of them is a: the finding of higher score."""
    best: dict[frozenset[Path], Finding] = {}
    for finding in findings:
        pair = frozenset((finding.path_a, finding.path_b))
        if pair not in best or finding.result.score > best[pair].result.score:
            best[pair] = finding
    return list(best.values())


class _Equals(NamedTuple):
    """The images of equal pixels: their IDs, paths, and SHA-256 of their files, sorted by path."""

    ids: tuple[int, ...]
    paths: tuple[Path, ...]
    contents: tuple[str, ...]

    @property
    def first(self) -> _Equals:
        """The first of them, if there is one."""
        return _Equals(self.ids[:1], self.paths[:1], self.contents[:1])


@dataclass(frozen=True, eq=False)
class References:
    """The images of an index, and those of equal pixels, which are looked up once where they are many."""

    index: Index
    _known: dict[str, _Equals] = field(default_factory=dict)

    def equals(self, image: Query | IndexedImage) -> _Equals:
        """Return the images whose pixels are equal to those of an image; there may be none.

        Images of one colour are equal only if their files are.
        """
        is_plain = image.whole.pixels == ONE_COLOUR
        digest = image.content if is_plain else image.whole.pixels
        if (known := self._known.get(digest)) is not None:
            return known
        ids = self.index.with_content(digest) if is_plain else self.index.with_pixels(digest)
        found = [self.index.image(image_id) for image_id in ids]
        found.sort(key=lambda image: image.path.parts)
        equals = _Equals(*(tuple(getattr(image, name) for image in found) for name in ("id", "path", "content")))
        if len(found) > 1:  # an image without an equal is rarely looked up again
            self._known[digest] = equals
        return equals


@dataclass(frozen=True)
class _AgainstIndex:
    """The search for one query, in this process or in a worker, which maps the index itself."""

    references: References
    cache: FeatureCache
    settings: SearchSettings

    def __call__(self, query: Query) -> QueryResult:
        features, equal = query.features(self.cache), self.references.equals(query)
        index = self.references.index
        own = index.with_path(query.path)  # even if the file has changed since
        exclude = {*equal.ids, own} if own is not None else {*equal.ids}
        search = search_contents(
            index, features, self.settings, exclude=exclude, verify=_by_pixels(index, query, features)
        )
        findings = list(_equal_images(query, equal, features))
        for ids, result in search.found:
            points = region_points(result, features, index.features(ids[0]))
            findings += [Finding(query.path, index.path(image_id), result, points) for image_id in ids]
        return _query_result(findings, features, search)


class AmongTask(NamedTuple):
    """One of the images of an index that are compared with each other, and the IDs that it is not compared with."""

    query: Query
    exclude: frozenset[int]


@dataclass(frozen=True)
class AmongImages:
    """The search for one of the images of an index among them, in this process or in a worker."""

    references: References
    cache: FeatureCache
    settings: SearchSettings

    def __call__(self, task: AmongTask) -> QueryResult:
        """Search for the image, unless another has the same pixels and comes first."""
        query = task.query
        features, equal = query.features(self.cache), self.references.equals(query)
        findings, search = list(_equal_images(query, equal.first, features)), SearchResult()
        if not equal.paths or equal.paths[0] == absolute(query.path):
            search = self._search(query, features, {*equal.ids, *task.exclude})
            findings += self._matches(query, features, search)
        return _query_result(findings, features, search)

    def _search(self, query: Query, features: LocalFeatures, exclude: Collection[int]) -> SearchResult:
        index = self.references.index
        return search_contents(
            index, features, self.settings, exclude=exclude, verify=_by_pixels(index, query, features)
        )

    def _matches(self, query: Query, features: LocalFeatures, search: SearchResult) -> Iterator[Finding]:
        index = self.references.index
        for ids, result in search.found:
            first = self.references.equals(index.image(ids[0])).ids[0]
            if first in ids:
                points = region_points(result, features, index.features(first))
                yield Finding(query.path, index.path(first), result, points)


def _by_pixels(index: Index, query: Query, features: LocalFeatures) -> Verify:
    """Return a function that verifies by pixels what keypoints propose."""

    def verify(image_id: int, proposed: MatchResult) -> MatchResult:
        image = index.image(image_id)
        files = ImageFile(query.path, query.content), ImageFile(image.path, image.content)
        return verify_files(*files, features, index.features(image_id), proposed)

    return verify


def _query_result(findings: Iterable[Finding], features: LocalFeatures, search: SearchResult) -> QueryResult:
    found = tuple(findings)
    copies, related = (tuple(f for f in found if f.result.verdict == verdict) for verdict in ("copy", "related"))
    return QueryResult(copies, len(features), features.image_size, related, search.n_compared, search.is_cut)


def _equal_images(query: Query, equals: _Equals, features: LocalFeatures) -> Iterator[Finding]:
    """Yield a finding for each image whose pixels are equal to the query's, unless it is the query's file itself."""
    n, size = len(features), features.image_size
    for path, content in zip(equals.paths, equals.contents, strict=True):
        if not _is_same_file(path, query.path):
            yield Finding(query.path, path, equal_result((n, n), (size, size), same_file=content == query.content))


def _is_same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file; a file that no longer exists is compared by its path."""
    try:
        return path.samefile(other)
    except OSError:
        return absolute(path) == absolute(other)
