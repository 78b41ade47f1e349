"""The outline of the part that two images share: one convex polygon in each, with corresponding corners."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.geometry import middle, warp_points

__all__ = [
    "FILLED",
    "connected_parts",
    "contains",
    "filled_share",
    "frame_sides",
    "hull_of_circles",
    "overlap_outline",
    "polygon_area",
    "shared_outline",
]

Points = NDArray[np.float64]
T = TypeVar("T")
Size = tuple[int, int]  # (height, width)

SUPPORT: Final = 4.0  # radius of the circle around a keypoint for which it is evidence, in its scales
FILLED: Final = 0.5  # an outline that inliers fill to this share counts as completely shared
_DIRECTIONS: Final = np.column_stack([f(np.arange(24) * np.pi / 12) for f in (np.cos, np.sin)])
_MOST_CELLS: Final = 8  # along each side of an outline's bounding box
_PER_CELL: Final = 10  # keypoints, on average
_TELLING: Final = 6  # keypoints of each image in a cell, one of which would match if the cell were shared
_NEARLY_ALL: Final = 0.9  # share from which the few cells without inliers are ignored
_NEAREST_HORIZON: Final = 1e-3  # smallest homogeneous weight of a corner, relative to that of the centroid


def shared_outline(
    xy: Points,
    scale: NDArray[np.float64],
    b_from_a: NDArray[np.float64],
    size_a: Size,
    size_b: Size,
    *,
    whole: bool = True,
) -> tuple[Points, Points]:
    """Outline the part of a that also occurs in b.

    Parameters
    ----------
    xy, scale : (N, 2) and (N,) float64
        Keypoints of a that are inliers of the transform, in pixels.
    b_from_a : (3, 3) float64
    size_a, size_b : (height, width)
    whole : bool
        If the hull fills half of the overlap of the images, return the overlap.

    Returns
    -------
    polygon_a, polygon_b : (K, 2) float64
        The hull of the keypoints' neighbourhoods, clipped to both images. K is 0 if they do not overlap.
    """
    sides = _overlap_sides(middle(xy), b_from_a, size_a, size_b)
    hull = _clipped(hull_of_circles(xy, SUPPORT * scale), sides)
    overlap = _clipped(_corners(size_a), sides) if whole else hull
    polygon = overlap if polygon_area(hull) >= FILLED * polygon_area(overlap) else hull
    return polygon, warp_points(polygon, b_from_a)


def overlap_outline(
    polygon: Points, b_from_a: NDArray[np.float64], size_a: Size, size_b: Size, *, near: NDArray[np.float64]
) -> Points:
    """Return the part of a convex polygon of a, (K, 2), that both images cover; K may be 0.

    Parameters
    ----------
    polygon : (K, 2) float64
    b_from_a : (3, 3) float64
    size_a, size_b : (height, width)
    near : (2,) float64
        A point of a that is certainly on this side of the horizon.
    """
    return _clipped(polygon, _overlap_sides(near, b_from_a, size_a, size_b))


def _overlap_sides(
    near: NDArray[np.float64], b_from_a: NDArray[np.float64], size_a: Size, size_b: Size
) -> list[NDArray[np.float64]]:
    sides = [*frame_sides(size_a), *(frame_sides(size_b) @ b_from_a)]
    # Points beyond the horizon would map to the image a second time.
    sides.append(b_from_a[2] - [0, 0, _NEAREST_HORIZON * (b_from_a[2] @ np.append(near, 1.0))])
    return sides


def filled_share(polygon: Points, agreeing: Points, in_a: Points, in_b: Points) -> float:
    """Return the share of an outline that inliers fill, in [0, 1]; it is below 1 for a frame or a few distant spots.

    The outline's bounding box is divided into up to 8 x 8 cells of about ten keypoints each. A cell with 6 keypoints of
    each image but no inlier is not shared; a cell with fewer keypoints is ignored.

    Parameters
    ----------
    polygon : (K, 2) float64
    agreeing, in_a, in_b : (N, 2) float64
        Inliers, all keypoints of a, and all keypoints of b, in the frame of a.
    """
    *cells, n_sides = _in_cells(polygon, agreeing, in_a, in_b)
    n_agreeing, n_a, n_b = (np.bincount(cell, minlength=n_sides**2) for cell in cells)
    agrees = n_agreeing > 0
    differs = ~agrees & (n_a >= _TELLING) & (n_b >= _TELLING)
    n_agree, n_differ = int(np.count_nonzero(agrees)), int(np.count_nonzero(differs))
    share = n_agree / max(n_agree + n_differ, 1)
    return 1.0 if share >= _NEARLY_ALL else share


def connected_parts(polygon: Points, agreeing: Points, in_a: Points, in_b: Points) -> NDArray[np.intp]:
    """Label each inlier by the connected component (8-neighbourhood) of cells with inliers that it lies in.

    Parameters and cells are those of `filled_share`.
    """
    cells, _, _, n_sides = _in_cells(polygon, agreeing, in_a, in_b)
    number = np.zeros((n_sides + 2, n_sides + 2), np.intp)  # 0 marks cells without inliers
    number[1:-1, 1:-1].flat[cells] = cells + 1
    inner, before = number[1:-1, 1:-1], np.zeros(0, np.intp)
    while not np.array_equal(before, inner):
        before = inner.copy()
        around = np.lib.stride_tricks.sliding_window_view(number, (3, 3)).max(axis=(2, 3))
        inner[:] = np.where(inner > 0, around, 0)
    return np.asarray(inner.flat[cells], np.intp)


def _in_cells(
    polygon: Points, agreeing: Points, in_a: Points, in_b: Points
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], int]:
    """Return the cell index of each keypoint (of a and b only inside the box), and the number of cells per side."""
    corner, size = polygon.min(axis=0)[:, None], np.maximum(np.ptp(polygon, axis=0), 1e-9)[:, None]
    # Transposed to (2, N), relative to the box.
    agreeing, in_a, in_b = ((np.ascontiguousarray(xy.T) - corner) / size for xy in (agreeing, in_a, in_b))
    in_a, in_b = (xy[:, ((xy >= 0) & (xy < 1)).all(axis=0)] for xy in (in_a, in_b))
    n_sides = int(min(max(math.sqrt(min(in_a.shape[1], in_b.shape[1]) / _PER_CELL), 1), _MOST_CELLS))

    def cells(xy: NDArray[np.float64]) -> NDArray[np.intp]:
        column, row = np.clip(xy * n_sides, 0, n_sides - 1).astype(np.intp)
        return np.asarray(row * n_sides + column, np.intp)

    return cells(agreeing), cells(in_a), cells(in_b), n_sides


def frame_sides(size: Size) -> NDArray[np.float64]:
    """Return the sides of an image as lines (4, 3): (p, q, r) with p x + q y + r >= 0 inside."""
    height, width = size
    return np.array([[1, 0, 0.5], [-1, 0, width - 0.5], [0, 1, 0.5], [0, -1, height - 0.5]])


def polygon_area(polygon: Points) -> float:
    """Return the area of a polygon (K, 2), in square pixels."""
    corners: list[list[float]] = polygon.tolist()
    return abs(sum(x * v - y * u for (x, y), (u, v) in zip(corners, _next(corners), strict=True))) / 2


def contains(polygon: Points, xy: Points) -> NDArray[np.bool_]:
    """Return which points (N, 2) lie in a convex polygon (K, 2), including its border."""
    if len(polygon) < 3:
        return np.zeros(len(xy), bool)
    ends = np.concatenate([polygon[1:], polygon[:1]])
    side = ends - polygon
    # The sign of a cross product gives the half-plane of each edge; it is linear in the point.
    normal = np.stack([-side[:, 1], side[:, 0]], axis=1)
    crossed = normal @ xy.T - (normal * polygon).sum(axis=1)[:, None]
    inside = (crossed.min(axis=0) >= 0) | (crossed.max(axis=0) <= 0)
    return np.asarray(inside, np.bool_)


def hull_of_circles(xy: Points, radius: NDArray[np.float64]) -> Points:
    """Return the farthest point of a set of circles in each of 24 directions, which approximates their convex hull.

    Parameters
    ----------
    xy : (N, 2) float64
    radius : (N,) float64

    Returns
    -------
    (24, 2) float64
        Clockwise on the screen.
    """
    farthest = np.argmax(_DIRECTIONS @ xy.T + radius, axis=1)
    return np.asarray(xy[farthest] + radius[farthest, None] * _DIRECTIONS)


def _corners(size: Size) -> Points:
    height, width = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - 0.5


def _clipped(polygon: Points, sides: Iterable[NDArray[np.float64]]) -> Points:
    """Clip a convex polygon by half-planes, one after the other (Sutherland and Hodgman 1974)."""
    corners = polygon.tolist()
    for p, q, r in (side.tolist() for side in sides):
        heights = [p * x + q * y + r for x, y in corners]
        if min(heights) >= 0:
            continue
        left = []
        for (x, y), h, (u, v), g in zip(corners, heights, _next(corners), _next(heights), strict=True):
            if h >= 0:
                left.append([x, y])
            if (h > 0 > g) or (h < 0 < g):
                t = h / (h - g)
                left.append([x + t * (u - x), y + t * (v - y)])
        corners = left
        if len(corners) < 3:
            return np.zeros((0, 2))
    return np.array(corners)


def _next(corners: list[T]) -> list[T]:
    return corners[1:] + corners[:1]
