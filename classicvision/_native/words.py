"""Nearest words and sums for means by the compiled kernels, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["MOST_NEAREST", "add_points", "has_room_for", "nearest", "prepare"]

MOST_NEAREST = 16  # words that the kernel finds for one descriptor
_MOST_DIMENSIONS = 1024
_MOST_WORDS = 2**24
_ALIGNMENT = 64  # bytes of the widest vector


def has_room_for(words: NDArray[np.float32]) -> bool:
    """Return whether the kernel can search words (K, D)."""
    return 1 <= len(words) <= _MOST_WORDS and 1 <= words.shape[1] <= _MOST_DIMENSIONS


def prepare(words: NDArray[np.float32], basis: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
    """Return the table that the kernel searches, for words (K, D), finite and contiguous.

    The table is for the loaded instruction set. It takes one byte per word and direction, or four on an instruction set
    without byte products.

    Parameters
    ----------
    words : (K, D) float32
    basis : (D, n) float32 or None
        Orthonormal columns, fewer than D: the directions in which words and points are compared first. They do
        not change the results of a search, only its speed. None takes the D dimensions themselves.
    """
    n_kept = words.shape[1] if basis is None else basis.shape[1]
    size = kernels.words_table_size(words.shape[0], words.shape[1], n_kept)
    room = np.empty(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    table = room[start : start + size]
    kernels.prepare_words(words, basis, table)
    table.flags.writeable = False
    return table


def nearest(
    points: NDArray[np.float32] | NDArray[np.uint8],
    words: NDArray[np.float32],
    table: NDArray[np.uint8],
    indices: NDArray[np.int32],
    squared_distances: NDArray[np.float32] | None = None,
    *,
    n_kept: int | None = None,
    as_root_sift: bool = False,
) -> None:
    """Write the m nearest words of each point into `indices`, and their squared distances if wanted.

    Parameters
    ----------
    points : (N, D) float32 or uint8, contiguous
        A ValueError is raised for numbers that are not finite.
    words : (K, D) float32
    table
        What `prepare` returned for the words.
    indices, squared_distances : (N, m)
        Written. An index of -1 at the start of a row says that too many words are too nearly equal for the kernel.
    n_kept : int or None
        Directions of the basis that the table was prepared with; None without a basis.
    as_root_sift : bool
        Points are the RootSIFT of the uint8 given.
    """
    kept = words.shape[1] if n_kept is None else n_kept
    kernels.nearest_words(points, as_root_sift, words, kept, table, indices, squared_distances)


def add_points(
    points: NDArray[np.float32] | NDArray[np.uint8],
    labels: NDArray[np.int32],
    n_words: int,
    *,
    as_root_sift: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sum of the points (N, D) of each label, (n_words, D), and their number, (n_words,)."""
    sums = np.zeros((n_words, points.shape[1]))
    counts = np.zeros(n_words, np.int64)
    kernels.add_points(points, as_root_sift, labels, sums, counts)
    return sums, counts
