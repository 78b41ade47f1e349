"""Gaussian mixtures learned by expectation maximisation (Dempster et al. 1977), initialised by k-means."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from classicvision.encoding.mixture import DiagonalMixture, Moments, moments
from classicvision.encoding.nearest import PreparedWords, label_points
from classicvision.encoding.vocabulary import learn_words

__all__ = ["improve_mixture", "learn_mixture", "start_mixture"]

_BLOCK_ROWS = 8192  # points per block and thread
_LEAST_SHARE = 1e-6  # lower limit of variances, relative to the largest one of all dimensions
_LEAST_POINTS = 1.0  # a component with fewer points is replaced by half of the heaviest one
_START_PASSES = 5  # iterations of k-means


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
        Chooses the initial words of k-means.
    n_iterations : int
        Iterations of EM; 0 keeps the k-means initialisation.
    variance_floor : float
        Lower limit of variances, relative to the variance of all points in the same dimension. Larger values prevent
        components from collapsing onto a few points.
    n_threads : int
        Used by the compiled kernels; the result does not depend on it.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than `n_components` distinct points.
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
    """Refine a mixture by iterations of EM on points (N, D); options as in `learn_mixture`."""
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
    """Return the mixture whose components are the clusters of points (N, D) after a few iterations of k-means.

    An empty cluster gets the variance of all points.
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
    # In constant dimensions, rounding errors must not affect the posteriors.
    least = max(_LEAST_SHARE * float(variances.max()), float(np.finfo(np.float32).tiny))
    return np.maximum(share * variances, least)


def _expected(points: NDArray[np.float32], mixture: DiagonalMixture, pool: ThreadPoolExecutor) -> Moments:
    """Return the moments of all points; blocks are added in a fixed order, independent of the threads."""
    blocks = (points[start : start + _BLOCK_ROWS] for start in range(0, len(points), _BLOCK_ROWS))
    total = Moments.zero(mixture)
    for part in pool.map(lambda block: moments(block, mixture), blocks):
        total += part
    return total


def _maximised(mixture: DiagonalMixture, found: Moments, floor: NDArray[np.float64]) -> DiagonalMixture:
    """Return the maximum-likelihood mixture: each component takes the weighted mean and variance of the points."""
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
        # Split the heaviest component in two along the dimension of its largest variance.
        heavy = int(counts.argmax())
        widest = int(variances[heavy].argmax())
        counts[heavy] = counts[empty] = counts[heavy] / 2
        means[empty], variances[empty] = means[heavy], variances[heavy]
        step = np.sqrt(variances[heavy, widest]) / 2
        means[empty, widest] += step
        means[heavy, widest] -= step
    weights = np.maximum(counts, np.finfo(np.float32).tiny) / counts.sum()
    return DiagonalMixture(*(array.astype(np.float32) for array in (weights, means, variances)))
