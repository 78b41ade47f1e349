"""Two pictures side by side, with the parts that they share outlined and the keypoints that show it joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.images import Image
from classicvision.matching.result import Region

__all__ = ["MOST_LINES", "draw_copy_moves", "draw_matches"]

MOST_LINES: Final = 60  # of one region; more would hide the pictures
LEAST_SIDE: Final = 480  # pictures with shorter sides than this are magnified, so that lines do not hide them

# One a region, told apart also by who sees few colours (Okabe and Ito 2008).
_COLOURS: Final = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (240, 228, 66), (213, 94, 0))
_GAP: Final = 12  # pixels between the pictures
_SHIFT: Final = 4  # binary digits after the point that cv2 is given
_OPACITY: Final = 0.6  # of lines


def draw_matches(
    image_a: Image, image_b: Image, a: LocalFeatures, b: LocalFeatures, regions: Sequence[Region]
) -> Image:
    """Draw two pictures side by side on white, a left and b right, each region in a colour of its own.

    Parameters
    ----------
    image_a, image_b : (H, W, 3) uint8
    a, b : LocalFeatures
        In the frames of the pictures.
    regions : sequence of Region

    Returns
    -------
    (max(H_a, H_b), W_a + 12 + W_b, 3) uint8
        Where both pictures are small, they and the keypoints are magnified by a whole number first. Of more than 60
        pairs of a region every so many are joined.
    """
    factor = _magnification(image_a, image_b)
    image_a, image_b = _magnified(image_a, factor), _magnified(image_b, factor)
    (height_a, width_a), (height_b, width_b) = image_a.shape[:2], image_b.shape[:2]
    canvas = np.full((max(height_a, height_b), width_a + _GAP + width_b, 3), 255, np.uint8)
    canvas[:height_a, :width_a] = image_a
    canvas[:height_b, width_a + _GAP :] = image_b
    _draw(canvas, a, b, regions, np.array([width_a + _GAP, 0.0]), factor)
    return canvas


def draw_copy_moves(image: Image, features: LocalFeatures, regions: Sequence[Region]) -> Image:
    """Draw the copies inside one picture: original and copy outlined in one colour, their keypoints joined."""
    factor = _magnification(image)
    canvas = _magnified(image, factor)
    _draw(canvas, features, features, regions, np.zeros(2), factor)
    return canvas


def _magnification(*images: Image) -> int:
    longest: int = max(max(image.shape[:2]) for image in images)
    return -(-LEAST_SIDE // longest)


def _magnified(image: Image, factor: int) -> Image:
    """Return a copy with each side so many times as long."""
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR), np.uint8)


def _draw(
    canvas: Image,
    a: LocalFeatures,
    b: LocalFeatures,
    regions: Sequence[Region],
    shift: NDArray[np.float64],
    factor: int,
) -> None:
    def placed(xy: NDArray[np.floating]) -> NDArray[np.float64]:
        return (np.asarray(xy, np.float64) + 0.5) * factor - 0.5

    for number, region in enumerate(regions):
        colour = _COLOURS[number % len(_COLOURS)]
        step = -(-len(region.pairs) // MOST_LINES) or 1
        rows = region.pairs[::step]
        lines = canvas.copy()
        ends = _fixed(placed(a.xy[rows[:, 0]])), _fixed(placed(b.xy[rows[:, 1]]) + shift)
        for start, end in zip(*ends, strict=True):
            cv2.line(lines, start, end, colour, 1, cv2.LINE_AA, _SHIFT)
        cv2.addWeighted(lines, _OPACITY, canvas, 1 - _OPACITY, 0, dst=canvas)
        for polygon in (placed(region.polygon_a), placed(region.polygon_b) + shift):
            corners = [np.array(_fixed(polygon), np.int32)]
            # A dark line below a bright one shows on any ground.
            for ink, width in (((0, 0, 0), 5), (colour, 3)):
                cv2.polylines(canvas, corners, True, ink, width, cv2.LINE_AA, _SHIFT)


def _fixed(xy: NDArray[np.floating]) -> list[list[int]]:
    fixed: list[list[int]] = np.rint(np.asarray(xy, np.float64) * 2**_SHIFT).astype(int).tolist()
    return fixed
