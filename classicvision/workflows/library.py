"""What is searched for copies: an index, or pictures, of which an index is made and kept for the next search."""

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
from typing import Any

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding
from classicvision.errors import ArchiveError, IndexInUseError, NotEnoughDataError
from classicvision.extraction import Failure
from classicvision.files import PathLike
from classicvision.folders import each_path, images_in
from classicvision.images import LIBRARIES
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.index.lock import LOCK_NAME, only_writer
from classicvision.index.settings import IndexSettings
from classicvision.progress import Progress
from classicvision.workflows.index import build_index, update_index

__all__ = ["Library", "open_library"]

PATIENCE = 60.0
"""Seconds to wait for another search that brings the index of the same pictures up to date, before making one for this
search alone."""

UNUSED = 30 * 86_400.0
"""Seconds after which an index that no search has asked for makes room for a new one."""


@dataclass(frozen=True, eq=False)
class Library:
    """An index, the files in it under the names that the user knows, and the files that could not be read."""

    index: Index
    names: Mapping[Path, Path]
    failures: tuple[Failure, ...] = ()

    def named(self, finding: Finding) -> Finding:
        """Return a finding with the user's name for its image of the library."""
        return replace(finding, path_b=self.name(finding.path_b))

    def name(self, path: Path) -> Path:
        """Return the user's name for an absolute path."""
        return self.names.get(path, path)


@contextmanager
def open_library(
    where: PathLike | Sequence[PathLike], *, keep: bool, cache: FeatureCache, n_jobs: int, progress: Progress | None
) -> Iterator[Library]:
    """Open an index, or make one of some pictures: for good, beside the features in the cache, or for this once."""
    if isinstance(where, str | os.PathLike) and Index.is_index(where):
        yield Library(Index.open(where), {})
        return
    files = images_in(where)
    run: dict[str, Any] = {"cache": cache, "n_jobs": n_jobs, "progress": progress}
    with tempfile.TemporaryDirectory(prefix="classicvision-") as passing:
        try:
            index, failures = _made(cache.folder if keep else Path(passing), where, run)
        except IndexInUseError:  # another search is at it for long: neither may take the other's away
            index, failures = _made(Path(passing), where, run)
        yield Library(index, {absolute(file): file for file in files}, failures)


def _made(parent: Path, where: PathLike | Sequence[PathLike], run: dict[str, Any]) -> tuple[Index, tuple[Failure, ...]]:
    """Make an index below a folder, or bring the one there up to date, while no other search does."""
    home = parent / "indexes" / _name_of(where)
    home.mkdir(parents=True, exist_ok=True)
    with only_writer(home, PATIENCE):
        folder = home / "library.cvindex"
        if not folder.exists():
            _remove_unused(home.parent)
        failures = _bring_up_to_date(folder, where, run)
        return Index.open(folder), failures


def _remove_unused(indexes: Path) -> None:
    """Remove the indexes that no search has asked for in a long time; their homes stay, with the locks."""
    now = time.time()
    for lock in indexes.glob(f"*/{LOCK_NAME}"):
        with suppress(OSError, IndexInUseError):
            if now - lock.stat().st_mtime > UNUSED:  # taking the lock writes to it
                with only_writer(lock.parent):
                    shutil.rmtree(lock.parent / "library.cvindex")


def _bring_up_to_date(folder: Path, where: PathLike | Sequence[PathLike], run: dict[str, Any]) -> tuple[Failure, ...]:
    if Index.is_index(folder):
        with suppress(ArchiveError, NotEnoughDataError):  # one of ours that is damaged, or of a folder emptied since
            return update_index(folder, where, **run).failures
    if folder.exists():
        shutil.rmtree(folder)
    return build_index(where, folder, **run).failures


def _name_of(where: PathLike | Sequence[PathLike]) -> str:
    """Return a name that changes with the pictures' place and with all that decides what an index holds."""
    places = sorted(os.fsencode(absolute(path)) for path in each_path(where))
    facts = f"{config.fingerprint(IndexSettings())} {LIBRARIES}".encode()
    digest = hashlib.sha256(b"\0".join([facts, *places])).hexdigest()
    return digest[:32]
