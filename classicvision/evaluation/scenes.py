"""Scenes with known homographies, in the folder layouts of Oxford and of HPatches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.folders import EXTENSIONS

__all__ = ["Scene", "find_scenes"]

# H1to3p with img1.png and img3.png (Mikolajczyk et al. 2005); H_1_3 with 1.ppm and 3.ppm (Balntas et al. 2017).
_LAYOUTS: Final = ((re.compile(r"H1to(\d+)p"), "img{}"), (re.compile(r"H_1_(\d+)"), "{}"))


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene: a first image, and others with the homographies onto them.

    Attributes
    ----------
    name : str
    first : Path
    others : tuple of (Path, (3, 3) float64)
        Each image, and the homography that maps points of the first image onto it.
    """

    name: str
    first: Path
    others: tuple[tuple[Path, NDArray[np.float64]], ...]


def find_scenes(folder: Path) -> list[Scene]:
    """Return the scene in a folder, and those in its sub-folders.

    Raises
    ------
    NotEnoughDataError
        If there is no scene, or an image of a scene is missing.
    SettingsError
        If a file does not contain a homography.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise NotEnoughDataError(f"{folder} {found}; expected a folder of scenes")
    places = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
    scenes = [scene for place in places if (scene := _read_scene(place)) is not None]
    if not scenes:
        raise NotEnoughDataError(
            f"no scene in {folder} or its sub-folders; a scene has img1.png, img2.png ... with H1to2p ..., "
            "or 1.ppm, 2.ppm ... with H_1_2 ..."
        )
    return scenes


def _read_scene(place: Path) -> Scene | None:
    """Read a scene, or return None for a folder without homographies."""
    for pattern, name in _LAYOUTS:
        numbers = sorted(int(match[1]) for entry in place.iterdir() if (match := pattern.fullmatch(entry.name)))
        if numbers:
            files = {int(m[1]): entry for entry in place.iterdir() if (m := pattern.fullmatch(entry.name))}
            others = tuple((_image(place, name.format(n)), _read_homography(files[n])) for n in numbers)
            return Scene(place.resolve().name, _image(place, name.format(1)), others)
    return None


def _image(place: Path, stem: str) -> Path:
    found = sorted(path for path in place.glob(f"{stem}.*") if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise NotEnoughDataError(f"{place} has a homography for {stem}, but no image of that name; add {stem}.png")
    return found[0]


def _read_homography(path: Path) -> NDArray[np.float64]:
    try:
        numbers = np.array(path.read_text("utf-8").split(), np.float64)
    except ValueError:  # other text, or binary data
        numbers = np.zeros(0)
    if numbers.size != 9 or not np.isfinite(numbers).all() or np.linalg.det(numbers.reshape(3, 3)) == 0:
        raise SettingsError(
            f"{path} does not contain a homography; expected nine numbers in three rows, and an inverse"
        )
    return numbers.reshape(3, 3)
