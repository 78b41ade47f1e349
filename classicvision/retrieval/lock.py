"""One writer at a time: a lock on a file, which the system takes back when its process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classicvision.errors import IndexInUseError
from classicvision.locks import try_lock

__all__ = ["LOCK_NAME", "only_writer"]

LOCK_NAME = "writer.lock"


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
        if not try_lock(descriptor):
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise IndexInUseError(
                f"{folder} is being written to by process {holder or 'unknown'}; wait until it is done, or stop it"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)  # gives the lock back
