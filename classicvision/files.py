"""Paths, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

__all__ = ["PathLike", "write_whole"]

PathLike: TypeAlias = str | os.PathLike[str]


def write_whole(
    path: Path, pieces: Iterable[bytes | memoryview], *, unfinished_in: Path | None = None, sync: bool = False
) -> None:
    """Write a file under a temporary name and rename it at the end, so an earlier file of that name survives a failure.

    Parameters
    ----------
    path : Path
        Of a link, the file that it points to is written.
    pieces : iterable of bytes
        The content, in order.
    unfinished_in : Path, optional
        The folder of the temporary file, on the same file system; by default that of the file itself.
    sync : bool
        Wait until the disk has the content before renaming, and the new name after it, so that a power cut loses
        neither file, and what was written when this returns stays written.

    Raises
    ------
    OSError
        If it cannot be written; then nothing changed. A process that is killed outright can leave the temporary file.
    """
    target = path.resolve() if path.is_symlink() else path
    unfinished = (unfinished_in or target.parent) / f".classicvision-{secrets.token_hex(8)}.tmp"
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
        if isinstance(error, OSError) and error.filename == str(unfinished):  # not the name that the caller knows
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where the system lets a program ask for that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems know no such thing
        return
    finally:
        os.close(descriptor)
