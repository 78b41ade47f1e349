"""SIFT by the compiled kernel, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["MAX_LAYERS", "find_sift"]

MAX_LAYERS = 60  # per octave; the kernel's limit


def find_sift(
    gray: NDArray[np.uint8],
    *,
    n_layers: int,
    sigma: float,
    contrast: float,
    edge_ratio: float,
    upsample: bool,
    fast: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Find and describe the keypoints of a grey image.

    Parameters
    ----------
    gray : (H, W) uint8
    n_layers, sigma, contrast, edge_ratio, upsample
        As in `classicvision.features.sift.Sift`.
    fast : bool
        Keep the scale space in int16 instead of float32.

    Returns
    -------
    frames : (N, 5) float32
        x, y, scale (sigma), all in pixels, angle (radians, clockwise on the screen) and response; strongest first,
        equal responses by x, y, scale and angle.
    descriptors : (N, 128) uint8
    """
    settings = n_layers, sigma, contrast, edge_ratio, upsample, fast
    frames, descriptors = kernels.find_sift(np.ascontiguousarray(gray), *settings)
    return np.frombuffer(frames, np.float32).reshape(-1, 5), np.frombuffer(descriptors, np.uint8).reshape(-1, 128)
