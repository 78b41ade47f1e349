"""Step 4 of SIFT: a description of the picture around each keypoint that stays the same when it moves.

Lowe (2004), section 6.1. The gradients around a keypoint, turned by its angle, are collected in 4 x 4 cells of 8
directions each. A gradient votes for the two nearest cells in each of the three dimensions by its distance to them
(trilinear interpolation), weighted by a Gaussian. Normalised, clipped at 0.2 and normalised again, the 128 counts do
not depend on contrast and little on a single bright edge.

Where this differs from Lowe, it follows OpenCV, so that descriptors of both can be compared: a cell is 3 scales wide,
the square is centred on the sample nearest to the keypoint, cells go row by row in the turned frame, and the
directions in a cell go anticlockwise from the keypoint's angle.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.extrema import Blobs
from classicvision.features.orientation import gradient_at, split_by_work
from classicvision.features.scalespace import ScaleSpace

__all__ = ["describe", "to_bytes"]

N_CELLS: Final = 4  # along each side
N_DIRECTIONS: Final = 8
CELL: Final = 3.0  # side of a cell, in scales of the keypoint
CLIP: Final = 0.2  # largest share of one direction in one cell, against the norm (Lowe 2004, 6.1)
NORM: Final = 512.0  # of the stored bytes

Samples = tuple[NDArray[np.intp], NDArray[np.floating], NDArray[np.floating], NDArray[np.intp], NDArray[np.intp]]


def describe(space: ScaleSpace, blobs: Blobs, angle: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Describe N keypoints.

    Parameters
    ----------
    space : ScaleSpace
    blobs : Blobs
        N rows, one a keypoint.
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
        # Votes reach half a cell beyond the 4 x 4; turned by 45 degrees, the square's corner lies farthest out.
        half_side = np.rint(cell * np.sqrt(2) * (N_CELLS + 1) / 2).astype(np.int64)
        for part in split_by_work(half_side):
            chosen = rows[part]
            level = space.gaussians[octave][layer]
            centre = blobs.row[chosen], blobs.column[chosen]
            step = np.arange(-half_side[part].max(), half_side[part].max() + 1)
            turned = angle[chosen].astype(np.float32)
            samples = _turned_samples(level.shape, *centre, step, turned, cell[part].astype(np.float32))
            histograms[chosen] = _collect_votes(level, turned, samples)
    return to_bytes(histograms)


def _turned_samples(
    shape: tuple[int, ...],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    step: NDArray[np.int64],
    angle: NDArray[np.float32],
    cell: NDArray[np.float32],
) -> Samples:
    """Return the samples that vote: keypoint (S,), cell coordinates u and v (S,), row and column (S,).

    They are among those at each `step` from the keypoints' rows and at each from their columns. u runs along the
    keypoint's angle and v clockwise from it; both are 0 at the centre of the first cell.
    """
    height, width = shape
    rows, columns = row[:, None] + step, column[:, None] + step
    along, across = ((turn(angle) / cell)[:, None] * step.astype(np.float32) for turn in (np.cos, np.sin))
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
    # Lowe (2004), 6.1: a Gaussian with sigma of half the width of the square, that is two cells.
    magnitude *= np.exp(-((u - middle) ** 2 + (v - middle) ** 2) * np.float32(2 / N_CELLS**2))
    turn = (angle[keypoint] - direction) * np.float32(N_DIRECTIONS / (2 * np.pi))
    # One cell more on each side takes the votes that fall outside the 4 x 4.
    shape = (len(angle), N_CELLS + 2, N_CELLS + 2, N_DIRECTIONS)
    counts = np.zeros(int(np.prod(shape)))
    (v0, v_share), (u0, u_share), (turn0, turn_share) = map(_split, (v, u, turn))
    for dv, du, dt in product((0, 1), repeat=3):
        vote = magnitude * v_share[dv] * u_share[du] * turn_share[dt]
        cells = (keypoint * shape[1] + v0 + (1 + dv)) * shape[2] + u0 + (1 + du)
        counts += np.bincount(cells * N_DIRECTIONS + (turn0 + dt) % N_DIRECTIONS, vote, minlength=len(counts))
    return counts.reshape(shape)[:, 1:-1, 1:-1].reshape(len(angle), -1)


def _split(
    coordinate: NDArray[np.float32],
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the bin below a coordinate, and the shares of that bin and of the next one."""
    below = np.floor(coordinate)
    share = coordinate - below
    return below.astype(np.int64), (1 - share, share)


def to_bytes(histograms: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Normalise (N, 128) histograms, clip, normalise again and store (Lowe 2004, 6.1); an empty one stays zero."""
    clipped = np.minimum(histograms, CLIP * np.linalg.norm(histograms, axis=1, keepdims=True))
    norm = np.linalg.norm(clipped, axis=1, keepdims=True)
    scaled = np.divide(NORM * clipped, norm, out=np.zeros_like(clipped), where=norm > 0)
    stored: NDArray[np.uint8] = np.minimum(np.rint(scaled), 255).astype(np.uint8)
    return stored
