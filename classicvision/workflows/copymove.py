"""Parts that were copied within a picture: something hidden, or something that is there twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.findings import Findings
from classicvision.copies.queries import Suspect
from classicvision.copies.self_search import search_within
from classicvision.extraction import extract
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.folders import images_in, listed
from classicvision.images import LIBRARIES
from classicvision.matching.settings import MATCHING_SIFT, CopyMoveSettings
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.workers import count_workers

__all__ = ["find_copy_moves"]

SEARCHING = "search"

COPY_MOVE_SIFT: Final = replace(MATCHING_SIFT, spread=False)
"""What copies within a picture are looked for with. Spread keypoints find no more of them, and more that are none."""


def find_copy_moves(
    pictures: PathLike | Sequence[PathLike],
    *,
    sift: Sift = COPY_MOVE_SIFT,
    settings: CopyMoveSettings | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Findings:
    """Look in each picture for parts that are copies of other parts of it.

    Parameters
    ----------
    pictures : path or paths
        Files, and folders searched through.
    sift : Sift
        Finds the keypoints.
    settings : CopyMoveSettings, optional
    cache, n_jobs, progress
        As for each verb.

    Returns
    -------
    Findings
        One for each picture with such a part, both its paths that picture's. Which part is the original is not known.
    """
    start = time.perf_counter()
    settings, cache = settings or CopyMoveSettings(), cache or FeatureCache.temporary()
    files = images_in(pictures)
    found = extract(files, sift, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    readable = [
        Suspect(files[row], content, key)
        for row, content, key in zip(found.rows, found.contents, found.items.keys, strict=True)
    ]
    n_workers = count_workers(n_jobs, len(readable))
    answers = search_within(readable, cache, settings, n_workers=n_workers, progress=stage(progress, SEARCHING))
    return Findings.of(
        (finding for answer in answers for finding in answer.findings),
        failures=found.failures,
        n_suspects=len(readable),
        n_library=len(readable),
        suspects=listed(pictures),
        is_within=True,
        settings={
            "search": config.to_dict(settings),
            "extractor": config.to_dict(sift),
            "libraries": LIBRARIES,
        },
        seconds=time.perf_counter() - start,
    )
