"""Matching keypoints by the compiled kernels, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = [
    "count_agreeing",
    "count_paired",
    "count_places",
    "find_errors",
    "find_moments",
    "fit_homography",
    "nearest_two",
    "root_bytes",
]


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
    """Return how many matches agree with each; see agreement.cpp for the columns (8, N)."""
    counts = np.empty(columns.shape[1], np.int32)
    kernels.count_agreeing(columns, log_scale, tip, cone, least_cosine, most_log_scale, counts)
    return counts


def fit_homography(
    a: NDArray[np.float64], b: NDArray[np.float64], start: NDArray[np.float64], *, n_steps: int, settled: float
) -> NDArray[np.float64]:
    """Return the homography (3, 3) of least squared distances between points (N, 2), from a near one."""
    h = np.array(start, np.float64, order="C")
    kernels.fit_homography(np.ascontiguousarray(a), np.ascontiguousarray(b), n_steps, settled, h)
    return h


def find_moments(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (6, 2): the means of points (N, 2) of a and of b; from these, the sums of products of a and a, a and b."""
    moments = np.empty((6, 2))
    kernels.find_moments(np.ascontiguousarray(a), np.ascontiguousarray(b), moments)
    return moments


def find_errors(
    points: tuple[NDArray[np.float64], NDArray[np.float64]],
    frames: tuple[NDArray[np.float64], NDArray[np.float64]],
    transform: NDArray[np.float64],
    expected: tuple[float, float],
    most: tuple[float, float],
) -> NDArray[np.float64]:
    """Return how far a transform takes the first points (N, 2) from the second ones, (N,).

    Infinite where turn and logarithm of the scale, in `frames`, are farther from what is expected than `most`.
    """
    errors = np.empty(len(points[0]))
    (turn, ratio), (most_turn, most_ratio) = expected, most
    start, end = (np.ascontiguousarray(one) for one in points)
    kernels.find_errors(
        start, end, *frames, np.ascontiguousarray(transform), turn, most_turn, ratio, most_ratio, errors
    )
    return errors


def count_paired(
    points: tuple[NDArray[np.float64], NDArray[np.float64]],
    frames: tuple[NDArray[np.float64], NDArray[np.float64]],
    shifts: NDArray[np.int32],
    transform: NDArray[np.float64],
    expected: tuple[float, float],
    most: tuple[float, float],
    tolerances: NDArray[np.float64],
    *,
    from_b: bool,
) -> NDArray[np.int64]:
    """Count, for each tolerance, the keypoints of a that agree with a partner shifted by some rows.

    `points` are those of a and of b, (N, 2) each; `frames` angles and logarithms of scales, (2, N); with `from_b` the
    transform takes b to a.
    """
    counts = np.empty(len(tolerances), np.int64)
    a, b, angle, log_scale = (np.ascontiguousarray(one) for one in (*points, *frames))
    (turn, ratio), (most_turn, most_ratio) = expected, most
    h = np.ascontiguousarray(transform)
    kernels.count_paired(
        a, b, angle, log_scale, shifts, from_b, h, turn, most_turn, ratio, most_ratio, tolerances, counts
    )
    return counts


def count_places(
    errors: NDArray[np.float64], places: NDArray[np.int32], tolerances: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Count, for each tolerance, the places (numbers below N) that hold an error (N,) up to it."""
    counts = np.empty(len(tolerances), np.int32)
    kernels.count_places(errors, places, tolerances, counts)
    return counts
