"""Initialisation of k-means: random points, or points far from each other by k-means|| (Bahmani et al. 2012)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.encoding.nearest import PreparedWords, nearest_words, plain_points

__all__ = ["random_start", "scalable_start"]

# Bahmani et al. (2012), section 5: candidates per word and round, and number of rounds.
_OVERSAMPLING = 2.0
_N_ROUNDS = 3
_BLOCK_ROWS = 8192  # points per block and thread
_MOST_DRAWN = 256  # words drawn before the distances of all candidates are updated


def random_start(
    points: NDArray[Any], n_words: int, rng: np.random.Generator, *, as_root_sift: bool = False
) -> NDArray[np.float32]:
    """Draw distinct points uniformly from points (N, D), (n_words, D); fewer if fewer are distinct."""
    seen: dict[bytes, None] = {}
    order = rng.permutation(len(points))
    for start in range(0, len(points), max(n_words, 1)):
        for point in plain_points(points[order[start : start + n_words]], as_root_sift=as_root_sift):
            if len(seen) < n_words:
                seen.setdefault(point.tobytes())
        if len(seen) == n_words:
            break
    return np.frombuffer(b"".join(seen), np.float32).reshape(len(seen), points.shape[1])


def scalable_start(
    points: NDArray[Any],
    n_words: int,
    rng: np.random.Generator,
    *,
    n_threads: int = 1,
    as_root_sift: bool = False,
) -> NDArray[np.float32]:
    """Draw points that are far from each other, by k-means|| (Bahmani et al. 2012, algorithm 2).

    Parameters
    ----------
    points : (N, D) float32 or uint8, contiguous
        uint8 points are not copied.
    n_words : int
        At least 1.
    rng : numpy.random.Generator
    n_threads : int
        The result does not depend on it.
    as_root_sift : bool
        Use the RootSIFT of uint8 points.

    Returns
    -------
    (n_words, D) float32
        Distinct points; fewer if fewer points differ by more than float32 can square.

    Notes
    -----
    In addition to the points it keeps three values per point and about six candidates per word. It takes as long as six
    to ten iterations of Lloyd's algorithm.
    """
    if not len(points):
        return np.empty((0, points.shape[1]), np.float32)
    rows, weights = _draw_candidates(points, n_words, rng, n_threads, as_root_sift)
    candidates = points[rows]
    chosen = _draw_words(candidates, weights, n_words, rng, as_root_sift)
    return plain_points(candidates[chosen], as_root_sift=as_root_sift)


def _draw_candidates(
    points: NDArray[Any], n_words: int, rng: np.random.Generator, n_threads: int, as_root_sift: bool
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the rows of distinct candidates, and the number of points nearest to each."""
    n_points = len(points)
    cover = _Cover(points, as_root_sift, n_threads, np.zeros(n_points, np.int64), np.full(n_points, np.inf))
    rows = rng.integers(n_points, size=1)
    cover.add(rows, 0)
    n_rounds = 0
    # More rounds are needed if many points are equal, because duplicates among the drawn candidates are removed.
    while n_rounds < _N_ROUNDS or len(rows) < n_words:
        total = cover.squared.sum()
        if not total > 0:
            break
        drawn = rng.random(n_points) < _OVERSAMPLING * n_words * (cover.squared / total)
        new = _distinct(points, np.flatnonzero(drawn), as_root_sift)
        cover.add(new, len(rows))
        rows = np.concatenate([rows, new])
        n_rounds += 1
    return rows, np.bincount(cover.nearest, minlength=len(rows))


@dataclass(frozen=True, eq=False)
class _Cover:
    """The candidate nearest to each point, (N,), and the squared distance to it, (N,); `add` writes both."""

    points: NDArray[Any]
    as_root_sift: bool
    n_threads: int
    nearest: NDArray[np.int64]
    squared: NDArray[np.float64]

    def add(self, rows: NDArray[np.intp], n_before: int) -> None:
        """Add points as candidates, numbered from `n_before`. Points are processed independently."""
        if not len(rows):
            return
        words = PreparedWords.of(plain_points(self.points[rows], as_root_sift=self.as_root_sift))

        def compare_block(start: int) -> None:
            here = slice(start, start + _BLOCK_ROWS)
            found, squared = nearest_words(self.points[here], words, as_root_sift=self.as_root_sift)
            nearer = squared[:, 0] < self.squared[here]
            self.nearest[here][nearer] = n_before + found[nearer, 0]
            self.squared[here][nearer] = squared[nearer, 0]

        with ThreadPoolExecutor(self.n_threads) as pool:
            list(pool.map(compare_block, range(0, len(self.points), _BLOCK_ROWS)))


def _distinct(points: NDArray[Any], rows: NDArray[np.intp], as_root_sift: bool) -> NDArray[np.intp]:
    """Return the first of each set of rows with equal points."""
    plain = plain_points(points[rows], as_root_sift=as_root_sift) + np.float32(0)  # turns -0 into 0
    seen: dict[bytes, int] = {}
    for row, point in zip(rows.tolist(), plain, strict=True):
        seen.setdefault(point.tobytes(), row)
    return np.fromiter(seen.values(), np.intp, len(seen))


def _draw_words(
    candidates: NDArray[Any], weights: NDArray[np.int64], n: int, rng: np.random.Generator, as_root_sift: bool
) -> list[int]:
    """Draw n candidates (C, D), fewer if fewer are distinct, by weighted k-means++ (Arthur and Vassilvitskii 2007).

    Each is drawn with a probability proportional to its weight times the squared distance to the nearest word drawn
    before. The distances of all candidates are updated for many words together, see `_draw_some`.
    """
    chosen = [_draw(np.cumsum(weights, dtype=np.float64), rng)]
    squared = np.full(len(candidates), np.inf)
    latest = chosen
    while len(chosen) < n:
        words = plain_points(candidates[latest], as_root_sift=as_root_sift)
        squared = np.minimum(squared, nearest_words(candidates, words, as_root_sift=as_root_sift)[1][:, 0])
        masses = np.cumsum(weights * squared)
        if not masses[-1] > 0:
            break
        latest = _draw_some(candidates, squared, masses, min(n - len(chosen), _MOST_DRAWN), rng, as_root_sift)
        chosen = chosen + latest
    return chosen


def _draw_some(
    candidates: NDArray[Any],
    squared: NDArray[np.float64],
    masses: NDArray[np.float64],
    most: int,
    rng: np.random.Generator,
    as_root_sift: bool,
) -> list[int]:
    """Draw one to `most` candidates, until one is rejected.

    The masses are those before the first draw, so candidates near words drawn since are drawn too often. Rejection
    sampling (von Neumann 1951) corrects this: accepted candidates are distributed as if the masses were up to date.
    After a rejection the caller updates the masses, which keeps the distribution of the next draw correct.
    """
    drawn: list[int] = []
    words = np.empty((most, candidates.shape[1]))
    while len(drawn) < most:
        candidate = _draw(masses, rng)
        point = plain_points(candidates[candidate : candidate + 1], as_root_sift=as_root_sift)[0]
        difference = words[: len(drawn)] - point
        now = np.einsum("ij,ij->i", difference, difference).min(initial=np.inf)
        if drawn and not rng.random() * squared[candidate] < now:
            break
        words[len(drawn)] = point
        drawn.append(candidate)
    return drawn


def _draw(masses: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Draw an index with probability proportional to its mass, given the cumulative masses."""
    below = min(rng.random() * masses[-1], np.nextafter(masses[-1], 0))
    return int(np.searchsorted(masses, below, side="right"))
