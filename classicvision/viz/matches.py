"""Draw two images side by side, with the shared regions outlined and the matched keypoints connected."""

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

MOST_LINES: Final = 60  # per region; more would hide the images
LEAST_SIDE: Final = 480  # smaller images are magnified, so that lines do not hide them
MOST_SIDE: Final = 8192  # larger images are shrunk, so that every program can open the drawing

# One per region, distinguishable with colour vision deficiency (Okabe and Ito 2008).
_COLOURS: Final = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (240, 228, 66))
_DIFFERENT: Final = (255, 40, 40)  # outlines of what differs inside a copy
_GAP: Final = 12  # pixels between the images
_SHIFT: Final = 4  # fractional bits of cv2's coordinates
_OPACITY: Final = 0.6  # of lines


def draw_matches(
    image_a: Image, image_b: Image, a: LocalFeatures, b: LocalFeatures, regions: Sequence[Region]
) -> Image:
    """Draw two images side by side on white, a left and b right, each region in a different colour.

    What differs inside a region that was verified by pixels is outlined in red.

    Parameters
    ----------
    image_a, image_b : (H, W, 3) uint8
    a, b : LocalFeatures
        In the frames of the images.
    regions : sequence of Region

    Returns
    -------
    (max(H_a, H_b), W_a + 12 + W_b, 3) uint8
        Two small images are magnified by an integer factor first, together with their keypoints; if one is longer than
        8192 pixels, both are shrunk. At most about 60 matches per region are drawn, evenly selected.
    """
    factor = _magnification(image_a, image_b)
    image_a, image_b = _resized(image_a, factor), _resized(image_b, factor)
    (height_a, width_a), (height_b, width_b) = image_a.shape[:2], image_b.shape[:2]
    canvas = np.full((max(height_a, height_b), width_a + _GAP + width_b, 3), 255, np.uint8)
    canvas[:height_a, :width_a] = image_a
    canvas[:height_b, width_a + _GAP :] = image_b
    _draw(canvas, a, b, regions, np.array([width_a + _GAP, 0.0]), factor)
    return canvas


def draw_copy_moves(image: Image, features: LocalFeatures, regions: Sequence[Region]) -> Image:
    """Draw the copies inside one image: original and copy outlined in one colour, their keypoints connected."""
    factor = _magnification(image)
    canvas = _resized(image, factor)
    _draw(canvas, features, features, regions, np.zeros(2), factor)
    return canvas


def _magnification(*images: Image) -> float:
    longest: int = max(max(image.shape[:2]) for image in images)
    return MOST_SIDE / longest if longest > MOST_SIDE else -(-LEAST_SIDE // longest)


def _resized(image: Image, factor: float) -> Image:
    """Return a copy with sides scaled by a factor, at least one pixel."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _draw(
    canvas: Image,
    a: LocalFeatures,
    b: LocalFeatures,
    regions: Sequence[Region],
    shift: NDArray[np.float64],
    factor: float,
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
        differences = region.pixels.differences if region.pixels else ()
        outlines = [(region.polygon_a, region.polygon_b, colour)]
        outlines += [(one.polygon_a, one.polygon_b, _DIFFERENT) for one in differences]
        for polygon_a, polygon_b, ink in outlines:
            _outline(canvas, placed(polygon_a), ink)
            _outline(canvas, placed(polygon_b) + shift, ink)


def _outline(canvas: Image, polygon: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    corners = [np.array(_fixed(polygon), np.int32)]
    # A dark line under a bright one is visible on any background.
    for ink, width in (((0, 0, 0), 5), (colour, 3)):
        cv2.polylines(canvas, corners, True, ink, width, cv2.LINE_AA, _SHIFT)


def _fixed(xy: NDArray[np.floating]) -> list[list[int]]:
    fixed: list[list[int]] = np.rint(np.asarray(xy, np.float64) * 2**_SHIFT).astype(int).tolist()
    return fixed
