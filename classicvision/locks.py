"""A lock on an open file, which the system takes back when its process ends, however it ends."""

from __future__ import annotations

import os
import sys

__all__ = ["try_lock"]

_OFFSET = 2**30  # of the byte that Windows locks: far behind the text, which others may then read


def try_lock(descriptor: int) -> bool:
    """Lock an open file without waiting; False if another process or another place in this one has it.

    Closing the file gives the lock back.
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
