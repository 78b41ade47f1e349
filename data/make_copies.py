"""Generate data/copies from the photographs in the scikit-image wheel: a small library, and queries.

    python data/make_copies.py [FOLDER]

`library` has six photographs. `queries` has edited copies of five of them, each named after its original and the edit,
and an unrelated photograph. Deterministic, except that the last bytes depend on the JPEG library.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image as PillowImage

from classicvision.synthetic import plagiarise

LIBRARY = {
    "astronaut": "astronaut.png",
    "bricks": "brick.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "stars": "hubble_deep_field.jpg",
}
EDITED = {  # original: edit
    "astronaut": "crop-30",
    "cat": "strong-disguised",
    "coffee": "screenshot",
    "rocket": "text",
    "stars": "collage",
}
STRANGER = "gravel.png"
SEED = 21
LONGER_SIDE = 320  # pixels


def main(folder: Path) -> None:
    """Write both folders below `folder`/copies, replacing existing ones."""
    shutil.rmtree(folder / "copies", ignore_errors=True)
    photographs = {name: read(file_name) for name, file_name in LIBRARY.items()}
    for name, photograph in photographs.items():
        save(photograph, folder / "copies" / "library" / f"{name}.jpg")
    for number, (name, edit) in enumerate(EDITED.items()):
        copy, _ = plagiarise(photographs[name], edit, np.random.default_rng([SEED, number]))
        save(copy, folder / "copies" / "queries" / f"{name}-{edit}.jpg")
    save(read(STRANGER), folder / "copies" / "queries" / "stranger.jpg")


def read(file_name: str) -> NDArray[np.uint8]:
    """Return a photograph of the wheel, downsampled."""
    with PillowImage.open(Path(skimage.__file__).parent / "data" / file_name) as image:
        small = image.convert("RGB")
        small.thumbnail((LONGER_SIDE, LONGER_SIDE), PillowImage.Resampling.LANCZOS)
        return np.asarray(small)


def save(image: NDArray[np.uint8], path: Path) -> None:
    """Write one JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(path, quality=85)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
