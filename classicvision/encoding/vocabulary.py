"""The visual vocabulary: a sample of descriptors, the words learned from it, and the words nearest to a descriptor."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import NotEnoughDataError
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["learn_words", "nearest_words", "sample_descriptors"]

# Numbers in one block of distances. Small enough to stay in a processor's cache, which larger blocks do not repay.
_BLOCK_NUMBERS = 2**18
_BLOCK_ROWS = 4096
_LARGEST_NORM = 1e15  # beyond it squared distances leave the range of float32


def sample_descriptors(items: Iterable[LocalFeatures], n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw descriptors from many images, each with the same chance, in one pass.

    The images are looked at one by one; beside the sample only one of them is held. How the descriptors are divided
    among the images does not change the sample.

    Parameters
    ----------
    items : iterable of LocalFeatures
    n : int
        Descriptors to keep, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    (min(n, total), 128) uint8
        In no particular order; all descriptors, in order, if there are no more than n.
    """
    if n < 1:
        raise ValueError(f"n is {n}; a sample has at least 1 descriptor")
    sample = np.empty((n, DESCRIPTOR_SIZE), np.uint8)
    n_seen = 0
    for item in items:
        _put_in_reservoir(sample, n_seen, item.descriptors, rng)
        n_seen += len(item)
    return sample if n_seen >= n else sample[:n_seen].copy()


def learn_words(
    descriptors: NDArray[Any], n_words: int, rng: np.random.Generator, *, max_iterations: int = 10
) -> NDArray[np.float32]:
    """Cluster descriptors with k-means; the centres are the words.

    Parameters
    ----------
    descriptors : (N, D) array
    n_words : int
        At least 1.
    rng : numpy.random.Generator
        Chooses the starting words. The result does not depend on the number of threads.
    max_iterations : int
        Passes over the descriptors; fewer if the words come to rest.

    Returns
    -------
    (n_words, D) float32

    Raises
    ------
    NotEnoughDataError
        If fewer than `n_words` descriptors are different from each other.

    Notes
    -----
    Lloyd's algorithm from randomly chosen descriptors. `benchmarks/vocabulary.py` compares ways to learn 1000 words
    from 100,000 RootSIFT descriptors of Scene-15, in CPU seconds on one thread and in the mean squared distance of
    other descriptors to their word. Ten passes take 4 s and end 0.2 % above the words at rest (25 s). A k-means++ start
    takes 15 s more and ends 0.02 % lower. MiniBatchKMeans takes 2.5 s and ends 1.9 % above the words at rest, or 3.7 s
    and 0.9 % with batches of 4096.
    """
    if n_words < 1:
        raise ValueError(f"n_words is {n_words}; a vocabulary has at least 1 word")
    points = np.ascontiguousarray(descriptors, np.float32)
    start = _distinct_rows(points, n_words, rng)
    if len(start) < n_words:
        raise NotEnoughDataError(
            f"{len(points)} descriptor(s), {len(start)} of them different, cannot make {n_words} words. "
            f"Add images, lower the contrast threshold of the extractor, or set n_words to {len(start)} at most."
        )
    return _lloyd(points, points[start], max_iterations)


