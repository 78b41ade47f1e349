"""What every verb takes: paths, and someone to tell how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

__all__ = ["EXTRACTING", "PathLike", "Progress", "listed", "stage"]

PathLike: TypeAlias = str | os.PathLike[str]
Progress: TypeAlias = Callable[[str, int, int], None]

EXTRACTING = "images"


def stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    """Return what is told the steps done and their total in one stage."""
    return partial(progress, name) if progress else None


def listed(paths: PathLike | Sequence[PathLike]) -> str:
    """Return paths for a message."""
    return os.fspath(paths) if isinstance(paths, str | os.PathLike) else ", ".join(map(str, paths)) or "nothing"
