"""Dense SIFT: the descriptors of upright square patches on a regular grid, as VLFeat's `vl_dsift` defines them.

A patch has the 4 x 4 cells and 8 directions of SIFT (Lowe 2004, section 6.1). All patches are upright, so those of one
size share their computation: each pixel's gradient votes once for its two nearest directions, the votes are pooled
around every cell centre, and a patch gathers 16 of the pooled cells.

The window is flat, as in VLFeat's fast mode: each cell is weighted as a whole by the mean of the Gaussian over it
instead of pixel by pixel (Vedaldi and Fulkerson 2010). Cells and directions are ordered as in `descriptor`, so dense
and sparse descriptors are comparable; VLFeat's direction d is direction -d modulo 8 here.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.features.descriptor import N_CELLS, N_DIRECTIONS
from classicvision.features.scalespace import CAMERA_BLUR, LEAST_BLUR

__all__ = ["cell_weights", "describe_patches", "first_cell", "gradient", "pool", "smooth", "vote"]

SPAN: Final = N_CELLS - 1  # from the centre of the first cell to that of the last, in cells


def first_cell(bin_size: int, largest: int) -> int:
    """Return the centre of the first cell of the first patch, the same in x and in y, in pixels.

    Patches of the largest size start with a cell centred on pixel 0. Smaller ones start farther in, so that patches of
    all sizes have the same centres: exactly if all sizes are even or all are odd, else to half a pixel (as VLFeat's
    PHOW).
    """
    return SPAN * (largest - bin_size) // 2


def describe_patches(
    gray: NDArray[np.uint8], bin_size: int, *, step: int, first: int, magnification: float, window: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Describe the patches of one size whose cells are centred within the image.

    Parameters
    ----------
    gray : (H, W) uint8
    bin_size : int
        Side of a cell in pixels.
    step : int
        Distance between neighbouring patches in pixels.
    first : int
        Centre of the first cell of the first patch, in x and in y, in pixels.
    magnification : float
        Cell side divided by the sigma to which the image is blurred first.
    window : float
        Sigma of the window in cells.

    Returns
    -------
    xy : (N, 2) float64
        Centres of the patches in pixels, row by row.
    histograms : (N, 128) float64
        Gradient magnitude in grey levels per pixel, summed per cell and direction.
    """
    rows, columns = (np.arange(first, length - SPAN * bin_size, step) for length in gray.shape)
    votes = vote(*gradient(smooth(gray, bin_size, magnification)))
    cells = np.arange(N_CELLS) * bin_size
    pooled = pool(votes, rows[:, np.newaxis] + cells, bin_size, axis=0)  # (rows, 4, W, 8)
    pooled = pool(pooled, columns[:, np.newaxis] + cells, bin_size, axis=2)  # (rows, 4, columns, 4, 8)
    weights = cell_weights(bin_size, window)
    weighted = pooled * weights[:, np.newaxis, np.newaxis, np.newaxis] * weights[:, np.newaxis]
    histograms = weighted.swapaxes(1, 2).reshape(-1, N_CELLS * N_CELLS * N_DIRECTIONS)
    y, x = np.meshgrid(rows + SPAN * bin_size / 2, columns + SPAN * bin_size / 2, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1), histograms


def smooth(gray: NDArray[np.uint8], bin_size: int, magnification: float) -> NDArray[np.float64]:
    """Blur an image to a sigma of bin_size / magnification, given that the camera has blurred it already.

    The Gaussian is truncated at 4 sigma, and the image is reflected at its border. If the camera's blur exceeds the
    target, sigma is 0.1 pixels, which has no effect.
    """
    sigma = max((bin_size / magnification) ** 2 - CAMERA_BLUR**2, LEAST_BLUR**2) ** 0.5
    # Rounded to float32, so that a uniform area stays uniform.
    return np.asarray(cv2.GaussianBlur(gray.astype(np.float64), (0, 0), sigma), np.float32).astype(np.float64)


def gradient(level: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the derivatives along x and along y, (H, W) each.

    Central differences; one-sided differences in the outermost rows and columns.
    """
    rows, columns = (
        np.gradient(level, axis=axis) if level.shape[axis] > 1 else np.zeros_like(level) for axis in (0, 1)
    )
    return columns, rows


def vote(dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H, W, 8) votes: each gradient's magnitude, shared between its two nearest directions by linear weights.

    Direction 0 is along x; the others follow anticlockwise on the screen.
    """
    direction = np.arctan2(-dy, dx) * (N_DIRECTIONS / (2 * np.pi))  # y points down
    distance = np.abs(
        (direction[..., np.newaxis] - np.arange(N_DIRECTIONS) + N_DIRECTIONS / 2) % N_DIRECTIONS - N_DIRECTIONS / 2
    )
    votes: NDArray[np.float64] = np.hypot(dx, dy)[..., np.newaxis] * np.maximum(1 - distance, 0)
    return votes


def pool(values: NDArray[np.float64], centres: NDArray[np.intp], bin_size: int, *, axis: int) -> NDArray[np.float64]:
    """Sum values around each centre along an axis, with weights that fall linearly to 0 at a distance of bin_size.

    The outermost values are repeated beyond the border. The axes of `centres` replace the pooled axis.
    """
    last = values.shape[axis] - 1
    shape = (*values.shape[:axis], *centres.shape, *values.shape[axis + 1 :])
    total = np.zeros(shape)
    for offset in range(1 - bin_size, bin_size):
        weight = 1 - abs(offset) / bin_size
        total += weight * np.take(values, np.clip(centres + offset, 0, last), axis=axis)
    return total


def cell_weights(bin_size: int, window: float) -> NDArray[np.float64]:
    """Return the weights of the 4 cells along one axis: the mean of the window over the pixels that vote for a cell."""
    centre = (np.arange(N_CELLS) - SPAN / 2) * bin_size
    offset = np.arange(1 - bin_size, bin_size)
    weights: NDArray[np.float64] = np.exp(-0.5 * ((centre[:, np.newaxis] + offset) / (window * bin_size)) ** 2).mean(
        axis=1
    )
    return weights
