"""The outline of what two pictures share: a convex polygon in each, corner k of one being corner k of the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.geometry import warp_points

__all__ = ["contains", "frame_sides", "hull_of_circles", "polygon_area", "shared_outline"]

Points = NDArray[np.float64]
Size = tuple[int, int]  # (height, width)

SUPPORT: Final = 4.0  # what a keypoint is evidence for: a circle of that radius around it, in its scales
FILLED: Final = 0.5  # of the overlap of two pictures; what agrees over so much of it is the whole overlap
_DIRECTIONS: Final = np.column_stack([f(np.arange(24) * np.pi / 12) for f in (np.cos, np.sin)])
_NEAREST_HORIZON: Final = 1e-3  # smallest third coordinate that a corner may have, for 1 in the middle


def shared_outline(
    xy: Points, scale: NDArray[np.float64], b_from_a: NDArray[np.float64], size_a: Size, size_b: Size
) -> tuple[Points, Points]:
    """Outline what keypoints of a show to be in b too.

    Parameters
    ----------
    xy, scale : (N, 2) and (N,) float64
        Keypoints of a that agree with the transform, in pixels.
    b_from_a : (3, 3) float64
    size_a, size_b : (height, width)

    Returns
    -------
    polygon_a, polygon_b : (K, 2) float64
        The hull of what the keypoints see, within both pictures; the whole overlap of the pictures where the hull fills
        half of it. K is 0 if nothing lies within both.
    """
    middle = np.append(xy.mean(axis=0), 1.0)
    sides = [*frame_sides(size_a), *(frame_sides(size_b) @ b_from_a)]
    # Beyond the horizon everything would be seen again from behind.
    sides.append(b_from_a[2] - [0, 0, _NEAREST_HORIZON * (b_from_a[2] @ middle)])
    hull = _clipped(hull_of_circles(xy, SUPPORT * scale), sides)
    overlap = _clipped(_corners(size_a), sides)
    polygon = overlap if polygon_area(hull) >= FILLED * polygon_area(overlap) else hull
    return polygon, warp_points(polygon, b_from_a)


def frame_sides(size: Size) -> NDArray[np.float64]:
    """Return the sides of a picture as lines (4, 3): (p, q, r) with p x + q y + r >= 0 inside."""
    height, width = size
    return np.array([[1, 0, 0.5], [-1, 0, width - 0.5], [0, 1, 0.5], [0, -1, height - 0.5]])


def polygon_area(polygon: Points) -> float:
    """Return the area of a polygon (K, 2), in square pixels."""
    x, y = polygon.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def contains(polygon: Points, xy: Points) -> NDArray[np.bool_]:
    """Return which points (N, 2) lie in a convex polygon (K, 2), its border included."""
    if len(polygon) < 3:
        return np.zeros(len(xy), bool)
    side = np.roll(polygon, -1, axis=0) - polygon
    # On which side of each side a point lies: a cross product, linear in the point.
    crossed = xy @ np.stack([-side[:, 1], side[:, 0]]) - (side[:, 0] * polygon[:, 1] - side[:, 1] * polygon[:, 0])
    inside = (crossed >= 0).all(axis=1) | (crossed <= 0).all(axis=1)
    return np.asarray(inside, np.bool_)


def hull_of_circles(xy: Points, radius: NDArray[np.float64]) -> Points:
    """Return the farthest point of some circles in each of 24 directions: a polygon that nearly is their convex hull.

    Parameters
    ----------
    xy : (N, 2) float64
    radius : (N,) float64

    Returns
    -------
    (24, 2) float64
        Clockwise on the screen.
    """
    farthest = np.argmax(xy @ _DIRECTIONS.T + radius[:, None], axis=0)
    return np.asarray(xy[farthest] + radius[farthest, None] * _DIRECTIONS)


def _corners(size: Size) -> Points:
    height, width = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - 0.5


def _clipped(polygon: Points, sides: Iterable[NDArray[np.float64]]) -> Points:
    """Cut a convex polygon by half-planes, one after the other (Sutherland and Hodgman 1974)."""
    for side in sides:
        height = polygon @ side[:2] + side[2]
        if (height >= 0).all():
            continue
        corners = []
        for p, h, q, g in zip(polygon, height, np.roll(polygon, -1, axis=0), np.roll(height, -1), strict=True):
            if h >= 0:
                corners.append(p)
            if (h > 0 > g) or (h < 0 < g):
                corners.append(p + (q - p) * (h / (h - g)))
        polygon = np.array(corners).reshape(-1, 2)
        if len(polygon) < 3:
            return np.zeros((0, 2))
    return polygon
