"""Parts that were copied within an image, for many images in parallel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding, Findings, region_points
from classicvision.copies.queries import SEARCHING, ExtractedImage, QueryResult
from classicvision.extraction import extract
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.folders import images_in, listed
from classicvision.images import LIBRARIES
from classicvision.matching.copymove import find_copy_moves
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import CopyMoveSettings
from classicvision.progress import EXTRACTING, Progress, StageProgress, stage
from classicvision.workers import count_workers, in_order

__all__ = ["find_within", "search_within"]


def find_within(
    images: PathLike | Sequence[PathLike],
    sift: Sift,
    settings: CopyMoveSettings,
    *,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> Findings:
    """Search each of some images for copied parts; parameters are those of `workflows.find_copies_within`."""
    start = time.perf_counter()
    files = images_in(images)
    found = extract(files, sift, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    columns = zip(found.rows.tolist(), found.contents, found.items.keys, strict=True)
    queries = [ExtractedImage(files[row], content, key) for row, content, key in columns]
    workers = count_workers(n_jobs, len(queries))
    results = search_within(queries, cache, settings, n_workers=workers, progress=stage(progress, SEARCHING))
    return Findings.of(
        (finding for result in results for finding in result.findings),
        "within",
        failures=found.failures,
        n_queries=len(queries),
        n_references=len(queries),
        queries=listed(images),
        settings={
            "search": config.to_dict(settings),
            "extractor": config.to_dict(sift),
            "libraries": LIBRARIES,
        },
        seconds=time.perf_counter() - start,
    )


def search_within(
    queries: Sequence[ExtractedImage],
    cache: FeatureCache,
    settings: CopyMoveSettings,
    *,
    n_workers: int = 1,
    progress: StageProgress | None = None,
) -> list[QueryResult]:
    """Search each image for parts that occur in it a second time.

    Parameters
    ----------
    queries : sequence of ExtractedImage
    cache : FeatureCache
        Has the features of each.
    settings : CopyMoveSettings
    n_workers, progress
        As for `search_queries`.

    Returns
    -------
    list of QueryResult
        In the order of the queries; each has at most one finding.
    """
    return in_order(_WithinImage(cache, settings), queries, n_workers, progress)


@dataclass(frozen=True)
class _WithinImage:
    cache: FeatureCache
    settings: CopyMoveSettings

    def __call__(self, query: ExtractedImage) -> QueryResult:
        features = query.features(self.cache)
        regions = find_copy_moves(features, self.settings)
        if not regions:
            return QueryResult((), len(features), features.image_size)
        n_matches = sum(len(region.pairs) for region in regions)
        result = MatchResult(
            verdict="copy",
            method="keypoints",
            regions=regions,
            score=regions[0].significance,
            n_keypoints=(len(features), len(features)),
            n_matches=n_matches,
            image_sizes=(features.image_size, features.image_size),
            reason=f"{n_matches} keypoints occur in the image a second time",
        )
        finding = Finding(query.path, query.path, result, region_points(result, features, features))
        return QueryResult((finding,), len(features), features.image_size)
