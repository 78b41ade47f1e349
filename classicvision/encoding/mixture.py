"""Gaussian mixtures with diagonal covariance, and the moments of points under their posteriors.

`moments` is the E step of EM and the input of a Fisher vector. The compiled kernel computes it if it was built,
otherwise NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.encoding.codebook import frozen_array

if TYPE_CHECKING:
    from classicvision._native.mixture import MixtureTable, Sums
    from classicvision.encoding.pca import Projection

__all__ = ["LEAST_SHARE", "DiagonalMixture", "Moments", "descriptor_moments", "moments"]

LEAST_SHARE = 1e-5  # posteriors are set to 0 below this fraction of the largest one of the point
_BLOCK_NUMBERS = 2**18  # posteriors per block
_BLOCK_ROWS = 2048  # descriptors projected per block


@dataclass(frozen=True, eq=False)
class DiagonalMixture:
    """K Gaussians in D dimensions. Arrays are read-only.

    Attributes
    ----------
    weights : (K,) float32
        Prior probabilities of the components; they sum to 1.
    means : (K, D) float32
    variances : (K, D) float32

    Raises
    ------
    ValueError
        If an array has another type or shape, a value is not finite, or a weight or variance is not positive.
    """

    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    variances: NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = (len(self.weights), self.means.shape[-1] if np.ndim(self.means) else 0)
        for name, expected in (("weights", shape[:1]), ("means", shape), ("variances", shape)):
            object.__setattr__(self, name, frozen_array(name, getattr(self, name), expected))
        for name in ("weights", "variances"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"{name} holds {getattr(self, name).min()}; all must be above 0")

    @cached_property
    def log_peaks(self) -> NDArray[np.float64]:
        """Logarithm of the weight times the density at the mean, (K,)."""
        log_volumes = np.log(2 * np.pi * self.variances.astype(np.float64)).sum(axis=1)
        peaks: NDArray[np.float64] = np.log(self.weights.astype(np.float64)) - log_volumes / 2
        return peaks

    @cached_property
    def table(self) -> MixtureTable | None:
        """The mixture in the layout of the compiled kernel; None without the kernel or if it is too large for it."""
        if not native_available():
            return None
        from classicvision._native import mixture as native

        if not native.has_room_for(self.means.shape):
            return None
        return native.prepare(self.weights, self.means, self.variances, self.log_peaks)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the parameters as plain arrays."""
        return {"weights": self.weights, "means": self.means, "variances": self.variances}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, int]) -> Self:
        """Return a mixture of shape (K, D) from the result of `to_arrays`; a ValueError says what does not fit."""
        for name, expected in (("weights", shape[:1]), ("means", shape), ("variances", shape)):
            if name not in arrays:
                raise ValueError(f"a mixture needs the array {name!r}")
            frozen_array(name, arrays[name], expected)
        return cls(arrays["weights"], arrays["means"], arrays["variances"])


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over points x of the posterior g of each component, with u = (x - mean) / standard deviation.

    Attributes
    ----------
    zeroth : (K,) float64
        Sum of g.
    first : (K, D) float64
        Sum of g u.
    second : (K, D) float64
        Sum of g u^2.
    log_likelihood : float
        Log-likelihood of the points under the mixture.
    n_points : int
    """

    zeroth: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    log_likelihood: float
    n_points: int

    @classmethod
    def zero(cls, mixture: DiagonalMixture) -> Self:
        """Return the moments of an empty set of points."""
        return cls(*_no_sums(mixture), 0.0, 0)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the union of two sets of points."""
        return Moments(
            self.zeroth + other.zeroth,
            self.first + other.first,
            self.second + other.second,
            self.log_likelihood + other.log_likelihood,
            self.n_points + other.n_points,
        )


