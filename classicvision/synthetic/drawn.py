"""Drawn images: to check what an extractor finds, and whether that has changed.

Shapes are drawn by arithmetic on pixel centres, without OpenCV's drawing and warping functions, which differ between
versions. All randomness comes from the generator passed in.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image

__all__ = ["blobs", "canary", "textures"]

CANARY_SIDE: Final = 160
MOTIF_SIDE: Final = 24


def blobs(
    xy: NDArray[np.float64],
    sigma: NDArray[np.float64],
    contrast: NDArray[np.float64],
    *,
    image_size: tuple[int, int],
    background: float = 0.5,
) -> Image:
    """Draw Gaussian blobs on a uniform background.

    The Laplacian of Gaussian responds most strongly to such a blob at its centre and at its sigma
    (Lindeberg 1998, section 5.1), so the keypoints of the image are known.

    Parameters
    ----------
    xy : (N, 2) array
        Centres in pixels: x right, y down, integers at pixel centres.
    sigma : (N,) array
        Widths in pixels.
    contrast : (N,) array
        Peak above the background, relative to white; negative for dark blobs. Overlapping blobs are added.
    image_size : (height, width)
    background : float
        Level of the background, relative to white.

    Returns
    -------
    (height, width, 3) uint8
        Grey, in three channels.
    """
    height, width = image_size
    x, y = np.arange(width), np.arange(height)
    level = np.full((height, width), background)
    for (centre_x, centre_y), width_of_blob, peak in zip(xy, sigma, contrast, strict=True):
        across = np.exp(-((x - centre_x) ** 2) / (2 * width_of_blob**2))
        down = np.exp(-((y - centre_y) ** 2) / (2 * width_of_blob**2))
        level += peak * np.outer(down, across)
    return _to_image(level * 255)


def canary() -> Image:
    """Return a fixed image on which SIFT finds keypoints of many sizes.

    The features of this image are stored with a model and compared when the model is loaded, so it must be identical
    everywhere: it is drawn in integer arithmetic, as discs and boxes whose positions come from the congruential
    generator of Park and Miller (1988).

    Returns
    -------
    (160, 160, 3) uint8
    """
    y, x = np.indices((CANARY_SIDE, CANARY_SIDE))
    image = np.full((CANARY_SIDE, CANARY_SIDE, 3), 128, np.uint8)
    state = 1
    for step in range(72):
        draws = []
        for _ in range(6):
            state = state * 48271 % 0x7FFFFFFF
            draws.append(state >> 8)
        centre_x, centre_y = draws[0] % CANARY_SIDE, draws[1] % CANARY_SIDE
        # Large shapes first, so that small ones are not painted over.
        radius = 3 + (72 - step) // 5
        dx, dy = np.abs(x - centre_x), np.abs(y - centre_y)
        inside = dx * dx + dy * dy <= radius * radius if step % 2 else np.maximum(dx, 2 * dy) <= radius
        image[inside] = [draw % 256 for draw in draws[3:]]
    return image


def textures(
    n_classes: int, n_images: int, *, size: int = 96, rng: np.random.Generator
) -> tuple[list[Image], list[str]]:
    """Draw textures that any working classifier can distinguish.

    Each class repeats a motif, an arrangement of a few bright and dark blobs, which depends only on the number of the
    class. Positions, brightness and noise vary from image to image.

    Parameters
    ----------
    n_classes : int
    n_images : int
        Per class.
    size : int
        Side of the square images, in pixels.
    rng : numpy.random.Generator

    Returns
    -------
    images : list of (size, size, 3) uint8
        Class by class.
    labels : list of str
        ``texture-0``, ``texture-1``, ...
    """
    images = [_texture(number, size, rng) for number in range(n_classes) for _ in range(n_images)]
    return images, [f"texture-{number}" for number in range(n_classes) for _ in range(n_images)]


def _texture(number: int, size: int, rng: np.random.Generator) -> Image:
    """Repeat motif `number` on a jittered grid."""
    offset, sigma, contrast = _motif(np.random.default_rng(number))
    columns, rows = np.meshgrid(np.arange(0, size, MOTIF_SIDE), np.arange(0, size, MOTIF_SIDE))
    corners = np.stack([columns.ravel(), rows.ravel()], axis=1) + rng.uniform(-3, 3, (columns.size, 2))
    xy = (corners[:, np.newaxis] + offset).reshape(-1, 2)
    light = rng.uniform(0.7, 1.0)
    clean = blobs(
        xy,
        np.tile(sigma, len(corners)),
        np.tile(contrast * light, len(corners)),
        image_size=(size, size),
        background=0.5 * light,
    )
    return _to_image(clean[:, :, 0] + rng.normal(0, 2, (size, size)))


def _motif(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the offsets in pixels (M, 2), sigmas (M,) and contrasts (M,) of the blobs of one motif."""
    n_blobs = 5
    offset = rng.uniform(0, MOTIF_SIDE, (n_blobs, 2))
    return offset, rng.uniform(1.2, 3.0, n_blobs), rng.choice([-0.4, 0.4], n_blobs)


def _to_image(level: NDArray[np.float64]) -> Image:
    grey = np.clip(level + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
