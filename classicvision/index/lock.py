"""One writer at a time: a lock on a file, which the system releases when its process ends, however it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classicvision.errors import IndexInUseError
from classicvision.locks import try_lock

__all__ = ["LOCK_NAME", "only_writer"]

LOCK_NAME = "writer.lock"
_PAUSE = 0.1  # seconds between two tries


@contextmanager
def only_writer(folder: Path, patience: float = 0) -> Iterator[None]:
    """Hold the lock of an index.

    The file stays, with the ID of the last process that wrote; it means nothing unless the system has it locked. So a
    process that was killed leaves no lock behind.

    Parameters
    ----------
    folder : Path
    patience : float
        Seconds to wait for another process.

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
        deadline = time.monotonic() + patience
        while not try_lock(descriptor):
            if time.monotonic() < deadline:
                time.sleep(_PAUSE)
                continue
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise IndexInUseError(
                f"{folder} is being written to by process {holder or 'unknown'}; wait until it is done, or stop it"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        yield
    finally:
        os.close(descriptor)  # releases the lock
