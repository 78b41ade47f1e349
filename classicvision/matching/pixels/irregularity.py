"""How far registered blocks still are from each other: what two photographs of one thing never get rid of.

A copy is resampled as a whole, so its blocks are displaced smoothly. In a second photograph of the same scene, note or
kind of object, every detail has its own parallax.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.pixels.areas import dilated, to_pixels
from classicvision.matching.pixels.blocks import AGREES, ALONG_LINE, DIFFERS, Blocks
from classicvision.matching.pixels.cells import Plane, block_means, blur, gradients, smooth
from classicvision.matching.pixels.tone import ToneCurve

__all__ = ["displacement_score"]

BLUR: Final = 1.0  # sigma, in pixels
SOFTENING: Final = 1.5  # sigma of the blur that makes up for another sharpness, in pixels
REGULAR: Final = 0.6  # score with which the images need no further processing
MEDIAN: Final = 0.12, 0.6  # pixels that a copy's median may reach, and how they grow with the root of the noise
NINTH: Final = 0.35, 1.3  # the same for the ninth decile
_CORNER: Final = 0.01  # least ratio of the determinant to the squared trace of a block's structure tensor
_LEAST: Final = 2.0  # trace of the tensor
_FEWEST: Final = 6  # blocks
_SMOOTHNESS: Final = 3.0  # sigma of what is smooth, in cells


def displacement_score(a: Plane, b: Plane, blocks: Blocks) -> float:
    """Return how irregular the displacements of the agreeing blocks are, relative to those of a copy.

    Parameters
    ----------
    a, b : (H, W) float32
        Luma of the registered images.
    blocks : Blocks

    Returns
    -------
    float
        Below 1 for copies; 0 if fewer than six blocks can be measured.
    """
    agrees = np.isin(blocks.state, (AGREES, ALONG_LINE))
    chosen = blocks.inside & agrees & ~dilated(blocks.state == DIFFERS)
    limits = [base + slope * math.sqrt(max(blocks.noise, 0.0)) for base, slope in (MEDIAN, NINTH)]
    # A copy is regular in one of these ways; separate photographs are in none.
    score = math.inf
    for one, other in _processed(a, b, agrees):
        score = min(score, _irregularity(one, other, chosen, limits))
        if score < REGULAR:
            break
    return score


def _processed(a: Plane, b: Plane, agrees: NDArray[np.bool_]) -> Iterator[tuple[Plane, Plane]]:
    """Yield the images as they are, in the same tones, and with either of them blurred."""
    soft_a, soft_b = blur(a, BLUR), blur(b, BLUR)
    yield soft_a, soft_b
    yield soft_a, _in_tones_of(soft_a, soft_b, agrees)
    yield blur(soft_a, SOFTENING), soft_b
    yield soft_a, blur(soft_b, SOFTENING)


def _irregularity(a: Plane, b: Plane, chosen: NDArray[np.bool_], limits: list[float]) -> float:
    dx, dy, is_corner = _steps(a, b)
    measured = is_corner & chosen
    if np.count_nonzero(measured) < _FEWEST:
        return 0.0
    weight = measured.astype(np.float64)
    total = smooth(weight, _SMOOTHNESS) + 1e-6
    apart = np.hypot(*(one - smooth(one * weight, _SMOOTHNESS) / total for one in (dx, dy)))[measured]
    return max(float(np.median(apart)) / limits[0], float(np.quantile(apart, 0.9)) / limits[1])


def _in_tones_of(a: Plane, b: Plane, agrees: NDArray[np.bool_]) -> Plane:
    """Return b with the tone curve that the agreeing blocks have in a."""
    pixels = to_pixels(agrees, a.shape)[::2, ::2]
    if not pixels.any():
        return b
    curve = ToneCurve.fit(b[::2, ::2][pixels].astype(np.float64), a[::2, ::2][pixels].astype(np.float64))
    return curve(b.astype(np.float64)).astype(np.float32)


def _steps(a: Plane, b: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the displacement of each block by one Gauss-Newton step, and which blocks determine it.

    Minimises the squared difference of a and of b, with a gain and an offset for each block.
    """
    bx, by = gradients(b, np.ones(b.shape, np.bool_))
    mean_a, mean_b, mean_x, mean_y = (block_means(plane) for plane in (a, b, bx, by))

    def covariance(p: Plane, q: Plane, mean_p: NDArray[np.float64], mean_q: NDArray[np.float64]) -> NDArray[np.float64]:
        return block_means(p * q) - mean_p * mean_q

    variances = [covariance(one, one, mean, mean) for one, mean in ((a, mean_a), (b, mean_b))]
    gain = np.sqrt(np.maximum(variances[0], 1e-6) / np.maximum(variances[1], 1e-6))
    xx, yy = covariance(bx, bx, mean_x, mean_x), covariance(by, by, mean_y, mean_y)
    xy = covariance(bx, by, mean_x, mean_y)
    u = covariance(a, bx, mean_a, mean_x) / gain - covariance(b, bx, mean_b, mean_x)
    v = covariance(a, by, mean_a, mean_y) / gain - covariance(b, by, mean_b, mean_y)
    determinant, trace = xx * yy - xy * xy, xx + yy
    is_corner = (determinant > _CORNER * trace**2) & (trace > _LEAST)
    safe = np.where(is_corner, determinant, 1.0)
    return np.where(is_corner, yy * u - xy * v, 0) / safe, np.where(is_corner, xx * v - xy * u, 0) / safe, is_corner
