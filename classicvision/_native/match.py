"""Matching keypoints by the compiled kernels, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["count_agreeing", "nearest_two", "root_bytes"]


def root_bytes(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RootSIFT of norm 512 of descriptors (N, D), rounded and clipped at 255."""
    roots = np.empty(descriptors.shape, np.uint8)
    kernels.root_bytes(np.ascontiguousarray(descriptors), roots)
    return roots


def nearest_two(
    a: NDArray[np.uint8], b: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Return rows (N, 2) and squared distances (N, 2) of the two nearest of b for each of a; and of a for each of b."""
    rows = [np.empty((len(one), 2), np.int32) for one in (a, b)]
    squared = [np.empty((len(one), 2), np.float32) for one in (a, b)]
    kernels.nearest_two(np.ascontiguousarray(a), np.ascontiguousarray(b), rows[0], squared[0], rows[1], squared[1])
    return rows[0], squared[0], rows[1], squared[1]


def count_agreeing(
    columns: NDArray[np.float32],
    log_scale: NDArray[np.float32],
    *,
    tip: float,
    cone: float,
    least_cosine: float,
    most_log_scale: float,
) -> NDArray[np.int32]:
    """Return how many matches agree with each; see agree.cpp for the columns (8, N)."""
    counts = np.empty(columns.shape[1], np.int32)
    kernels.count_agreeing(columns, log_scale, tip, cone, least_cosine, most_log_scale, counts)
    return counts
