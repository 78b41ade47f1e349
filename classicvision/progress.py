"""Progress of a command: its current stage, and how many of the stage's steps are done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

__all__ = ["EXTRACTING", "Progress", "StageProgress", "stage"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of steps done, and the total number of steps."""

StageProgress: TypeAlias = Callable[[int, int], None]
"""Progress within one stage: called with the number of steps done and the total."""

EXTRACTING: Final = "images"
"""The stage that extracts features, one step per image."""


def stage(progress: Progress | None, name: str) -> StageProgress | None:
    """Return a callback for the progress of one stage; None if progress is None."""
    return partial(progress, name) if progress else None
