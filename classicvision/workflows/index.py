"""``classicvision index``: build an index of a library of images, and keep it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from classicvision.cache import FeatureCache
from classicvision.files import PathLike
from classicvision.index import building, maintenance
from classicvision.index.changes import IndexChange
from classicvision.index.index import Index
from classicvision.index.settings import IndexSettings
from classicvision.index.verify import Damage, find_damage
from classicvision.progress import Progress, stage

__all__ = ["add_to_index", "build_index", "index_info", "remove_from_index", "update_index", "verify_index"]


def build_index(
    library: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    settings: IndexSettings | None = None,
    vocabulary: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> IndexChange:
    """Build an index of the images of a library.

    Parameters
    ----------
    library : path or paths
        Folders, searched at every depth, and files.
    output : path
        The folder of the index, which is created.
    settings : IndexSettings, optional
    vocabulary : path, optional
        Another index, or a vocabulary file of one; by default the words are learned from the library.
    cache : FeatureCache, optional
        Where features are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional

    Raises
    ------
    SettingsError
        If there is something in `output`.
    NotEnoughDataError
        If there is no image.
    """
    settings, cache = settings or IndexSettings(), cache or FeatureCache.temporary()
    return building.build(library, Path(output), settings, vocabulary, cache=cache, n_jobs=n_jobs, progress=progress)


def add_to_index(
    index: PathLike,
    paths: PathLike | Sequence[PathLike],
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> IndexChange:
    """Add images to an index; images that it already has with the same content are skipped.

    Every 256 images are committed together, so an interrupted run loses little, and resumes when it is started again.

    Parameters
    ----------
    index : path
    paths : path or paths
        Folders, searched at every depth, and files.
    cache : FeatureCache, optional
        Where features are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional
    """
    return maintenance.add(index, paths, cache=cache or FeatureCache.temporary(), n_jobs=n_jobs, progress=progress)


def update_index(
    index: PathLike,
    library: PathLike | Sequence[PathLike] | None = None,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> IndexChange:
    """Bring an index up to date with a library: add new images, replace changed ones, remove missing ones.

    A file whose size and time have not changed is not read. Images outside of the library are not affected.

    Parameters
    ----------
    index : path
    library : path or paths, optional
        Folders and files; by default those that the index was built from.
    cache : FeatureCache, optional
        Where features are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If the library contains no image, or one of its folders does not although the index has images of it, as when a
        disk is not mounted. Nothing is removed then.
    """
    return maintenance.update(index, library, cache=cache or FeatureCache.temporary(), n_jobs=n_jobs, progress=progress)


def remove_from_index(index: PathLike, paths: Sequence[PathLike]) -> IndexChange:
    """Remove images from an index, named by their paths or by folders; the files themselves are not changed.

    Raises
    ------
    SettingsError
        If a path does not name an image of the index; nothing is removed then.
    """
    return maintenance.remove(index, paths)


def index_info(index: PathLike) -> dict[str, Any]:
    """Return sizes, counts and settings of an index."""
    return Index.open(index).info()


def verify_index(index: PathLike, *, progress: Progress | None = None) -> tuple[Damage, ...]:
    """Read every byte of an index and return the damage found; empty if it is intact."""
    return find_damage(Path(index).absolute(), stage(progress, "files"))
