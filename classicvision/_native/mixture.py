"""Projections, and what points say about a mixture of Gaussians, by the compiled kernels, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["MixtureTable", "PreparedBasis", "add_moments", "has_room_for", "prepare", "prepare_basis", "project"]

Floats = NDArray[np.float32]

_MOST_DIMENSIONS = 512
_MOST_COMPONENTS = 4096
_LARGEST_FACTOR = 32_767
_LARGEST_SUM = 1_040_000  # of a component's factors: it leaves the points about as many levels as these
_NO_SCORE = -1e30  # of components that are not there


@dataclass(frozen=True, eq=False)
class PreparedBasis:
    """A basis as the kernel reads it; `_native/mixture.h` says what each array is."""

    basis: NDArray[np.int16]
    steps: NDArray[np.float32]
    offset: NDArray[np.float32]
    n_out: int
    are_roots: bool


@dataclass(frozen=True, eq=False)
class MixtureTable:
    """A mixture as the kernel reads it; `_native/mixture.h` says what each array is."""

    arrays: tuple[Floats, Floats, Floats, Floats, Floats, Floats, NDArray[np.int16], Floats, Floats, Floats]


def prepare_basis(
    whole: NDArray[np.int16], steps: NDArray[np.float32], offset: NDArray[np.float32], *, are_roots: bool
) -> PreparedBasis:
    """Make a basis (d, n) of whole numbers, the worth of 1 in each column (n,), and an offset (n,) ready for `project`.

    `are_roots`: the RootSIFT of descriptors is to be projected, each root as a whole number of parts of 1 / 512. No sum
    of products may reach 2^31.
    """
    lanes, (n_dims, n_out) = kernels.lanes(), whole.shape
    filled = np.zeros((_padded(n_dims, 2 * lanes), _padded(n_out, lanes)), np.int16)
    filled[:n_dims, :n_out] = whole
    width = filled.shape[1]
    pairs = filled.reshape(-1, 2, lanes, width).transpose(0, 2, 3, 1).reshape(-1, width, 2)
    return PreparedBasis(np.ascontiguousarray(pairs), _widened(steps, width), _widened(offset, width), n_out, are_roots)


def project(descriptors: NDArray[np.uint8], prepared: PreparedBasis, points: NDArray[np.float32]) -> None:
    """Write descriptors times the basis, less the offset, into the first columns of `points`, (N, at least n).

    Parameters
    ----------
    descriptors : (N, d) uint8, contiguous
    prepared : PreparedBasis
    points : (N, m) float32, contiguous
        Written.
    """
    kernels.project_points(
        descriptors, prepared.are_roots, prepared.basis, prepared.steps, prepared.offset, prepared.n_out, points
    )


def has_room_for(shape: tuple[int, ...]) -> bool:
    """Tell whether the kernel takes a mixture of (K, D)."""
    return shape[0] <= _MOST_COMPONENTS and 1 <= shape[1] <= _MOST_DIMENSIONS


def prepare(
    weights: NDArray[np.float32],
    means: NDArray[np.float32],
    variances: NDArray[np.float32],
    log_peaks: NDArray[np.float64],
) -> MixtureTable:
    """Make a mixture ready for `add_moments`, for the instruction set at hand.

    The logarithm of weight times density is a constant plus a sum over the dimensions of (x - c) f - (x - c)^2 g, with
    c the mixture's mean, f = (m - c) / v and g = 1 / (2 v). Numbers of points and factors are rounded to whole ones of
    16 bits at most; how far that can move a component's score is noted.
    """
    shares, m, v = (array.astype(np.float64) for array in (weights / weights.sum(), means, variances))
    centre = (shares @ m).astype(np.float32)
    m = m - centre
    spread = np.sqrt(shares @ (v + np.square(m)))
    scales = (1 / spread).astype(np.float32)
    factors = np.stack([m / v / scales, -1 / (2 * v * np.square(scales.astype(np.float64)))], axis=1)
    sizes = np.abs(factors).sum(axis=(1, 2))
    levels = np.minimum(_LARGEST_FACTOR / np.abs(factors).max(axis=(1, 2)), _LARGEST_SUM / sizes)
    whole = np.rint(factors * levels[:, np.newaxis, np.newaxis])
    offsets = log_peaks - (np.square(m) / (2 * v)).sum(axis=1)
    panel, width = kernels.mixture_panel(), _padded(means.shape[1], kernels.lanes())
    n_columns = _padded(len(means), panel)
    arrays = (
        _widened(means, width),
        _widened((1 / np.sqrt(v)).astype(np.float32), width),
        log_peaks.astype(np.float32),
        _widened(centre, width),
        _widened(scales, width),
        _widened(np.abs(whole).max(axis=0).astype(np.float32), width),
        _in_panels(whole, n_columns, panel),
        _widened((1 / levels).astype(np.float32), n_columns),
        _widened(offsets.astype(np.float32), n_columns, _NO_SCORE),
        # A number of a point moves by at most half a level, a factor by at most half of one of its own.
        _widened(np.stack([sizes, 1 / levels]).astype(np.float32) / 2, n_columns),
    )
    return MixtureTable(arrays)


def add_moments(
    points: NDArray[np.float32], table: MixtureTable, n_components: int, least_share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Return the sums of posteriors g, of g u and of g u^2, (K,), (K, D), (K, D), and the log likelihood.

    Parameters
    ----------
    points : (N, D) float32, contiguous
    table : MixtureTable
    n_components : int
        K.
    least_share : float
        Components whose density is a smaller share of the largest one are left out.
    """
    zeroth = np.zeros(n_components)
    first, second = (np.zeros((n_components, points.shape[1])) for _ in range(2))
    likelihood = kernels.add_moments(points, *table.arrays, least_share, zeroth, first, second)
    return zeroth, first, second, likelihood


def _padded(n: int, step: int) -> int:
    return -(-n // step) * step


def _widened(array: NDArray[Any], width: int, filling: float = 0.0) -> NDArray[np.float32]:
    """Return an array with its last axis filled up to a width."""
    result = np.full((*array.shape[:-1], width), filling, np.float32)
    result[..., : array.shape[-1]] = array
    return result


def _in_panels(factors: NDArray[np.float64], n_columns: int, panel: int) -> NDArray[np.int16]:
    """Return factors (K, 2, D) as (panels, D, components of a panel, 2)."""
    whole = np.zeros((n_columns, *factors.shape[1:]), np.int16)
    whole[: len(factors)] = factors
    return np.ascontiguousarray(whole.reshape(-1, panel, *factors.shape[1:]).transpose(0, 3, 1, 2))
