"""Step 4 of SIFT: a descriptor of each keypoint's neighbourhood, invariant to translation, scale and rotation.

Lowe (2004), section 6.1. The gradients around a keypoint, rotated by its angle, vote in 4 x 4 cells of 8 directions
each, weighted by a Gaussian. Trilinear interpolation shares each vote between the two nearest bins of all three
dimensions. The 128 counts are normalised, clipped at 0.2 and normalised again, so that they do not depend on contrast
and depend little on a single strong edge.

Where this differs from Lowe, it follows OpenCV, so that the descriptors of both are comparable: a cell is 3 scales
wide, the square is centred on the sample nearest to the keypoint, cells are ordered row by row in the rotated frame,
and the directions in a cell anticlockwise from the keypoint's angle.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.extrema import Blobs
from classicvision.features.orientation import gradient_at, split_by_work
from classicvision.features.scalespace import ScaleSpace

__all__ = ["describe_keypoints", "to_bytes"]

N_CELLS: Final = 4  # along each side
N_DIRECTIONS: Final = 8
CELL: Final = 3.0  # side of a cell, in scales of the keypoint
CLIP: Final = 0.2  # largest value of a bin, relative to the norm (Lowe 2004, 6.1)
NORM: Final = 512.0  # of the stored bytes

Samples = tuple[NDArray[np.intp], NDArray[np.floating], NDArray[np.floating], NDArray[np.intp], NDArray[np.intp]]


def describe_keypoints(space: ScaleSpace, blobs: Blobs, angle: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Compute the descriptors of N keypoints.

    Parameters
    ----------
    space : ScaleSpace
    blobs : Blobs
        N rows, one per keypoint.
    angle : (N,) float64
        Radians, clockwise on the screen.

    Returns
    -------
    (N, 128) uint8
        Norm about 512, clipped at 255.
    """
    histograms = np.zeros((len(blobs), N_CELLS * N_CELLS * N_DIRECTIONS))
    for octave, layer, rows in blobs.by_level():
        cell = CELL * blobs.scale[rows] / space.spacing(octave)
        # Votes reach half a cell beyond the 4 x 4; at 45 degrees the corner of the square is farthest away.
        half_side = np.rint(cell * np.sqrt(2) * (N_CELLS + 1) / 2).astype(np.int64)
        for part in split_by_work(half_side):
            chosen = rows[part]
            level = space.gaussians[octave][layer]
            centre = blobs.row[chosen], blobs.column[chosen]
            step = np.arange(-half_side[part].max(), half_side[part].max() + 1)
            rotation = angle[chosen].astype(np.float32)
            samples = _rotated_samples(level.shape, *centre, step, rotation, cell[part].astype(np.float32))
            histograms[chosen] = _collect_votes(level, rotation, samples)
    return to_bytes(histograms)


def _rotated_samples(
    shape: tuple[int, ...],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    step: NDArray[np.int64],
    angle: NDArray[np.float32],
    cell: NDArray[np.float32],
) -> Samples:
    """Return the samples that vote: keypoint (S,), cell coordinates u and v (S,), row and column (S,).

    `step` has the row and column offsets from a keypoint to consider. u runs along the keypoint's angle and v clockwise
    from it; both are 0 at the centre of the first cell.
    """
    height, width = shape
    rows, columns = row[:, None] + step, column[:, None] + step
    along, across = ((ratio(angle) / cell)[:, None] * step.astype(np.float32) for ratio in (np.cos, np.sin))
    middle = np.float32(N_CELLS / 2 - 0.5)
    u = along[:, None, :] + across[:, :, None] + middle
    v = along[:, :, None] - across[:, None, :] + middle
    votes = (np.abs(u - middle) < middle + 1) & (np.abs(v - middle) < middle + 1)
    votes &= ((rows > 0) & (rows < height - 1))[:, :, None]
    votes &= ((columns > 0) & (columns < width - 1))[:, None, :]
    keypoint, i, j = np.nonzero(votes)
    return keypoint, u[votes], v[votes], rows[keypoint, i], columns[keypoint, j]


def _collect_votes(level: NDArray[np.float32], angle: NDArray[np.float32], samples: Samples) -> NDArray[np.float64]:
    """Return the (N, 128) histograms of N keypoints by trilinear interpolation."""
    keypoint, u, v, row, column = samples
    magnitude, direction = gradient_at(level, row, column)
    middle = np.float32(N_CELLS / 2 - 0.5)
    # Lowe (2004), 6.1: a Gaussian whose sigma is half the width of the square, that is two cells.
    magnitude *= np.exp(-((u - middle) ** 2 + (v - middle) ** 2) * np.float32(2 / N_CELLS**2))
    w = (angle[keypoint] - direction) * np.float32(N_DIRECTIONS / (2 * np.pi))
    # An extra cell on each side takes the votes that fall outside the 4 x 4.
    shape = (len(angle), N_CELLS + 2, N_CELLS + 2, N_DIRECTIONS)
    counts = np.zeros(int(np.prod(shape)))
    (v0, v_weight), (u0, u_weight), (w0, w_weight) = map(_split, (v, u, w))
    for dv, du, dw in product((0, 1), repeat=3):
        vote = magnitude * v_weight[dv] * u_weight[du] * w_weight[dw]
        cells = (keypoint * shape[1] + v0 + (1 + dv)) * shape[2] + u0 + (1 + du)
        counts += np.bincount(cells * N_DIRECTIONS + (w0 + dw) % N_DIRECTIONS, vote, minlength=len(counts))
    return counts.reshape(shape)[:, 1:-1, 1:-1].reshape(len(angle), -1)


def _split(
    coordinate: NDArray[np.float32],
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the bin below a coordinate, and the linear weights of that bin and of the next one."""
    below = np.floor(coordinate)
    fraction = coordinate - below
    return below.astype(np.int64), (1 - fraction, fraction)


def to_bytes(histograms: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Normalise (N, 128) histograms, clip, normalise again and round to bytes (Lowe 2004, 6.1); zeros stay zero."""
    clipped = np.minimum(histograms, CLIP * np.linalg.norm(histograms, axis=1, keepdims=True))
    norm = np.linalg.norm(clipped, axis=1, keepdims=True)
    scaled = np.divide(NORM * clipped, norm, out=np.zeros_like(clipped), where=norm > 0)
    stored: NDArray[np.uint8] = np.minimum(np.rint(scaled), 255).astype(np.uint8)
    return stored
