"""One writer at a time: a lock on a file, which the system takes back when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classicvision.errors import IndexInUseError

__all__ = ["LOCK_NAME", "only_writer"]

LOCK_NAME = "writer.lock"
_OFFSET = 2**30  # of the byte that Windows locks: far behind the text, which others may then read


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of an index, or say who has it.

    The file stays, with the number of the last process that wrote; it means nothing unless the system has it locked. So
    a process that was killed leaves no lock behind.

    Raises
    ------
    IndexInUseError
        If another process writes to the index, or it cannot be written to.
    """
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise IndexInUseError(f"{folder} cannot be written to ({error.strerror}); check its permissions") from error
    try:
        if not _lock(descriptor):
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise IndexInUseError(
                f"{folder} is being written to by process {holder or 'unknown'}; wait until it is done, or stop it"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)  # gives the lock back


def _lock(descriptor: int) -> bool:
    """Lock an open file without waiting; False if another process or another place in this one has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _OFFSET, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
