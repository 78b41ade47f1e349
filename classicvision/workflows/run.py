"""What every verb takes: paths, and someone to tell how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from classicvision.errors import NotEnoughDataError
from classicvision.folders import EXTENSIONS, find_images

__all__ = ["EXTRACTING", "PathLike", "Progress", "each_path", "images_in", "listed", "require_images", "stage"]

PathLike: TypeAlias = str | os.PathLike[str]
Progress: TypeAlias = Callable[[str, int, int], None]

EXTRACTING = "images"


def stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    """Return what is told the steps done and their total in one stage."""
    return partial(progress, name) if progress else None


def listed(paths: PathLike | Sequence[PathLike]) -> str:
    """Return paths for a message."""
    return ", ".join(map(str, each_path(paths))) or "nothing"


def each_path(paths: PathLike | Sequence[PathLike]) -> Sequence[PathLike]:
    """Return one path, or several, as several."""
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def images_in(paths: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the image files among files and folders; it is an error if there is none."""
    return require_images(find_images(paths), paths)


def require_images(files: list[Path], where: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the image files that were found somewhere; it is an error if there is none."""
    if not files:
        raise NotEnoughDataError(
            f"no image files in {listed(where)}; in folders they are found by their endings, "
            f"{' '.join(sorted(EXTENSIONS))}"
        )
    return files
