"""k-means by the compiled kernels: Lloyd's algorithm with an exact search for the nearest word (Lloyd 1982)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from classicvision._native.words import add_points
from classicvision.encoding.nearest import PreparedWords, label_points

__all__ = ["lloyd"]

_BLOCK_ROWS = 8192  # points that one thread labels at a time


def lloyd(
    points: NDArray[np.float32], start: NDArray[np.float32], max_iterations: int, *, n_threads: int = 1
) -> NDArray[np.float32]:
    """Move words to the mean of the points nearest to them, until they rest.

    Parameters
    ----------
    points : (N, D) float32, contiguous
    start : (K, D) float32
    max_iterations : int
        Passes over the points.
    n_threads : int
        It changes no bit of the result: each point is labelled by itself, and the sums are taken in one order.

    Returns
    -------
    (K, D) float32

    Notes
    -----
    Words without points move to the points farthest from their words, as in scikit-learn.
    """
    words, labels = start, np.full(len(points), -1, np.int32)
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in range(max_iterations):
            before, labels = labels, _label(points, words, pool)
            if np.array_equal(before, labels):
                break
            words = _means(points, labels, words)
    return words


def _label(points: NDArray[np.float32], words: NDArray[np.float32], pool: ThreadPoolExecutor) -> NDArray[np.int32]:
    prepared = PreparedWords.of(words)
    blocks = [points[start : start + _BLOCK_ROWS] for start in range(0, len(points), _BLOCK_ROWS)]
    return np.concatenate(list(pool.map(lambda block: label_points(block, prepared), blocks)))


def _means(points: NDArray[np.float32], labels: NDArray[np.int32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the points of each label; a word without points takes a far one."""
    sums, counts = add_points(points, labels, len(words))
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        moved = labels.copy()
        moved[_farthest(points, labels, words, len(empty))] = empty
        sums, counts = add_points(points, moved, len(words))
    has_points = counts[:, np.newaxis] > 0
    return np.where(has_points, sums / np.maximum(counts, 1)[:, np.newaxis], words).astype(np.float32)


def _farthest(
    points: NDArray[np.float32], labels: NDArray[np.int32], words: NDArray[np.float32], n: int
) -> NDArray[np.intp]:
    """Return the indices of the n points farthest from their words; of equally far ones the first."""
    squared = np.empty(len(points))
    for start in range(0, len(points), _BLOCK_ROWS):
        here = slice(start, start + _BLOCK_ROWS)
        difference = points[here].astype(np.float64) - words[labels[here]]
        squared[here] = np.einsum("ij,ij->i", difference, difference)
    return np.argsort(-squared, kind="stable")[:n]
