"""Two images resampled to one frame, in which the parts that a transform maps to each other lie on each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image, resize_by_area
from classicvision.matching.geometry import jacobian, warp_points

__all__ = ["LUMA", "Box", "Frame", "resample"]

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of a, outer borders
Pixels = NDArray[np.float32]
Transform = NDArray[np.float64]

LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
_BORDER: Final = 0.5  # an image extends this far beyond the centres of its outer pixels


@dataclass(frozen=True, eq=False)
class Frame:
    """A box of image a, and what a transform maps to it from image b, at the resolution of the coarser one.

    Attributes
    ----------
    a, b : (H, W, 3) float32
        Levels from 0 to 255.
    inside : (H, W) bool
        Whether both images cover the pixel.
    a_from_frame, b_from_frame : (3, 3) float64
    area_a, area_b : float
        Areas of the whole images in their pixels.
    """

    a: Pixels
    b: Pixels
    inside: NDArray[np.bool_]
    a_from_frame: Transform
    b_from_frame: Transform
    area_a: float
    area_b: float

    @classmethod
    def of(cls, a: Image, b: Image, b_from_a: Transform, box: Box, *, longest: int) -> Self:
        """Resample a box of a, and b; neither image is enlarged, and no side exceeds `longest` pixels.

        Parameters
        ----------
        a, b : (H, W, 3) uint8
        b_from_a : (3, 3) float64
        box : (left, top, right, bottom)
            In pixels of a.
        longest : int
        """
        left, top, right, bottom = box
        scale_b = _scale(b_from_a, (left + right) / 2, (top + bottom) / 2)
        zoom = min(1.0, scale_b, longest / max(right - left, bottom - top))
        width, height = (max(round(side * zoom), 1) for side in (right - left, bottom - top))
        a_from_frame = np.array([[1 / zoom, 0, left + 0.5 / zoom], [0, 1 / zoom, top + 0.5 / zoom], [0, 0, 1]])
        b_from_frame = b_from_a @ a_from_frame
        xy = _grid(width, height)
        in_a, in_b = (warp_points(xy, transform) for transform in (a_from_frame, b_from_frame))
        inside = _covers(a, in_a) & _covers(b, in_b)
        return cls(
            resample(a, in_a, 1 / zoom).reshape(height, width, 3),
            resample(b, in_b, scale_b / zoom).reshape(height, width, 3),
            inside.reshape(height, width),
            a_from_frame,
            b_from_frame,
            float(a.shape[0] * a.shape[1]),
            float(b.shape[0] * b.shape[1]),
        )

    def moved(self, b: Image, displacement: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.bool_]]:
        """Resample b again, (H, W, 3), displaced by (H, W, 2) pixels of the frame; and what both images cover."""
        height, width = self.inside.shape
        in_b = warp_points(_grid(width, height) + displacement.reshape(-1, 2), self.b_from_frame)
        scale = _scale(self.b_from_frame, width / 2, height / 2)
        covered = self.inside & _covers(b, in_b).reshape(height, width)
        return resample(b, in_b, scale).reshape(height, width, 3), covered


def resample(image: Image, xy: NDArray[np.float64], step: float) -> Pixels:
    """Return the values of an image (H, W, 3) at points (N, 2), bilinear, from a reduction to about `step` pixels.

    Points outside get the value of the nearest pixel. The image is reduced by a power of 2, so that the points, which
    are about `step` pixels apart, are at most two pixels of the reduction apart.
    """
    finite = np.nan_to_num(xy, nan=-1.0, posinf=1e6, neginf=-1e6)
    (left, top), (right, bottom) = np.floor(finite.min(axis=0)) - 2 * step, np.ceil(finite.max(axis=0)) + 2 * step + 1
    height, width = image.shape[:2]
    left, right = (int(min(max(side, 0), width)) for side in (left, right))
    top, bottom = (int(min(max(side, 0), height)) for side in (top, bottom))
    left, top = min(left, width - 1), min(top, height - 1)
    part = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    factor = 2 ** max(int(math.log2(max(step, 1.0))), 0)
    size = (max(part.shape[0] // factor, 1), max(part.shape[1] // factor, 1))
    reduced = resize_by_area(part, size) if factor > 1 else part
    to_reduced = np.array([size[1] / part.shape[1], size[0] / part.shape[0]])
    return _bilinear(reduced, (finite - [left, top] + _BORDER) * to_reduced - _BORDER)


def _bilinear(image: Image, xy: NDArray[np.float64]) -> Pixels:
    height, width = image.shape[:2]
    x, y = np.clip(xy, 0, [width - 1, height - 1]).T
    column, row = np.minimum(x.astype(np.intp), max(width - 2, 0)), np.minimum(y.astype(np.intp), max(height - 2, 0))
    right, below = (x - column).astype(np.float32)[:, None], (y - row).astype(np.float32)[:, None]
    next_column, next_row = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    rows = image.reshape(-1, image.shape[2])
    upper, lower = row * width, next_row * width
    above = rows[upper + column] * (1 - right) + rows[upper + next_column] * right
    under = rows[lower + column] * (1 - right) + rows[lower + next_column] * right
    return np.asarray(above * (1 - below) + under * below, np.float32)


def _grid(width: int, height: int) -> NDArray[np.float64]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    return np.column_stack([x.ravel(), y.ravel()])


def _covers(image: Image, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    height, width = image.shape[:2]
    limit = np.array([width, height]) - _BORDER
    return np.asarray(((xy >= -_BORDER) & (xy <= limit)).all(axis=1), np.bool_)


def _scale(transform: Transform, x: float, y: float) -> float:
    """Return the square root of the factor by which a transform enlarges areas at a point."""
    p, q, r, s = jacobian(transform, x, y)
    return math.sqrt(max(abs(p * s - q * r), 1e-12))
