"""The feature cache: features on disk, under keys computed from image content and extractor.

One file per entry, in 256 folders named by the first two digits of the key. Files are written under a temporary name
and renamed, which is atomic, so no lock is needed: several processes can share a cache, and a killed process leaves at
most a temporary file. Every file has a checksum, and a damaged entry counts as missing. That covers power cuts too:
writes are not flushed to disk, so a power cut can leave a file without content.
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
from classicvision.files import write_atomically

__all__ = ["FeatureCache", "default_cache_folder"]

SUFFIX = ".block"  # an entry is one block of `archive.pack_arrays`
STALE_SECONDS = 3600.0  # age at which a temporary file is taken to be abandoned; a write takes milliseconds

_KEY = re.compile(r"[0-9a-f]{64}")
# Temporary files have a separate folder: on the same file system, so that renaming is atomic, and apart from the
# entries, so that sweeping does not list a million of them.
_UNFINISHED = "unfinished"


@dataclass(frozen=True)
class FeatureCache:
    """A cache of extracted features in a folder, shared by processes and runs.

    Pass one to `extract` or to a command: images whose features are in the cache are not extracted again, and an
    interrupted run resumes where it stopped. Keys are computed from the content of the image file, the settings of the
    extractor and the versions of the libraries, so entries never go stale; delete the folder to free its disk space.

    The constructor creates the folder, and removes temporary files that are older than an hour. A cache is picklable:
    only the name of the folder is sent to another process.

    Parameters
    ----------
    folder : Path
        Where the entries are, one file each: ``<first 2 digits of the key>/<other 62 digits>.block``. Created if
        missing.

    Raises
    ------
    CacheError
        If the folder cannot be created.

    Examples
    --------
    >>> from classicvision import FeatureCache, Sift, extract, find_images
    >>> cache = FeatureCache("features")
    >>> images = find_images("data/textures/brick")
    >>> extract(images, Sift(max_features=50), cache=cache).n_cached
    0
    >>> extract(images, Sift(max_features=50), cache=cache).n_cached
    20
    >>> n_entries, n_bytes = cache.size()
    >>> n_entries
    20
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable("create", self.folder, error) from error
        _sweep(self._unfinished)

    @classmethod
    def temporary(cls) -> Self:
        """Return a cache in a temporary folder that is deleted with this object, at the latest when Python exits."""
        cache = cls(Path(tempfile.mkdtemp(prefix="classicvision-")))
        weakref.finalize(cache, shutil.rmtree, cache.folder, ignore_errors=True)
        return cache

    def __contains__(self, key: str) -> bool:
        """Tell whether a key has a file, without checking that the file is intact, as `get` does."""
        return self._path(key).is_file()

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Read an entry.

        Parameters
        ----------
        key : str
            64 hexadecimal digits in lower case.

        Returns
        -------
        dict of str to array, or None
            The arrays by name, read-only. None if the cache has no such entry; a damaged entry is deleted and counts as
            missing.

        Raises
        ------
        CacheError
            If the file exists and cannot be read.
        """
        path = self._path(key)
        try:
            return unpack_arrays(path.read_bytes())
        except FileNotFoundError:
            return None
        except ArchiveError:
            with suppress(OSError):  # in a read-only cache the file stays, and still counts as missing
                path.unlink()
            return None
        except OSError as error:
            raise _unusable("read", self.folder, error) from error

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write an entry, replacing the previous one of the same key.

        Parameters
        ----------
        key : str
            64 hexadecimal digits in lower case.
        arrays : mapping of str to array
            Boolean, integer or floating point, of any shape. Names consist of lower-case letters, digits, ``_`` and
            ``/``.

        Raises
        ------
        CacheError
            If the entry cannot be written; the previous one is unchanged.
        """
        path = self._path(key)
        data = pack_arrays(arrays)
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, [data], temporary_folder=self._unfinished)
        except OSError as error:
            raise _unusable("write to", self.folder, error) from error

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their total size in bytes. Takes time in a large cache: stats every file."""
        sizes = [path.stat().st_size for path in self.folder.glob(f"??/*{SUFFIX}")]
        return len(sizes), sum(sizes)

    @property
    def _unfinished(self) -> Path:
        return self.folder / _UNFINISHED

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key; expected 64 hexadecimal digits in lower case")
        return self.folder.joinpath(key[:2], f"{key[2:]}{SUFFIX}")


def default_cache_folder() -> Path:
    """Return the default folder of the feature cache.

    Returns
    -------
    Path
        The value of the environment variable ``CLASSICVISION_CACHE`` if it is set, else ``classicvision`` in the user's
        cache folder: ``~/.cache`` (or ``XDG_CACHE_HOME``) on Linux, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%``
        on Windows. It may not exist yet.

    Examples
    --------
    >>> import os
    >>> from classicvision import FeatureCache, Sift, default_cache_folder, extract, find_images
    >>> os.environ["CLASSICVISION_CACHE"] = "cache-of-this-project"
    >>> default_cache_folder().name
    'cache-of-this-project'
    >>> images = find_images("data/textures/brick")
    >>> extract(images, Sift(max_features=50), cache=FeatureCache(default_cache_folder())).n_cached
    0
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
    # Relative paths are ignored, as the XDG base directory specification demands.
    return folder if folder.is_absolute() else Path.home() / ".cache"


def _sweep(folder: Path) -> None:
    """Remove abandoned temporary files; recent ones may belong to a process that is still writing."""
    oldest = time.time() - STALE_SECONDS
    for path in folder.glob("*.tmp"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:  # already removed by another process, or owned by another user
            continue


def _unusable(action: str, folder: Path, error: OSError) -> CacheError:
    return CacheError(
        f"cannot {action} the cache folder {folder}: {error.strerror or error}. "
        "Choose another folder with --cache DIR, or pass --no-cache."
    )
