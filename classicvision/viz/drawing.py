"""Draw keypoints onto images, and the patch that a descriptor covers."""

from __future__ import annotations

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.images import Image

__all__ = ["BLOB_RADIUS", "PATCH_SIDE", "descriptor_roses", "draw_keypoints", "unit_vectors", "upright_patch"]

BLOB_RADIUS: Final = math.sqrt(2)
"""Radius of a blob in units of the sigma at which its Laplacian is strongest (Lindeberg 1998, section 5.1)."""

PATCH_SIDE: Final = 12.0
"""Side of the square that a descriptor covers, in scales: 4 cells of 3."""


def draw_keypoints(image: Image, features: LocalFeatures) -> Image:
    """Return a copy of an image with a circle for each keypoint and a line from its centre along its angle.

    Parameters
    ----------
    image : (H, W, 3) uint8
    features : LocalFeatures
        In the frame of `image`. The radius drawn is that of the blob, sqrt(2) scales.
    """
    canvas = image.copy()
    shift = 4  # fractional bits of cv2's coordinates
    centre = features.xy.astype(np.float64)
    radius = BLOB_RADIUS * features.scale.astype(np.float64)
    tip = centre + radius[:, None] * unit_vectors(features.angle)
    whole = [np.rint(values * 2**shift).astype(int).tolist() for values in (centre, radius, tip)]
    # A dark line under a bright one is visible on any background.
    for colour, width in (((0, 0, 0), 3), ((255, 210, 31), 1)):
        for middle, length, end in zip(*whole, strict=True):
            cv2.circle(canvas, middle, length, colour, width, cv2.LINE_AA, shift)
            cv2.line(canvas, middle, end, colour, width, cv2.LINE_AA, shift)
    return canvas


def upright_patch(
    gray: NDArray[np.uint8], xy: NDArray[np.floating], scale: float, angle: float, *, side: int = 240
) -> NDArray[np.uint8]:
    """Cut out the square that the descriptor of a keypoint covers, rotated so that its angle points right.

    Parameters
    ----------
    gray : (H, W) uint8
    xy : (2,) array
        Centre, in pixels.
    scale : float
        In pixels; the square is 12 scales wide.
    angle : float
        Radians, clockwise on the screen.
    side : int
        Side of the result in pixels.

    Returns
    -------
    (side, side) uint8
        The image is reflected at its border.
    """
    step = PATCH_SIDE * scale / side
    along, across = step * unit_vectors(angle), step * unit_vectors(angle + np.pi / 2)
    axes = np.column_stack([along, across])
    corner = np.asarray(xy, np.float64) - axes @ np.full(2, (side - 1) / 2)
    image_from_patch = np.column_stack([axes, corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(gray, image_from_patch, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(patch, np.uint8)


def descriptor_roses(descriptor: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the 128 bins of a descriptor as line segments, to be drawn over `upright_patch`.

    Parameters
    ----------
    descriptor : (128,) uint8
        4 rows of 4 cells; in each, 8 directions anticlockwise from the angle of the keypoint.

    Returns
    -------
    (128, 2, 2) float64
        Start and end of each as (x, y) in cells: x right, y down, the square from 0 to 4. The longest is half a cell.
    """
    row, column, turn = np.unravel_index(np.arange(128), (4, 4, 8))
    start = np.stack([column + 0.5, row + 0.5], axis=1)
    length = descriptor / max(1, int(descriptor.max())) / 2
    return np.stack([start, start + length[:, None] * unit_vectors(-turn * np.pi / 4)], axis=1)


def unit_vectors(angle: Any) -> NDArray[np.float64]:
    """Return unit vectors (..., 2) as (x, y), y down, for angles clockwise on the screen."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float64)