def nearest_words(
    descriptors: NDArray[Any], words: NDArray[np.float32], m: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the m words nearest to each descriptor, exactly.

    Words that can be nearest are found by a matrix product in float32; among them float64 decides. So the answer does
    not depend on the linear algebra library, its threads, or the other descriptors.

    Parameters
    ----------
    descriptors : (N, D) array
    words : (K, D) float32
    m : int
        From 1 to K.

    Returns
    -------
    indices : (N, m) int32
        Nearest first; of equally near words the one of smaller index.
    squared_distances : (N, m) float32

    Notes
    -----
    Works in blocks: beside the result and one copy of the words it needs less than 32 MiB, for any N.
    """
    _require_comparable(descriptors, words, m)
    indices = np.empty((len(descriptors), m), np.int32)
    squared_distances = np.empty((len(descriptors), m), np.float32)
    n_rows = min(max(_BLOCK_NUMBERS // len(words), 1), _BLOCK_ROWS)
    squared_norms = np.einsum("ij,ij->i", words, words)
    factors = -2 * words.T
    for start in range(0, len(descriptors), n_rows):
        block = np.asarray(descriptors[start : start + n_rows], np.float32)
        rows, columns = _candidates(block, factors, squared_norms, m)
        here = slice(start, start + len(block))
        indices[here], squared_distances[here] = _choose_nearest(block, words, rows, columns, m)
    return indices, squared_distances


def _put_in_reservoir(
    sample: NDArray[np.uint8], n_seen: int, descriptors: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    """Offer the descriptors after the first `n_seen` to a sample (n, D), in place."""
    n = len(sample)
    n_free = min(max(n - n_seen, 0), len(descriptors))
    sample[n_seen : n_seen + n_free] = descriptors[:n_free]
    # Vitter (1985), algorithm R: descriptor number t draws one of t places and is kept if that is among the first n.
    # Where two draw the same place the assignment leaves the later one, as it would one by one.
    number = np.arange(n_seen + n_free, n_seen + len(descriptors)) + 1
    place = rng.integers(0, number)
    kept = place < n
    sample[place[kept]] = descriptors[n_free:][kept]


def _distinct_rows(points: NDArray[np.float32], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the indices of n random rows that all differ, or of all that differ if those are fewer."""
    seen: dict[bytes, int] = {}
    for row in rng.permutation(len(points)).tolist():
        if len(seen) == n:
            break
        seen.setdefault(points[row].tobytes(), row)
    return np.fromiter(seen.values(), np.intp, len(seen))


def _lloyd(points: NDArray[np.float32], start: NDArray[np.float32], max_iterations: int) -> NDArray[np.float32]:
    """Move the words (K, D) to the mean of the points (N, D) nearest to them, until they rest."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    kmeans = KMeans(len(start), init=start, n_init=1, max_iter=max_iterations, algorithm="lloyd", random_state=0)
    # Threads add up their parts of a mean in the order in which they finish, and float32 sums depend on the order.
    with threadpool_limits(1), warnings.catch_warnings():
        # Said when two words coincide. The second of them then gets no votes, which does no harm.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans.fit(points)
    return np.ascontiguousarray(kmeans.cluster_centers_, np.float32)


def _require_comparable(descriptors: NDArray[Any], words: NDArray[Any], m: int) -> None:
    if descriptors.ndim != 2 or words.ndim != 2 or descriptors.shape[1] != words.shape[1]:
        raise ValueError(f"descriptors {descriptors.shape} and words {words.shape} must be (N, D) and (K, D)")
    if not 1 <= m <= len(words):
        raise ValueError(f"m is {m}; there are {len(words)} words to choose from")
    for name, array in (("descriptors", descriptors), ("words", words)):
        # The largest and the smallest number are NaN where any number is.
        if array.size and not max(abs(float(array.max())), abs(float(array.min()))) < _LARGEST_NORM:
            raise ValueError(f"{name} hold numbers that are not finite, or not below {_LARGEST_NORM:g}")


def _candidates(
    block: NDArray[np.float32], factors: NDArray[np.float32], squared_norms: NDArray[np.float32], m: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return (row, word) pairs, sorted, that surely contain the m nearest words of each row.

    Compared is |w|^2 - 2 d.w, the squared distance less |d|^2, which is the same for all words. `factors` is -2 w,
    (D, K).
    """
    score = block @ factors
    score += squared_norms
    limit = score.min(axis=1) if m == 1 else np.partition(score, m - 1, axis=1)[:, m - 1]
    # Higham (2002), section 3.1: a dot product of D terms errs by less than gamma |d| |w|, gamma = D u / (1 - D u).
    # Each score errs by less than `error`, the limit too. The 8 covers the sums, and the norms' own rounding.
    gamma = (block.shape[1] + 8) * 2.0**-24
    longest = np.sqrt(squared_norms.max())
    error = gamma * longest * (2 * np.sqrt(np.einsum("ij,ij->i", block, block)) + longest)
    rows, columns = np.nonzero(score <= (limit + 2 * error)[:, np.newaxis])
    return rows, columns


def _choose_nearest(
    block: NDArray[np.float32],
    words: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    m: int,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the m nearest of each row's candidates and their squared distances, (B, m) each."""
    distance = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        pairs = slice(start, start + _BLOCK_ROWS)
        difference = block[rows[pairs]].astype(np.float64)
        difference -= words[columns[pairs]]
        distance[pairs] = np.einsum("ij,ij->i", difference, difference)
    order = np.lexsort((columns, distance, rows))
    first = np.searchsorted(rows, np.arange(len(block)))
    chosen = order[first[:, np.newaxis] + np.arange(m)]
    return columns[chosen], distance[chosen]
