"""Step 3 of SIFT: the orientation of each blob, from the gradients around it.

Lowe (2004), section 5. Gradient directions vote in a histogram of 36 bins, weighted by magnitude and by a Gaussian of
1.5 times the blob's scale. The highest peak and every other peak of at least 80 % of it give one keypoint each; a
parabola through three bins locates the peak.

Where this differs from Lowe, it follows OpenCV: bins are centred on multiples of 10 degrees, and the histogram is
smoothed once with (1, 4, 6, 4, 1) / 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.extrema import Blobs
from classicvision.features.scalespace import ScaleSpace

__all__ = ["assign_orientations", "gradient_at", "split_by_work"]

N_BINS: Final = 36
WINDOW: Final = 1.5  # sigma of the weights, in scales of the blob
REACH: Final = 3.0  # half the side of the sampled square, in sigmas of the weights
PEAK_RATIO: Final = 0.8  # a peak of at least this fraction of the highest one gives a keypoint too
BLOCK: Final = 1_000_000  # samples per block, which bounds the memory


def assign_orientations(space: ScaleSpace, blobs: Blobs) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the dominant gradient directions of the blobs.

    Returns
    -------
    rows : (M,) intp
        Index of the blob of each keypoint. A blob has one keypoint or more, or none where the image is uniform.
    angle : (M,) float64
        Radians in [0, 2 pi), clockwise on the screen.
    """
    histograms = np.zeros((len(blobs), N_BINS))
    for octave, layer, rows in blobs.by_level():
        sigma = blobs.scale[rows] / space.spacing(octave)
        half_side = np.rint(REACH * WINDOW * sigma).astype(np.int64)
        for part in split_by_work(half_side):
            chosen = rows[part]
            centre = blobs.row[chosen], blobs.column[chosen]
            level = space.gaussians[octave][layer]
            histograms[chosen] = _count_directions(level, *centre, sigma[part], half_side[part])
    return _find_peaks(_smooth(histograms))


def split_by_work(half_side: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield row indices in blocks of similar half_side, with a bounded number of samples in their squares."""
    order = np.argsort(half_side, kind="stable")
    if len(order):
        n_rows = max(1, BLOCK // (2 * int(half_side.max()) + 1) ** 2)
        yield from np.split(order, range(n_rows, len(order), n_rows))


def gradient_at(
    level: NDArray[np.float32], row: NDArray[np.int64], column: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return magnitude and angle (radians, clockwise on the screen) of the gradient at samples off the border.

    Central differences, not halved (Lowe 2004, section 5).
    """
    width = level.shape[1]
    samples, index = level.ravel(), row * width + column
    dx = samples[index + 1] - samples[index - 1]
    dy = samples[index + width] - samples[index - width]
    return np.sqrt(dx * dx + dy * dy), np.arctan2(dy, dx)


def _count_directions(
    level: NDArray[np.float32],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    sigma: NDArray[np.float64],
    half_side: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the (N, 36) weighted histograms of directions around N samples of one level."""
    height, width = level.shape
    step = np.arange(-half_side.max(), half_side.max() + 1)
    in_reach = np.abs(step) <= half_side[:, None]
    rows, columns = row[:, None] + step, column[:, None] + step
    row_counts = in_reach & (rows > 0) & (rows < height - 1)
    column_counts = in_reach & (columns > 0) & (columns < width - 1)
    blob, i, j = np.nonzero(row_counts[:, :, None] & column_counts[:, None, :])
    magnitude, angle = gradient_at(level, rows[blob, i], columns[blob, j])
    # The Gaussian of the distance is separable.
    weight = np.exp(-(step**2) / (2 * (WINDOW * sigma[:, None]) ** 2))
    vote = magnitude * weight[blob, i] * weight[blob, j]
    bins = np.rint(angle * (N_BINS / (2 * np.pi))).astype(np.int64) % N_BINS
    counts = np.zeros(len(row) * N_BINS)
    counts += np.bincount(blob * N_BINS + bins, vote, minlength=len(counts))
    return counts.reshape(len(row), N_BINS)


def _smooth(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blur (N, 36) circular histograms with (1, 4, 6, 4, 1) / 16."""
    near = np.roll(histograms, 1, axis=1) + np.roll(histograms, -1, axis=1)
    far = np.roll(histograms, 2, axis=1) + np.roll(histograms, -2, axis=1)
    return (6 * histograms + 4 * near + far) / 16


def _find_peaks(histograms: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the row and the angle of each peak of (N, 36) histograms."""
    left, right = np.roll(histograms, 1, axis=1), np.roll(histograms, -1, axis=1)
    highest = histograms.max(axis=1, initial=0.0, keepdims=True)
    is_peak = (histograms > left) & (histograms > right) & (histograms >= PEAK_RATIO * highest)
    rows, bins = np.nonzero(is_peak)
    low, top, high = left[rows, bins], histograms[rows, bins], right[rows, bins]
    # The vertex of the parabola through three neighbouring bins.
    exact = bins + 0.5 * (low - high) / (low - 2 * top + high)
    return rows, np.mod(exact * (2 * np.pi / N_BINS), 2 * np.pi)
