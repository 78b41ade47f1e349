"""Dense SIFT by the compiled kernel, as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["MAX_BIN_SIZE", "describe_dense"]

MAX_BIN_SIZE = 256  # pixels; the largest that fits the kernel's sums


def describe_dense(
    gray: NDArray[np.uint8],
    bin_sizes: Sequence[int],
    *,
    step: int,
    first: Sequence[int],
    magnification: float,
    window: float,
    contrast: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], list[int]]:
    """Describe the patches of several sizes on a grey image.

    Parameters
    ----------
    gray : (H, W) uint8
    bin_sizes, first : sequences of int
        Side of a cell, and centre of the first cell, of each patch size; pixels.
    step, magnification, window
        As in `classicvision.features.patches.describe_patches`.
    contrast : float
        Patches with a smaller response are skipped.

    Returns
    -------
    xy : (N, 2) float32
        Centres of the patches in pixels, size after size, each row by row.
    response : (N,) float32
        Norm of a patch's histogram over bin_size^2, for grey values in [0, 1].
    descriptors : (N, 128) uint8
    counts : list of int
        Patches of each size.
    """
    gray = np.ascontiguousarray(gray)
    room = [_count_grid(gray.shape, size, start, step) for size, start in zip(bin_sizes, first, strict=True)]
    xy, response = np.empty((sum(room), 2), np.float32), np.empty(sum(room), np.float32)
    descriptors = np.empty((sum(room), 128), np.uint8)
    counts: list[int] = []
    for size, start, most in zip(bin_sizes, first, room, strict=True):
        here = slice(sum(counts), sum(counts) + most)
        columns = xy[here], response[here], descriptors[here]
        counts.append(kernels.describe_dense(gray, step, size, start, magnification, window, contrast, *columns))
    n = sum(counts)
    return xy[:n], response[:n], descriptors[:n], counts


def _count_grid(shape: tuple[int, ...], bin_size: int, first: int, step: int) -> int:
    """Return how many patches have all their cells centred within an image."""
    rows, columns = (len(range(first, length - 3 * bin_size, step)) for length in shape)
    return rows * columns
