"""``classicvision copies``: copies of queries in a library, among images, and within images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from classicvision.cache import FeatureCache
from classicvision.copies.copy_search import CopySearch
from classicvision.copies.findings import Findings
from classicvision.copies.self_search import find_within
from classicvision.copies.settings import SearchSettings
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.matching.likeness import BackboneFallback
from classicvision.matching.settings import MATCHING_SIFT, CopyMoveSettings
from classicvision.progress import Progress

__all__ = ["COPY_MOVE_SIFT", "find_copies", "find_copies_among", "find_copies_within"]

COPY_MOVE_SIFT: Final = replace(MATCHING_SIFT, spread=False)
"""Keypoints for copies within an image. Spread keypoints find no more of them, and more false ones."""


def find_copies(
    queries: PathLike | Sequence[PathLike],
    against: PathLike,
    *,
    settings: SearchSettings | None = None,
    fallback: BackboneFallback | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Findings:
    """Find the images that copy images of a library, completely or in part.

    Parameters
    ----------
    queries : path or paths
        Files, and folders, searched at every depth.
    against : path
        An index, or a folder of images. A folder is indexed first; its index stays in the cache, and the next search
        only updates it.
    settings : SearchSettings, optional
    fallback : BackboneFallback, optional
        A network that compares images with too few keypoints where signatures leave them undecided. It reads the files
        again, those of an index from their original paths; a file that is missing or has changed is a failure then.
    cache : FeatureCache, optional
        Where features and the index of a folder are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional

    Returns
    -------
    Findings
        In each finding a is the query. A query is not a copy of itself, but it is of an equal file elsewhere.

    Raises
    ------
    ImageReadError
        If a path does not exist. Files that cannot be read are failures and raise nothing.
    NotEnoughDataError
        If there is no query, or no image to compare with.
    ArchiveError
        If the index is damaged.
    """
    settings, keeps_index, cache = settings or SearchSettings(), cache is not None, cache or FeatureCache.temporary()
    return CopySearch(settings, fallback, cache, keeps_index, n_jobs, progress).against(queries, against)


def find_copies_among(
    images: PathLike | Sequence[PathLike],
    *,
    settings: SearchSettings | None = None,
    fallback: BackboneFallback | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Findings:
    """Find the images that are copies of each other, completely or in part.

    Parameters and errors are those of `find_copies`. Two images are one finding, whichever is the query; which of them
    is the original is not known. Of n images that are whole copies of the one with the most pixels, n - 1 findings are
    reported, each with that image.
    """
    settings, keeps_index, cache = settings or SearchSettings(), cache is not None, cache or FeatureCache.temporary()
    return CopySearch(settings, fallback, cache, keeps_index, n_jobs, progress).among(images)


def find_copies_within(
    images: PathLike | Sequence[PathLike],
    *,
    sift: Sift = COPY_MOVE_SIFT,
    settings: CopyMoveSettings | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Findings:
    """Find the images that contain a part twice, as after copy-move forgery.

    Parameters
    ----------
    images : path or paths
        Files, and folders, searched at every depth.
    sift : Sift
        Finds the keypoints.
    settings : CopyMoveSettings, optional
    cache : FeatureCache, optional
        Where features are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional

    Returns
    -------
    Findings
        One for each image with such a part; both its paths are that image. Which part is the original is not known.
    """
    settings, cache = settings or CopyMoveSettings(), cache or FeatureCache.temporary()
    return find_within(images, sift, settings, cache=cache, n_jobs=n_jobs, progress=progress)