def moments(points: NDArray[np.float32], mixture: DiagonalMixture) -> Moments:
    """Return the moments of points under a mixture.

    Parameters
    ----------
    points : (N, D) float32
    mixture : DiagonalMixture

    Raises
    ------
    ValueError
        If the points have another width or values that are not finite.

    Notes
    -----
    A point is near only a few components. Posteriors below `LEAST_SHARE` of the largest one of the point are set to 0.
    NumPy computes in float64; the kernel computes in float32 and sums in float64.
    """
    if points.ndim != 2 or points.shape[1] != mixture.means.shape[1]:
        raise ValueError(f"points {points.shape} and means {mixture.means.shape} must be (N, D) and (K, D)")
    points = np.ascontiguousarray(points, np.float32)
    if mixture.table is None:
        return _checked(_moments_by_numpy(points, mixture))
    from classicvision._native import mixture as native

    sums = _no_sums(mixture)
    log_likelihood = native.add_moments(points, mixture.table, LEAST_SHARE, sums)
    return _checked(Moments(*sums, log_likelihood, len(points)))


def descriptor_moments(
    descriptors: NDArray[np.uint8], positions: NDArray[np.float32], projection: Projection, mixture: DiagonalMixture
) -> Moments:
    """Return the moments of the projected descriptors under a mixture.

    Parameters
    ----------
    descriptors : (N, 128) uint8
    positions : (N, 2) float32
        As returned by `relative_positions`.
    projection : Projection
        To points in D dimensions.
    mixture : DiagonalMixture

    Raises
    ------
    ValueError
        As `moments`.

    Notes
    -----
    Points are projected a few hundred at a time, so that they are still in the processor's cache when used.
    """
    if projection.prepared is None or mixture.table is None:
        total = Moments.zero(mixture)
        for start in range(0, len(descriptors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            total += moments(projection.points_of(descriptors[block], positions[block]), mixture)
        return total
    from classicvision._native import mixture as native

    described = np.ascontiguousarray(descriptors), projection.kept_positions(positions), projection.prepared
    sums = _no_sums(mixture)
    log_likelihood = native.add_descriptor_moments(*described, mixture.table, LEAST_SHARE, sums)
    return _checked(Moments(*sums, log_likelihood, len(descriptors)))


def _no_sums(mixture: DiagonalMixture) -> Sums:
    """Return the sums of an empty set of points."""
    shape = mixture.means.shape
    return np.zeros(shape[0]), np.zeros(shape), np.zeros(shape)


def _checked(found: Moments) -> Moments:
    if not np.isfinite(found.log_likelihood):
        raise ValueError("some points are not finite, or too far from the mixture for float32")
    return found


def _moments_by_numpy(points: NDArray[np.float32], mixture: DiagonalMixture) -> Moments:
    from threadpoolctl import threadpool_limits

    n_rows = max(_BLOCK_NUMBERS // len(mixture.weights), 1)
    total = Moments.zero(mixture)
    with threadpool_limits(1):  # the rounding of sums depends on the number of threads
        for start in range(0, len(points), n_rows):
            total += _moments_of_block(points[start : start + n_rows], mixture)
    return total


def _moments_of_block(points: NDArray[np.float32], mixture: DiagonalMixture) -> Moments:
    block = points.astype(np.float64)
    squares = np.square(block)
    means, variances = mixture.means.astype(np.float64), mixture.variances.astype(np.float64)
    # The logarithm of w exp(-sum((x - m)^2 / v) / 2) / sqrt(prod(2 pi v)), by matrix products.
    scores = block @ (means / variances).T
    scores -= squares @ (0.5 / variances).T
    scores += mixture.log_peaks - (np.square(means) / variances).sum(axis=1) / 2
    best = scores.max(axis=1, keepdims=True)
    shares = np.exp(scores - best)
    shares[shares < LEAST_SHARE] = 0
    total = shares.sum(axis=1, keepdims=True)
    posteriors = shares / total
    zeroth = posteriors.sum(axis=0)
    first, second = posteriors.T @ block, posteriors.T @ squares
    return Moments(
        zeroth,
        (first - means * zeroth[:, np.newaxis]) / np.sqrt(variances),
        (second - 2 * means * first + np.square(means) * zeroth[:, np.newaxis]) / variances,
        float((best + np.log(total)).sum()),
        len(block),
    )
