"""A lock on an open file; the system releases it when the process ends, even if it is killed."""

from __future__ import annotations

import os
import sys

__all__ = ["try_lock"]

_OFFSET = 2**30  # of the byte that Windows locks: far past the text, so that other processes can read it


def try_lock(descriptor: int) -> bool:
    """Try to lock an open file without waiting; return False if it is locked already, by this process or another.

    Closing the file releases the lock.
    """
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
