"""k-means with the compiled kernels: Lloyd's algorithm with exact nearest-word search (Lloyd 1982)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision._native.words import add_points
from classicvision.encoding.nearest import PreparedWords, label_points, plain_points

__all__ = ["lloyd"]

_BLOCK_ROWS = 8192  # points per block and thread


def lloyd(
    points: NDArray[Any],
    start: NDArray[np.float32],
    max_iterations: int,
    *,
    n_threads: int = 1,
    as_root_sift: bool = False,
) -> NDArray[np.float32]:
    """Move words to the mean of the points nearest to them until the assignments no longer change.

    Parameters
    ----------
    points : (N, D) float32 or uint8, contiguous
        uint8 points are converted block by block, without a copy of all points.
    start : (K, D) float32
        Initial words.
    max_iterations : int
        Largest number of passes over the points.
    n_threads : int
        The result does not depend on it: points are assigned independently and sums have a fixed order.
    as_root_sift : bool
        Cluster the RootSIFT of uint8 points.

    Returns
    -------
    (K, D) float32

    Notes
    -----
    Words without points move to the points farthest from their words, as in scikit-learn. If there are fewer points
    than such words, the remaining ones are not moved.
    """
    if not len(points):
        return start
    task = _Task(points, as_root_sift)
    words, labels = start, np.full(len(points), -1, np.int32)
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in range(max_iterations):
            before, labels = labels, task.label(words, pool)
            if np.array_equal(before, labels):
                break
            words = task.means(labels, words)
    return words


@dataclass(frozen=True, eq=False)
class _Task:
    points: NDArray[Any]
    as_root_sift: bool

    def label(self, words: NDArray[np.float32], pool: ThreadPoolExecutor) -> NDArray[np.int32]:
        """Return the nearest word of each point, (N,)."""
        prepared = PreparedWords.of(words)

        def label_block(start: int) -> NDArray[np.int32]:
            block = self.points[start : start + _BLOCK_ROWS]
            return label_points(block, prepared, as_root_sift=self.as_root_sift)

        return np.concatenate(list(pool.map(label_block, range(0, len(self.points), _BLOCK_ROWS))))

    def means(self, labels: NDArray[np.int32], words: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the points of each label; words without points take the farthest points."""
        sums, counts = self._sums(labels, len(words))
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            moved = labels.copy()
            far = self._farthest(labels, words, len(empty))
            moved[far] = empty[: len(far)]
            sums, counts = self._sums(moved, len(words))
        has_points = counts[:, np.newaxis] > 0
        return np.where(has_points, sums / np.maximum(counts, 1)[:, np.newaxis], words).astype(np.float32)

    def _sums(self, labels: NDArray[np.int32], n_words: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return add_points(self.points, labels, n_words, as_root_sift=self.as_root_sift)

    def _farthest(self, labels: NDArray[np.int32], words: NDArray[np.float32], n: int) -> NDArray[np.intp]:
        """Return the indices of the n points farthest from their words; ties by index."""
        squared = np.empty(len(self.points))
        for start in range(0, len(self.points), _BLOCK_ROWS):
            here = slice(start, start + _BLOCK_ROWS)
            block = plain_points(self.points[here], as_root_sift=self.as_root_sift)
            difference = block.astype(np.float64) - words[labels[here]]
            squared[here] = np.einsum("ij,ij->i", difference, difference)
        return np.argsort(-squared, kind="stable")[:n]
