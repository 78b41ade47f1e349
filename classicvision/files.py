"""The path type, and atomic writes."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

__all__ = ["PathLike", "write_atomically"]

PathLike: TypeAlias = str | os.PathLike[str]


def write_atomically(
    path: Path, pieces: Iterable[bytes | memoryview], *, temporary_folder: Path | None = None, sync: bool = False
) -> None:
    """Write a file atomically: under a temporary name that is renamed at the end, so a failure keeps the previous file.

    Parameters
    ----------
    path : Path
        If it is a link, the target of the link is written.
    pieces : iterable of bytes
        The content, in order.
    temporary_folder : Path, optional
        Folder of the temporary file, on the same file system; by default the folder of `path`.
    sync : bool
        Flush the content to disk before the rename, and the folder after it. The file then survives a power cut once
        this function has returned, and until then the previous file does. Slower: each flush takes milliseconds.

    Raises
    ------
    OSError
        If the file cannot be written; the previous file is unchanged. Only a killed process leaves its temporary file.
    """
    target = path.resolve() if path.is_symlink() else path
    unfinished = (temporary_folder or target.parent) / f".classicvision-{secrets.token_hex(8)}.tmp"
    try:
        with unfinished.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(target)
        if sync:
            _sync_folder(target.parent)
    except BaseException as error:  # Ctrl-C too
        with contextlib.suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError) and error.filename == str(unfinished):  # name the file that the caller passed
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system supports it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # unsupported by some network file systems
        return
    finally:
        os.close(descriptor)
