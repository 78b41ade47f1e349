"""Augmentation of training images: mirrored, cropped, rescaled, recoloured or partly covered variants.

Each is a function of an image and a generator; the same generator state gives the same variant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import numpy as np

from classicvision.images import Image
from classicvision.synthetic import warps

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "cover",
    "jitter_colors",
    "mirror",
    "random_crop",
    "random_scale",
    "ten_crops",
]

Augmentation: TypeAlias = Literal["mirror", "crop", "scale", "color", "cutout"]

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601 weights of red, green and blue
_BAND_ROWS = 64  # rows per block of float64
_CROP_SIDE = 0.875  # of the ten crops: 224 of 256 pixels (Krizhevsky et al. 2012)


def mirror(image: Image, rng: np.random.Generator | None = None) -> Image:
    """Mirror left to right; `rng` is not used."""
    return np.ascontiguousarray(image[:, ::-1])


def random_crop(image: Image, rng: np.random.Generator) -> Image:
    """Keep a random rectangle of 60 to 100 % of the area."""
    return warps.crop(image, rng, share=float(rng.uniform(0.6, 0.999)))[0]


def random_scale(image: Image, rng: np.random.Generator) -> Image:
    """Resize by a random factor from 0.7 to 1.4, log-uniformly distributed."""
    return warps.rescale(image, rng, factor=float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))))[0]


def jitter_colors(image: Image, rng: np.random.Generator) -> Image:
    """Change brightness, contrast and saturation, each by a random factor from 0.7 to 1.3 (Howard 2013)."""
    brightness, contrast, saturation = rng.uniform(0.7, 1.3, 3)
    mean = brightness * (image.mean(axis=(0, 1)) @ _LUMA)
    jittered = np.empty(image.shape, np.uint8)
    for start in range(0, len(image), _BAND_ROWS):  # three copies in float64 take 24 times the memory
        here = slice(start, start + _BAND_ROWS)
        level = image[here] * brightness
        gray = (level @ _LUMA)[..., np.newaxis]
        jittered[here] = np.clip(np.rint(mean + contrast * (gray + saturation * (level - gray) - mean)), 0, 255)
    return jittered


def cover(image: Image, rng: np.random.Generator) -> Image:
    """Cover a random rectangle of 5 to 20 % of the area with the mean colour (cutout, DeVries and Taylor 2017)."""
    height, width = image.shape[:2]
    side = np.sqrt(rng.uniform(0.05, 0.2))
    covered_height, covered_width = max(1, round(side * height)), max(1, round(side * width))
    top, left = rng.integers(height - covered_height + 1), rng.integers(width - covered_width + 1)
    copy = image.copy()
    copy[top : top + covered_height, left : left + covered_width] = np.rint(image.mean(axis=(0, 1)))
    return copy


def ten_crops(image: Image) -> tuple[Image, ...]:
    """Return crops of 7/8 of each side at the centre and the corners, and their mirrors (Krizhevsky et al. 2012)."""
    height, width = image.shape[:2]
    inner_height, inner_width = (max(1, round(_CROP_SIDE * side)) for side in (height, width))
    down, right = height - inner_height, width - inner_width
    corners = [(down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)]
    crops = [image[top : top + inner_height, left : left + inner_width].copy() for top, left in corners]
    return (*crops, *map(mirror, crops))


AUGMENTATIONS: Final[dict[str, Callable[[Image, np.random.Generator], Image]]] = {
    "mirror": mirror,
    "crop": random_crop,
    "scale": random_scale,
    "color": jitter_colors,
    "cutout": cover,
}
