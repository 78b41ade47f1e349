"""Learning a mixture of Gaussians by expectation and maximisation (Dempster et al. 1977), from a k-means start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from classicvision.encoding.mixture import DiagonalMixture, Moments, moments
from classicvision.encoding.nearest import PreparedWords, label_points
from classicvision.encoding.vocabulary import learn_words

__all__ = ["improve_mixture", "learn_mixture", "start_mixture"]

_BLOCK_ROWS = 8192  # points that one thread looks at at a time
_LEAST_SHARE = 1e-6  # of the largest variance of all numbers: none is smaller
_LEAST_POINTS = 1.0  # a component with fewer is given up, and half of the heaviest one takes its place
_START_PASSES = 5  # of k-means


def learn_mixture(
    points: NDArray[np.float32],
    n_components: int,
    rng: np.random.Generator,
    *,
    n_iterations: int = 15,
    variance_floor: float = 1e-3,
    n_threads: int = 1,
) -> DiagonalMixture:
    """Fit a mixture of Gaussians with diagonal covariance to points.

    Parameters
    ----------
    points : (N, D) float32
    n_components : int
        At least 1.
    rng : numpy.random.Generator
        Chooses the words that k-means starts from.
    n_iterations : int
        Passes of EM; 0 keeps what k-means found.
    variance_floor : float
        No variance is smaller than this share of the variance of all points in the same dimension.
    n_threads : int
        Used where there are kernels; it changes no bit of the result.

    Raises
    ------
    NotEnoughDataError
        If fewer than `n_components` points are different from each other.
    """
    start = start_mixture(points, n_components, rng, variance_floor=variance_floor, n_threads=n_threads)
    return improve_mixture(points, start, n_iterations=n_iterations, variance_floor=variance_floor, n_threads=n_threads)


def improve_mixture(
    points: NDArray[np.float32],
    start: DiagonalMixture,
    *,
    n_iterations: int = 15,
    variance_floor: float = 1e-3,
    n_threads: int = 1,
) -> DiagonalMixture:
    """Improve a mixture by passes of EM over the points (N, D); options as in `learn_mixture`."""
    floor, mixture = _least_variances(points, variance_floor), start
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in range(n_iterations):
            mixture = _maximised(mixture, _expected(points, mixture, pool), floor)
    return mixture


def start_mixture(
    points: NDArray[np.float32],
    n_components: int,
    rng: np.random.Generator,
    *,
    variance_floor: float = 1e-3,
    n_threads: int = 1,
) -> DiagonalMixture:
    """Return the mixture whose components are the points (N, D) nearest to each word of a short k-means.

    A word without points has the variance of all.
    """
    words = learn_words(
        points, n_components, rng, max_iterations=_START_PASSES, n_threads=n_threads, setting="n_components"
    )
    floor = _least_variances(points, variance_floor)
    prepared, n_words = PreparedWords.of(words), len(words)
    counts, first, second = np.zeros(n_words), np.zeros(words.shape), np.zeros(words.shape)
    for start in range(0, len(points), _BLOCK_ROWS):
        block = points[start : start + _BLOCK_ROWS]
        labels = label_points(block, prepared)
        order = np.argsort(labels, kind="stable")
        here, begins = np.unique(labels[order], return_index=True)
        difference = block[order].astype(np.float64) - words[labels[order]]
        counts += np.bincount(labels, minlength=n_words)
        first[here] += np.add.reduceat(difference, begins)
        second[here] += np.add.reduceat(np.square(difference), begins)
    n = np.maximum(counts, 1)[:, np.newaxis]
    means, variances = words + first / n, second / n - np.square(first / n)
    variances[counts == 0] = points.var(axis=0, dtype=np.float64)
    return _mixture(counts, means, variances, floor)


def _least_variances(points: NDArray[np.float32], share: float) -> NDArray[np.float64]:
    variances: NDArray[np.float64] = points.var(axis=0, dtype=np.float64)
    # Numbers that are the same in all points: their rounding errors must not decide whose point it is.
    least = max(_LEAST_SHARE * float(variances.max()), float(np.finfo(np.float32).tiny))
    return np.maximum(share * variances, least)


def _expected(points: NDArray[np.float32], mixture: DiagonalMixture, pool: ThreadPoolExecutor) -> Moments:
    """Return the moments of all points; the blocks are added in their order, whoever has computed them."""
    blocks = (points[start : start + _BLOCK_ROWS] for start in range(0, len(points), _BLOCK_ROWS))
    total = Moments.zero(mixture)
    for part in pool.map(lambda block: moments(block, mixture), blocks):
        total += part
    return total


def _maximised(mixture: DiagonalMixture, found: Moments, floor: NDArray[np.float64]) -> DiagonalMixture:
    """Return the mixture that suits the moments best: each component takes the mean and variance of its points."""
    n = np.maximum(found.zeroth, _LEAST_POINTS)[:, np.newaxis]
    variances = mixture.variances.astype(np.float64)
    step = found.first / n  # in deviations
    means = mixture.means + step * np.sqrt(variances)
    return _mixture(found.zeroth, means, variances * (found.second / n - np.square(step)), floor)


def _mixture(
    counts: NDArray[np.float64],
    means: NDArray[np.float64],
    variances: NDArray[np.float64],
    floor: NDArray[np.float64],
) -> DiagonalMixture:
    """Return a mixture without empty components and without variances below the floor."""
    counts, means, variances = counts.copy(), means.copy(), np.maximum(variances, floor)
    for empty in np.flatnonzero(counts < _LEAST_POINTS):
        # Half of the heaviest component, which is cut in two across the direction in which it is widest.
        heavy = int(counts.argmax())
        widest = int(variances[heavy].argmax())
        counts[heavy] = counts[empty] = counts[heavy] / 2
        means[empty], variances[empty] = means[heavy], variances[heavy]
        step = np.sqrt(variances[heavy, widest]) / 2
        means[empty, widest] += step
        means[heavy, widest] -= step
    weights = np.maximum(counts, np.finfo(np.float32).tiny) / counts.sum()
    return DiagonalMixture(*(array.astype(np.float32) for array in (weights, means, variances)))
