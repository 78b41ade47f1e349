"""Images embedded in a page as data URIs: thumbnails, contact sheets, heat maps over images."""

from __future__ import annotations

import base64
import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from classicvision.errors import ImageReadError
from classicvision.images import Image, read_image, shrink

__all__ = ["as_data_uri", "heat_over", "thumbnail", "tile"]

GAP = 2  # pixels between two tiles
STRENGTH = 0.8  # opacity of a map where it is largest
RISING, FALLING = (178, 24, 43), (33, 102, 172)  # red above 0, blue below; distinct for the colour-blind too

QUALITY = 80  # of JPEG; a thumbnail of 200 pixels then takes about 8 kB


def thumbnail(path: str | os.PathLike[str], max_side: int = 200) -> str | None:
    """Return a small copy of an image file as the data URI of a JPEG, or None if it can no longer be read.

    Parameters
    ----------
    path : path
    max_side : int
        Longest side, in pixels.
    """
    try:
        image = shrink(read_image(path), max_side)
    except ImageReadError:
        return None
    return as_data_uri(image)


def as_data_uri(image: Image, *, lossless: bool = False) -> str:
    """Return an image (H, W, 3) uint8 as the data URI of a JPEG, or of a PNG if lossless."""
    buffer = io.BytesIO()
    kind = "PNG" if lossless else "JPEG"
    PillowImage.fromarray(image).save(buffer, kind, quality=QUALITY, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def tile(tiles: NDArray[np.uint8], n_columns: int, side: int) -> Image:
    """Arrange small images in a grid, with pixels magnified to squares.

    Parameters
    ----------
    tiles : (n, h, w, 3) uint8
        At least one.
    n_columns : int
    side : int
        Target width in pixels; tiles are magnified by the nearest whole factor, and larger ones are shrunk.

    Returns
    -------
    (H, W, 3) uint8
        White between the tiles.
    """
    n, h, w = tiles.shape[:3]
    factor = max(1, round(side / w))
    large = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    if w > side:
        large = np.stack([shrink(one, side) for one in large])
    h, w = large.shape[1:3]
    n_columns = min(n_columns, n)
    n_rows = -(-n // n_columns)
    sheet = np.full((n_rows * (h + GAP) - GAP, n_columns * (w + GAP) - GAP, 3), 255, np.uint8)
    for number, one in enumerate(large):
        y, x = (h + GAP) * (number // n_columns), (w + GAP) * (number % n_columns)
        sheet[y : y + h, x : x + w] = one
    return sheet


def heat_over(image: Image, heat: NDArray[Any]) -> Image:
    """Overlay a map on a grey image: red where it is positive, blue where negative, stronger for larger values.

    Parameters
    ----------
    image : (H, W, 3) uint8
    heat : (h, w) float
        The map of the same view, interpolated bilinearly.

    Returns
    -------
    (H, W, 3) uint8
    """
    height, width = image.shape[:2]
    small = PillowImage.fromarray(np.asarray(heat, np.float32))
    level = np.asarray(small.resize((width, height), PillowImage.Resampling.BILINEAR), np.float64)
    level = level / max(float(np.abs(heat).max()), 1e-12)
    strength = STRENGTH * np.clip(np.abs(level), 0, 1)[..., np.newaxis]
    grey = np.asarray(PillowImage.fromarray(image).convert("L"), np.float64)[..., np.newaxis]
    colour = np.where(level[..., np.newaxis] > 0, np.array(RISING), np.array(FALLING))
    return np.rint(grey * (1 - strength) + colour * strength).astype(np.uint8)
