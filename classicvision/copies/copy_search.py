"""The search for copies from paths to findings: features, matches of parts, whole images, and what stays undecided."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.among import search_among
from classicvision.copies.findings import Finding, Findings, Incomplete, Scope, Undecided
from classicvision.copies.library import Library, open_library
from classicvision.copies.queries import (
    SEARCHING,
    Query,
    QueryResult,
    best_of_each_pair,
    queries_of,
    search_queries,
)
from classicvision.copies.settings import SearchSettings
from classicvision.copies.versions import one_finding_per_version, versions_of
from classicvision.copies.whole_image_search import (
    WholeImageResult,
    first_of_each_content,
    images_of_index,
    search_by_network,
    search_whole_images,
)
from classicvision.copies.whole_images import NearestReference, WholeImage
from classicvision.extraction import Failure, extract
from classicvision.files import PathLike
from classicvision.folders import images_in, listed
from classicvision.images import LIBRARIES
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.matching.global_match import CONCLUSIVE_KEYPOINTS
from classicvision.matching.likeness import BackboneFallback
from classicvision.progress import EXTRACTING, Progress, StageProgress, stage
from classicvision.workers import count_workers

__all__ = ["CopySearch"]


class _Extracted(NamedTuple):
    queries: list[Query]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class CopySearch:
    """How copies are searched for, and what the search may use.

    Attributes
    ----------
    settings : SearchSettings
    fallback : BackboneFallback or None
        A network that compares images with too few keypoints where signatures leave them undecided.
    cache : FeatureCache
    keeps_index : bool
        Whether an index that is built of images stays in the cache for the next search.
    n_jobs, progress
        As in `workflows.find_copies`.
    """

    settings: SearchSettings
    fallback: BackboneFallback | None
    cache: FeatureCache
    keeps_index: bool
    n_jobs: int
    progress: Progress | None

    def against(self, queries: PathLike | Sequence[PathLike], references: PathLike) -> Findings:
        """Search references for copies of queries; parameters are those of `workflows.find_copies`."""
        with self._open(references) as library:
            start = time.perf_counter()
            found = self._extract(queries, library.index)
            workers, progress = self._n_workers(found.queries), self._searching
            results = search_queries(
                library.index, found.queries, self.cache, self.settings, n_workers=workers, progress=progress
            )
            whole = self._compare_whole(library.index, found.queries, results, among=False)
            findings = [library.named(finding) for finding in _all_findings(results, whole)]
            related = [library.named(finding) for finding in _all_related(results)]
            report = self._report("against", findings, related, library, found, results, whole)
            seconds = time.perf_counter() - start
            return replace(report, queries=listed(queries), references=listed(references), seconds=seconds)

    def among(self, images: PathLike | Sequence[PathLike]) -> Findings:
        """Search images for copies of each other; parameters are those of `workflows.find_copies_among`."""
        with self._open(images) as library:
            start = time.perf_counter()
            found = self._extract(images, library.index)
            workers, progress = self._n_workers(found.queries), self._searching
            results = search_among(
                library.index, found.queries, self.cache, self.settings, n_workers=workers, progress=progress
            )
            whole = self._compare_whole(library.index, found.queries, results, among=True)
            pairs = best_of_each_pair(library.named(finding) for finding in _all_findings(results, whole))
            findings = one_finding_per_version(pairs)
            related = best_of_each_pair(library.named(finding) for finding in _all_related(results))
            report = self._report("among", findings, related, library, found, results, whole)
            return replace(report, queries=listed(images), seconds=time.perf_counter() - start)

    def _open(self, where: PathLike | Sequence[PathLike]) -> AbstractContextManager[Library]:
        return open_library(
            where, cache=self.cache, keeps_index=self.keeps_index, n_jobs=self.n_jobs, progress=self.progress
        )

    def _extract(self, paths: PathLike | Sequence[PathLike], index: Index) -> _Extracted:
        """Extract the features of the queries into the cache: those of an index have lost some precision."""
        files = images_in(paths)
        found = extract(
            files,
            index.settings.extractors,
            cache=self.cache,
            n_jobs=self.n_jobs,
            progress=stage(self.progress, EXTRACTING),
        )
        return _Extracted(queries_of(files, found), found.failures)

    def _n_workers(self, queries: Sequence[Query]) -> int:
        return count_workers(self.n_jobs, len(queries))

    @property
    def _searching(self) -> StageProgress | None:
        return stage(self.progress, SEARCHING)

    def _compare_whole(
        self, index: Index, queries: Sequence[Query], results: Sequence[QueryResult], *, among: bool
    ) -> WholeImageResult:
        """Compare as a whole what keypoints do not decide: by hashes and pixels, then by a network if there is one."""
        images = _query_images(queries, results)
        by_keypoints = {
            frozenset((absolute(found.path_a), absolute(found.path_b))): found.result
            for result in results
            for found in (*result.findings, *result.related)
        }
        versions = versions_of(found for result in results for found in result.findings) if among else {}
        found = search_whole_images(
            index,
            images,
            by_keypoints,
            versions=versions,
            among=among,
            cache=self.cache,
            n_jobs=self.n_jobs,
            progress=self.progress,
        )
        if self.fallback is None:
            return found
        more = search_by_network(
            first_of_each_content(images) if among else images,
            images_of_index(index),
            self.fallback,
            min_keypoints=self.settings.match.min_keypoints,
            cache=self.cache,
            n_jobs=self.n_jobs,
            progress=self.progress,
        )
        findings, failures = [*found.findings, *more.findings], (*found.failures, *more.failures)
        return WholeImageResult(findings, more.nearest, failures)

    def _report(
        self,
        scope: Scope,
        findings: Sequence[Finding],
        related: Sequence[Finding],
        library: Library,
        found: _Extracted,
        results: Sequence[QueryResult],
        whole: WholeImageResult,
    ) -> Findings:
        nearest = {path: replace(one, path=library.name(one.path)) for path, one in whole.nearest.items()}
        failed_whole = [replace(failure, path=library.name(failure.path)) for failure in whole.failures]
        settings: dict[str, Any] = {
            "search": config.to_dict(self.settings),
            "index": config.to_dict(library.index.settings),
        }
        if self.fallback:
            settings["fallback"] = self.fallback.to_dict()
        return Findings.of(
            findings,
            scope,
            related=related,
            undecided=undecided_queries(found.queries, results, findings, nearest),
            incomplete=incomplete_queries(found.queries, results),
            failures=_each_once((*library.failures, *found.failures, *failed_whole)),
            n_queries=len(found.queries),
            n_references=len(library.index),
            settings={**settings, "libraries": LIBRARIES},
        )


def undecided_queries(
    queries: Iterable[Query],
    results: Iterable[QueryResult],
    findings: Iterable[Finding],
    nearest: Mapping[Path, NearestReference],
) -> tuple[Undecided, ...]:
    """Return the queries in no finding that have too few keypoints, with the nearest reference by the network."""
    found = {path for finding in findings for path in (finding.path_a, finding.path_b)}
    remedy = f"{CONCLUSIVE_KEYPOINTS} are needed to rule out a copy, and no other image is the same as a whole"

    def reason(path: Path, n_keypoints: int) -> str:
        few = f"{n_keypoints} keypoint{'' if n_keypoints == 1 else 's'}; {remedy}"
        if (one := nearest.get(path)) is None:
            return few
        return f"{few}; by the network it is most like {one.path}, cosine {one.cosine:.4f}"

    return tuple(
        Undecided(query.path, reason(query.path, result.n_keypoints))
        for query, result in zip(queries, results, strict=True)
        if result.n_keypoints < CONCLUSIVE_KEYPOINTS and query.path not in found
    )


def incomplete_queries(queries: Iterable[Query], results: Iterable[QueryResult]) -> tuple[Incomplete, ...]:
    """Return the queries whose search ended at `max_candidates` while it still found copies."""
    return tuple(
        Incomplete(
            query.path,
            f"it was compared with {result.n_compared:,} images, and the last of them still held copies; "
            f"raise the limit with --set max_candidates={4 * result.n_compared}",
        )
        for query, result in zip(queries, results, strict=True)
        if result.is_cut
    )


def _all_findings(results: Iterable[QueryResult], whole: WholeImageResult) -> Iterator[Finding]:
    """Yield all findings; of a pair that is the same as a whole, not the parts that keypoints show of it."""
    as_whole = {frozenset((absolute(found.path_a), absolute(found.path_b))) for found in whole.findings}
    for result in results:
        for found in result.findings:
            if frozenset((absolute(found.path_a), absolute(found.path_b))) not in as_whole:
                yield found
    yield from whole.findings


def _all_related(results: Iterable[QueryResult]) -> Iterator[Finding]:
    return (finding for result in results for finding in result.related)


def _query_images(queries: Sequence[Query], results: Sequence[QueryResult]) -> list[WholeImage]:
    pairs = zip(queries, results, strict=True)
    return [
        WholeImage(query.path, query.content, result.n_keypoints, result.image_size, query.whole)
        for query, result in pairs
    ]


def _each_once(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return each file that failed once, sorted, under the path that was given last."""
    by_path = {absolute(failure.path): failure for failure in failures}
    return tuple(by_path[path] for path in sorted(by_path, key=lambda path: path.parts))
