"""Register the part of two images around a region finely, and compare its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image, to_gray
from classicvision.matching.outline import overlap_outline
from classicvision.matching.pixels.areas import agreeing_area
from classicvision.matching.pixels.blocks import Blocks, compare_blocks
from classicvision.matching.pixels.displacement import find_displacement
from classicvision.matching.pixels.flat import compare_flat_blocks
from classicvision.matching.pixels.frame import LUMA, Box, Frame
from classicvision.matching.pixels.graphics import is_graphic
from classicvision.matching.pixels.irregularity import displacement_score
from classicvision.matching.result import Region

__all__ = ["Registered", "register_region"]

LONGEST: Final = 256  # pixels along the longer side of the frame
LONGEST_GRAPHIC: Final = 1024  # the same for graphics, so that small type is resolved
SHORTEST: Final = 24  # pixels along the shorter side below which nothing is compared
GOES_ON: Final = 0.25  # share of the border that agrees if a region is larger than its box
MARGIN: Final = 0.15  # of the region's sides, compared around it


@dataclass(frozen=True, eq=False)
class Registered:
    """The part of two images around a region, registered, and its blocks compared."""

    frame: Frame
    displacement_field: NDArray[np.float64]  # (H, W, 2), as for `Frame.of_b`
    blocks: Blocks
    displacement: float
    is_graphic: bool


def register_region(a: Image, b: Image, region: Region) -> Registered | None:
    """Register the part of two images around a region; None if it is too small to compare.

    Parameters
    ----------
    a, b : (H, W, 3) uint8
    region : Region
        In their frames.
    """
    low, high = region.polygon_a.min(axis=0), region.polygon_a.max(axis=0)
    margin = MARGIN * (high - low)
    box = _box(a, b, region, low - margin, high + margin)
    registered = _register(a, b, region, box, LONGEST)
    if registered is None:
        return None
    if registered.is_graphic:
        longer = max(box[2] - box[0], box[3] - box[1])
        return _register(a, b, region, box, LONGEST_GRAPHIC) if longer > LONGEST else registered
    if _agrees_at_border(registered.blocks):
        whole = _box(a, b, region, np.full(2, -np.inf), np.full(2, np.inf))
        if whole != box:
            return _register(a, b, region, whole, LONGEST)
    return registered


def _box(a: Image, b: Image, region: Region, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box:
    """Return the part of a box that both images cover, as its bounding box."""
    height, width = a.shape[:2]
    left, top = np.maximum(low, -0.5).tolist()
    right, bottom = np.minimum(high, [width - 0.5, height - 0.5]).tolist()
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    near = region.polygon_a.mean(axis=0)
    inside = overlap_outline(corners, region.b_from_a, a.shape[:2], b.shape[:2], near=near)
    (left, top), (right, bottom) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
    return left, top, right, bottom


def _agrees_at_border(blocks: Blocks) -> bool:
    """Return whether the images still agree along a good part of the border, so that the region does not end there."""
    area = agreeing_area(blocks)
    ring = np.concatenate([area[0], area[-1], area[:, 0], area[:, -1]])
    return float(ring.mean()) >= GOES_ON


def _register(a: Image, b: Image, region: Region, box: Box, longest: int) -> Registered | None:
    frame = Frame.of(a, b, region.b_from_a, box, longest=longest)
    if min(frame.shape) < SHORTEST:
        return None
    luma, grey_b = frame.a @ LUMA, to_gray(b)
    displacement = np.zeros((*frame.shape, 2))
    for _ in range(2):
        moved, inside = frame.of_b(grey_b, displacement)
        displacement += find_displacement(luma, moved, inside)
    moved, inside = frame.of_b(grey_b, displacement)
    blocks = compare_blocks(luma, moved, inside)
    score = displacement_score(luma, moved, blocks)
    blocks = compare_flat_blocks(frame.a, frame.of_b(b, displacement)[0], blocks)
    return Registered(frame, displacement, blocks, score, is_graphic(luma, moved))
