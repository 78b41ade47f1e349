"""Dense SIFT by the compiled kernel, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["MAX_BIN_SIZE", "describe_dense"]

MAX_BIN_SIZE = 256  # pixels; what the kernel's sums have room for


def describe_dense(
    gray: NDArray[np.uint8],
    bin_size: int,
    *,
    step: int,
    first: int,
    magnification: float,
    window: float,
    contrast: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Describe the patches of one size on a grey picture.

    Parameters
    ----------
    gray : (H, W) uint8
    bin_size, step, first, magnification, window
        As in `classicvision.features.patches.describe_patches`.
    contrast : float
        Patches of a smaller response are left out.

    Returns
    -------
    xy : (N, 2) float32
        Centres of the patches in pixels, row by row.
    response : (N,) float32
        Norm of a patch's histogram over bin_size^2, for grey values in [0, 1].
    descriptors : (N, 128) uint8
    """
    n_rows, n_columns = (len(range(first, length - 3 * bin_size, step)) for length in gray.shape)
    n_patches = n_rows * n_columns  # before those of little contrast are left out
    xy, response = np.empty((n_patches, 2), np.float32), np.empty(n_patches, np.float32)
    descriptors = np.empty((n_patches, 128), np.uint8)
    n_kept = kernels.describe_dense(
        np.ascontiguousarray(gray), step, bin_size, first, magnification, window, contrast, xy, response, descriptors
    )
    return xy[:n_kept], response[:n_kept], descriptors[:n_kept]
