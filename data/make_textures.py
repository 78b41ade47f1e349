"""Generate data/textures and data/held-out from the photographs in the scikit-image wheel.

    python data/make_textures.py [FOLDER]

Each photograph is cut into 5 x 5 disjoint cells, and each cell gives one image: a part of it under a random perspective
and light, with noise, as JPEG. So no pixel of a photograph is in two images, and the held-out images cannot be
recognised by memorising the others. The images are grey, because colour would give the classes away. The result is
deterministic, except that the last bytes depend on the JPEG library.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image as PillowImage

PHOTOGRAPHS = {
    "brick": "brick.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "stars": "hubble_deep_field.jpg",
    "tissue": "ihc.png",
}
SEED = 20
SIDE = 128  # pixels
GRID = 5
N_HELD_OUT = 5  # of the GRID * GRID images of a class


def main(folder: Path) -> None:
    """Write both sets below `folder`, replacing existing ones."""
    photographs = Path(skimage.__file__).parent / "data"
    for name in ("textures", "held-out"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for number, (label, file_name) in enumerate(PHOTOGRAPHS.items()):
        rng = np.random.default_rng([SEED, number])
        with PillowImage.open(photographs / file_name) as image:
            cells = cut(np.asarray(image.convert("L")))
        images = [PillowImage.fromarray(photograph_again(cells[row], rng)) for row in rng.permutation(len(cells))]
        save(images[N_HELD_OUT:], folder / "textures" / label, rng)
        save(images[:N_HELD_OUT], folder / "held-out" / label, rng)


def cut(photograph: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the GRID x GRID cells of a photograph, (H, W)."""
    return [cell for row in np.array_split(photograph, GRID) for cell in np.array_split(row, GRID, axis=1)]


def photograph_again(cell: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return (SIDE, SIDE) of a cell under another perspective, light and noise."""
    height, width = cell.shape
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    inwards = np.where(corners == 0, 1, -1)
    # Each corner of the view is inside the cell, at most a fifth of its side from the corresponding corner.
    seen = (corners + inwards * rng.uniform(0, 0.2, (4, 2))) * [width - 1, height - 1]
    seen = np.roll(seen, rng.integers(4), axis=0)  # rotations by 90 degrees
    view_from_cell = cv2.getPerspectiveTransform(seen.astype(np.float32), (corners * (SIDE - 1)).astype(np.float32))
    view = cv2.warpPerspective(cell, view_from_cell, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    contrast, brightness = rng.uniform(0.7, 1.2), rng.uniform(-20, 20)
    level = (view - 128.0) * contrast + 128 + brightness + rng.normal(0, rng.uniform(1, 5), view.shape)
    return np.clip(level + 0.5, 0, 255).astype(np.uint8)


def save(images: list[PillowImage.Image], folder: Path, rng: np.random.Generator) -> None:
    """Write images as 00.jpg, 01.jpg, ... at various qualities."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        image.save(folder / f"{number:02d}.jpg", quality=int(rng.integers(75, 96)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
