"""The feature cache: what was extracted from an image, kept under a key that names content and extractor.

One file an entry, in 256 shards named by the first two digits of the key. A file is written under a temporary name and
then renamed, which happens wholly or not at all, so there is no lock: several processes may share a cache, and one that
is killed leaves at most a stray temporary file. Every file carries a checksum; a damaged one counts as absent. That is
also the answer to a power cut, which can leave a file without its content since nothing waits for the disk.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from classicvision.archive import pack_arrays, unpack_arrays
from classicvision.errors import ArchiveError, CacheError
from classicvision.files import write_whole

__all__ = ["FeatureCache", "default_cache_folder"]

SUFFIX = ".block"  # of an entry: one block of `archive.pack_arrays`
STALE_SECONDS = 3600.0  # age from which a temporary file has lost its writer; a write takes milliseconds

_KEY = re.compile(r"[0-9a-f]{64}")
# Temporary files have a folder of their own beside the shards: same file system, hence the rename is still atomic, and
# sweeping need not list a million entries.
_UNFINISHED = "unfinished"


@dataclass(frozen=True)
class FeatureCache:
    """Named arrays in a folder, by keys of 64 hexadecimal digits.

    Making one creates the folder and removes temporary files that a killed process left there an hour ago or earlier.
    Copying one to another process sends the name of the folder only.

    Attributes
    ----------
    folder : Path
        Entries are ``<first 2 digits>/<other 62 digits>.block``.

    Raises
    ------
    CacheError
        If the folder cannot be made.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable("make", self.folder, error) from error
        _sweep(self._unfinished)

    @classmethod
    def temporary(cls) -> Self:
        """Return a cache that is removed with this object, or at the latest when the interpreter exits."""
        cache = cls(Path(tempfile.mkdtemp(prefix="classicvision-")))
        weakref.finalize(cache, shutil.rmtree, cache.folder, ignore_errors=True)
        return cache

    def __contains__(self, key: str) -> bool:
        """Tell whether there is a file for the key; whether it is intact shows in `get`."""
        return self._path(key).is_file()

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Return the read-only arrays of an entry, or None where there is none.

        A damaged entry counts as absent and is removed.

        Raises
        ------
        CacheError
            If the file is there and may not be read.
        """
        path = self._path(key)
        try:
            return unpack_arrays(path.read_bytes())
        except FileNotFoundError:
            return None
        except ArchiveError:
            with suppress(OSError):  # a cache that may only be read still counts the entry as absent
                path.unlink()
            return None
        except OSError as error:
            raise _unusable("read", self.folder, error) from error

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a key, in place of what was there.

        Raises
        ------
        CacheError
            If they cannot be written; then nothing changed.
        """
        path = self._path(key)
        data = pack_arrays(arrays)
        try:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, [data], unfinished_in=self._unfinished)
        except OSError as error:
            raise _unusable("write to", self.folder, error) from error

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their bytes. Looks at every file."""
        sizes = [path.stat().st_size for path in self.folder.glob(f"??/*{SUFFIX}")]
        return len(sizes), sum(sizes)

    @property
    def _unfinished(self) -> Path:
        return self.folder / _UNFINISHED

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key; 64 hexadecimal digits in lower case were expected")
        return self.folder.joinpath(key[:2], f"{key[2:]}{SUFFIX}")


def default_cache_folder() -> Path:
    """Return where the cache of this user is kept when nothing else is said.

    The environment variable ``CLASSICVISION_CACHE`` names it; otherwise it is ``classicvision`` in the folder that the
    platform has for caches.
    """
    if chosen := os.environ.get("CLASSICVISION_CACHE"):
        return Path(chosen).expanduser()
    return _platform_cache() / "classicvision"


def _platform_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG base directory specification has a relative path ignored.
    return folder if folder.is_absolute() else Path.home() / ".cache"


def _sweep(folder: Path) -> None:
    """Remove temporary files whose writer is gone; a young one may belong to a process that is writing now."""
    oldest = time.time() - STALE_SECONDS
    for path in folder.glob("*.tmp"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:  # another process swept it first, or it belongs to another user
            continue


def _unusable(action: str, folder: Path, error: OSError) -> CacheError:
    return CacheError(
        f"cannot {action} the cache folder {folder}: {error.strerror or error}. "
        "Choose another folder with --cache DIR, or pass --no-cache."
    )
