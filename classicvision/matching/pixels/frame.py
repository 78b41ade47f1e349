"""Two images resampled to one frame, in which the parts that a transform maps to each other lie on each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image, resize_by_area, sample
from classicvision.matching.geometry import jacobian

__all__ = ["LUMA", "Box", "Frame", "resample"]

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of a, outer borders
Pixels = NDArray[np.float32]
Transform = NDArray[np.float64]

LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
_BORDER: Final = 0.5  # an image extends this far beyond the centres of its outer pixels


@dataclass(frozen=True, eq=False)
class Frame:
    """A box of image a at the resolution of the coarser image, and where its pixels lie in both.

    Attributes
    ----------
    a : (H, W, 3) float32
        Levels from 0 to 255.
    inside : (H, W) bool
        Whether both images cover the pixel.
    a_from_frame, b_from_frame : (3, 3) float64
    area_a, area_b : float
        Areas of the whole images in their pixels.
    """

    a: Pixels
    inside: NDArray[np.bool_]
    a_from_frame: Transform
    b_from_frame: Transform
    area_a: float
    area_b: float

    @classmethod
    def of(cls, a: Image, b: Image, b_from_a: Transform, box: Box, *, longest: int) -> Self:
        """Resample a box of a, and b; neither image is enlarged.

        No side exceeds `longest` pixels, except of a box that is more than twice as long as wide: it gets as many
        pixels as one of `longest` by half of that.

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
        wide, tall = right - left, bottom - top
        zoom = min(1.0, scale_b, max(longest / max(wide, tall), longest / math.sqrt(2 * wide * tall)))
        width, height = (max(round(side * zoom), 1) for side in (right - left, bottom - top))
        a_from_frame = np.array([[1 / zoom, 0, left + 0.5 / zoom], [0, 1 / zoom, top + 0.5 / zoom], [0, 0, 1]])
        b_from_frame = b_from_a @ a_from_frame
        x, y = np.meshgrid(np.arange(float(width)), np.arange(float(height)))
        in_a, in_b = (_warped(transform, x, y) for transform in (a_from_frame, b_from_frame))
        areas = (float(image.shape[0] * image.shape[1]) for image in (a, b))
        inside = _covers(a, in_a) & _covers(b, in_b)
        return cls(resample(a, in_a, 1 / zoom), inside, a_from_frame, b_from_frame, *areas)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.inside.shape
        return height, width

    def of_b(self, b: NDArray[np.uint8], displacement: NDArray[np.float64]) -> tuple[Pixels, NDArray[np.bool_]]:
        """Resample b, displaced by some pixels of the frame.

        Parameters
        ----------
        b : (H_b, W_b) or (H_b, W_b, 3) uint8
            Image b, or its luma.
        displacement : (H, W, 2) float64
            Along x and y.

        Returns
        -------
        pixels : (H, W) or (H, W, 3) float32
        inside : (H, W) bool
            What both images cover.
        """
        height, width = self.shape
        x, y = np.arange(float(width)) + displacement[..., 0], np.arange(float(height))[:, None] + displacement[..., 1]
        in_b = _warped(self.b_from_frame, x, y)
        scale = _scale(self.b_from_frame, width / 2, height / 2)
        return resample(b, in_b, scale), self.inside & _covers(b, in_b)


def resample(image: NDArray[np.uint8], xy: NDArray[np.float64], step: float) -> Pixels:
    """Return the values of an image at points, bilinear, from a reduction to about `step` pixels.

    The image is reduced by a power of 2, so that the points, which are about `step` pixels apart, are at most two
    pixels of the reduction apart.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8
    xy : (2, h, w) float64
        Points in pixels, x and y; those outside get the value of the nearest pixel.
    step : float

    Returns
    -------
    (h, w) or (h, w, 3) float32
    """
    spans = [_span(along, step, n) for along, n in zip(xy, image.shape[1::-1], strict=True)]
    part = image[slice(*spans[1]), slice(*spans[0])]
    factor = 2 ** max(int(math.log2(max(step, 1.0))), 0)
    height, width = (max(side // factor, 1) for side in part.shape[:2])
    reduced = resize_by_area(part, (height, width)) if factor > 1 else part
    x, y = (
        ((along - first + _BORDER) * (n / (last - first)) - _BORDER).astype(np.float32)
        for along, (first, last), n in zip(xy, spans, (width, height), strict=True)
    )
    return sample(reduced, np.nan_to_num(x, nan=-1.0), np.nan_to_num(y, nan=-1.0))


def _span(along: NDArray[np.float64], step: float, n: int) -> tuple[int, int]:
    """Return the pixels of a side of n that positions along it need, as a half-open interval."""
    low, high = (float(np.clip(np.nan_to_num(end, nan=0.0), 0, n - 1)) for end in (np.nanmin(along), np.nanmax(along)))
    return max(math.floor(low - 2 * step), 0), min(math.ceil(high + 2 * step) + 1, n)


def _warped(transform: Transform, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points, (2, H, W)."""
    (p, q, r), (s, t, u), (g, h, i) = transform.tolist()
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1 / (g * x + h * y + i) if g or h else 1 / i
        return np.stack([(p * x + q * y + r) * weight, (s * x + t * y + u) * weight])


def _covers(image: NDArray[np.uint8], xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    (x, y), (height, width) = xy, image.shape[:2]
    inside = (x >= -_BORDER) & (x <= width - _BORDER) & (y >= -_BORDER) & (y <= height - _BORDER)
    return np.asarray(inside, np.bool_)


def _scale(transform: Transform, x: float, y: float) -> float:
    """Return the square root of the factor by which a transform enlarges areas at a point."""
    p, q, r, s = jacobian(transform, x, y)
    return math.sqrt(max(abs(p * s - q * r), 1e-12))
