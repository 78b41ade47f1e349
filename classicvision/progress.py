"""Progress of a command: which stage it is in, and how many steps of it are done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

__all__ = ["EXTRACTING", "Progress", "StageProgress", "stage"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a stage, the number of its steps that are done, and their total."""

StageProgress: TypeAlias = Callable[[int, int], None]
"""The same within one stage: called with the number of steps done and their total."""

EXTRACTING: Final = "images"
"""The stage in which features are extracted, a step for each image."""


def stage(progress: Progress | None, name: str) -> StageProgress | None:
    """Return what reports the progress of one stage; None if nothing is to be reported."""
    return partial(progress, name) if progress else None
