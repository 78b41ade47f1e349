"""A mixture of Gaussians with diagonal covariance, and what points say about its components.

`moments` is the E step of EM and all that a Fisher vector needs: by the compiled kernel where it was built, else in
NumPy.
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

LEAST_SHARE = 1e-5  # components of a smaller density, beside the largest one at a point, count as zero
_BLOCK_NUMBERS = 2**18  # posteriors at a time
_BLOCK_ROWS = 2048  # descriptors whose points are made at a time


@dataclass(frozen=True, eq=False)
class DiagonalMixture:
    """K Gaussians in D dimensions. Read-only arrays.

    Attributes
    ----------
    weights : (K,) float32
        Shares of the components; they sum to 1.
    means : (K, D) float32
    variances : (K, D) float32

    Raises
    ------
    ValueError
        If an array has another type or shape, or holds numbers that are not finite or not positive.
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
        """Logarithm of weight times density at the mean, (K,)."""
        log_volumes = np.log(2 * np.pi * self.variances.astype(np.float64)).sum(axis=1)
        peaks: NDArray[np.float64] = np.log(self.weights.astype(np.float64)) - log_volumes / 2
        return peaks

    @cached_property
    def table(self) -> MixtureTable | None:
        """The mixture as the compiled kernel reads it; None where there is no kernel, or it has no room for it."""
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
        """Rebuild a mixture of (K, D) from what `to_arrays` returned; a ValueError says what does not fit."""
        for name, expected in (("weights", shape[:1]), ("means", shape), ("variances", shape)):
            if name not in arrays:
                raise ValueError(f"a mixture needs the array {name!r}")
            frozen_array(name, arrays[name], expected)
        return cls(arrays["weights"], arrays["means"], arrays["variances"])


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over points x of the posterior g of each component and of the deviates u = (x - mean) / deviation.

    Attributes
    ----------
    zeroth : (K,) float64
        Sum of g.
    first : (K, D) float64
        Sum of g u.
    second : (K, D) float64
        Sum of g u^2.
    log_likelihood : float
        Sum of the logarithms of the points' densities.
    n_points : int
    """

    zeroth: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    log_likelihood: float
    n_points: int

    @classmethod
    def zero(cls, mixture: DiagonalMixture) -> Self:
        """Return the moments of no point."""
        return cls(*_no_sums(mixture), 0.0, 0)

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of two sets of points together."""
        return Moments(
            self.zeroth + other.zeroth,
            self.first + other.first,
            self.second + other.second,
            self.log_likelihood + other.log_likelihood,
            self.n_points + other.n_points,
        )


def moments(points: NDArray[np.float32], mixture: DiagonalMixture) -> Moments:
    """Return what points say about the components of a mixture.

    Parameters
    ----------
    points : (N, D) float32
    mixture : DiagonalMixture

    Raises
    ------
    ValueError
        For points of another width, or that hold numbers that are not finite.

    Notes
    -----
    A descriptor is near to a few components only. At each point those whose weighted density is less than `LEAST_SHARE`
    of the largest one count as zero. NumPy computes in float64, the kernel in float32 and adds up in float64.
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
    descriptors: NDArray[np.uint8], places: NDArray[np.float32], projection: Projection, mixture: DiagonalMixture
) -> Moments:
    """Return what descriptors say about the components of a mixture: `moments` of their points.

    Parameters
    ----------
    descriptors : (N, 128) uint8
    places : (N, 2) float32
        As `relative_places` returns them.
    projection : Projection
        To points of D numbers.
    mixture : DiagonalMixture

    Raises
    ------
    ValueError
        As `moments` does.

    Notes
    -----
    Points are made some hundreds at a time: they stay in the cache until they have been counted.
    """
    if projection.prepared is None or mixture.table is None:
        total = Moments.zero(mixture)
        for start in range(0, len(descriptors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            total += moments(projection.points_of(descriptors[block], places[block]), mixture)
        return total
    from classicvision._native import mixture as native

    described = np.ascontiguousarray(descriptors), projection.kept_places(places), projection.prepared
    sums = _no_sums(mixture)
    log_likelihood = native.add_descriptor_moments(*described, mixture.table, LEAST_SHARE, sums)
    return _checked(Moments(*sums, log_likelihood, len(descriptors)))


def _no_sums(mixture: DiagonalMixture) -> Sums:
    """Return the sums over no point."""
    shape = mixture.means.shape
    return np.zeros(shape[0]), np.zeros(shape), np.zeros(shape)


def _checked(found: Moments) -> Moments:
    if not np.isfinite(found.log_likelihood):
        raise ValueError("points hold numbers that are not finite, or too far from the mixture for float32")
    return found


def _moments_by_numpy(points: NDArray[np.float32], mixture: DiagonalMixture) -> Moments:
    from threadpoolctl import threadpool_limits

    n_rows = max(_BLOCK_NUMBERS // len(mixture.weights), 1)
    total = Moments.zero(mixture)
    with threadpool_limits(1):  # sums of floats depend on how threads divide them
        for start in range(0, len(points), n_rows):
            total += _moments_of_block(points[start : start + n_rows], mixture)
    return total


def _moments_of_block(points: NDArray[np.float32], mixture: DiagonalMixture) -> Moments:
    block = points.astype(np.float64)
    squares = np.square(block)
    means, variances = mixture.means.astype(np.float64), mixture.variances.astype(np.float64)
    # log of w exp(-sum((x - m)^2 / v) / 2) / sqrt(prod(2 pi v)), as products of matrices.
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
