"""The references of a search: an index, or images, of which an index is built and kept for the next search."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding
from classicvision.errors import ArchiveError, IndexInUseError, NotEnoughDataError
from classicvision.extraction import Failure
from classicvision.files import PathLike
from classicvision.folders import each_path, images_in
from classicvision.images import LIBRARIES
from classicvision.index.building import build
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.index.lock import LOCK_NAME, only_writer
from classicvision.index.maintenance import update
from classicvision.index.settings import IndexSettings
from classicvision.progress import Progress

__all__ = ["Library", "open_library"]

PATIENCE: Final = 60.0
"""Seconds to wait for another search that updates the index of the same images, before building a temporary one."""

UNUSED: Final = 30 * 86_400.0
"""Seconds without a search after which an index in the cache is removed when a new one is built."""


@dataclass(frozen=True, eq=False)
class Library:
    """An index, the paths of its files as the user gave them, and the files that could not be read."""

    index: Index
    names: Mapping[Path, Path]
    failures: tuple[Failure, ...] = ()

    def named(self, finding: Finding) -> Finding:
        """Return a finding with the user's path for its image of the library."""
        return replace(finding, path_b=self.name(finding.path_b))

    def name(self, path: Path) -> Path:
        """Return the user's path for an absolute path."""
        return self.names.get(path, path)


@contextmanager
def open_library(
    where: PathLike | Sequence[PathLike],
    *,
    cache: FeatureCache,
    keeps_index: bool,
    n_jobs: int,
    progress: Progress | None,
) -> Iterator[Library]:
    """Open an index, or build one of some images.

    Parameters
    ----------
    where : path or paths
        An index, or folders and files.
    cache : FeatureCache
    keeps_index : bool
        Keep a built index in the cache, where the next search of the same images only updates it; otherwise it is
        removed at the end.
    n_jobs, progress
        As in `workflows.find_copies`.
    """
    if isinstance(where, str | os.PathLike) and Index.is_index(where):
        yield Library(Index.open(where), {})
        return
    names = {absolute(file): file for file in images_in(where)}
    with tempfile.TemporaryDirectory(prefix="classicvision-") as temporary:
        parent = cache.folder if keeps_index else Path(temporary)
        try:
            index, failures = _prepared(parent, where, cache, n_jobs, progress)
        except IndexInUseError:  # another search has been using it for long: neither may change the other's
            index, failures = _prepared(Path(temporary), where, cache, n_jobs, progress)
        yield Library(index, names, failures)


def _prepared(
    parent: Path,
    where: PathLike | Sequence[PathLike],
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> tuple[Index, tuple[Failure, ...]]:
    """Build an index in a folder, or update the one there, while no other search does."""
    home = parent / "indexes" / _name_of(where)
    home.mkdir(parents=True, exist_ok=True)
    with only_writer(home, PATIENCE):
        folder = home / "library.cvindex"
        if not folder.exists():
            _remove_unused(home.parent)
        failures = _bring_up_to_date(folder, where, cache, n_jobs, progress)
        return Index.open(folder), failures


def _remove_unused(indexes: Path) -> None:
    """Remove the indexes that no search has used in a long time; their folders stay, with the locks."""
    now = time.time()
    for lock in indexes.glob(f"*/{LOCK_NAME}"):
        with suppress(OSError, IndexInUseError):
            if now - lock.stat().st_mtime > UNUSED:  # taking the lock writes to it
                with only_writer(lock.parent):
                    shutil.rmtree(lock.parent / "library.cvindex")


def _bring_up_to_date(
    folder: Path,
    where: PathLike | Sequence[PathLike],
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> tuple[Failure, ...]:
    if Index.is_index(folder):
        with suppress(ArchiveError, NotEnoughDataError):  # ours is damaged, or a folder has been emptied since
            return update(folder, where, cache=cache, n_jobs=n_jobs, progress=progress).failures
    if folder.exists():
        shutil.rmtree(folder)
    return build(where, folder, IndexSettings(), None, cache=cache, n_jobs=n_jobs, progress=progress).failures


def _name_of(where: PathLike | Sequence[PathLike]) -> str:
    """Return a name that depends on the paths of the images and on everything that decides the content of an index."""
    places = sorted(os.fsencode(absolute(path)) for path in each_path(where))
    facts = f"{config.fingerprint(IndexSettings())} {LIBRARIES}".encode()
    digest = hashlib.sha256(b"\0".join([facts, *places])).hexdigest()
    return digest[:32]
