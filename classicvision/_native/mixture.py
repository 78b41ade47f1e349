"""Projections, and moments under a mixture of Gaussians, by the compiled kernels, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = [
    "MixtureTable",
    "PreparedProjection",
    "Sums",
    "add_descriptor_moments",
    "add_moments",
    "has_room_for",
    "prepare",
    "prepare_projection",
    "project",
]

Floats: TypeAlias = NDArray[np.float32]
Sums: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

_MOST_DIMENSIONS = 512
_MOST_COMPONENTS = 4096
_NO_SCORE = -1e30  # of padding
# As in mixture.h and mixture_screen.h.
_LIKELY = 2
_LEVELS_OF_Z, _LEVELS_OF_SQUARE = 127, 255
_Z_ZERO = 128
# Sums of g x and g x^2 are converted to those of deviates at the end, except where the centre is more deviations away
# than this: the conversion loses digits, 6e-8 times its square.
_MOST_SHIFT = 8
_LINE = 64  # bytes of a cache line


class PreparedProjection(NamedTuple):
    """A projection as the kernels read it; `_native/mixture.h` says what each array is."""

    levels: NDArray[np.int16]
    basis: NDArray[np.int16]
    steps: Floats
    offset: Floats
    scales: Floats
    are_roots: bool
    n_out: int


@dataclass(frozen=True, eq=False)
class MixtureTable:
    """A mixture as the kernel reads it; `_native/mixture.h` says what each array is."""

    arrays: tuple[
        Floats, Floats, NDArray[np.uint8], Floats, Floats, NDArray[np.int8], NDArray[np.int32], Floats, Floats
    ]


def prepare_projection(
    whole: NDArray[np.int16],
    steps: NDArray[np.float32],
    offset: NDArray[np.float32],
    scales: NDArray[np.float32],
    *,
    levels: NDArray[np.int16],
    are_roots: bool,
) -> PreparedProjection:
    """Prepare a projection for the loaded instruction set.

    Parameters
    ----------
    whole : (d, n) int16
        The basis as integers. No sum of its products with the levels of a descriptor may reach 2^31.
    steps, offset : (n,) float32
        The unit of each sum of products, and what is subtracted from it.
    scales : (m,) float32
        Factors of the m numbers of a position.
    levels : (256,) int16
        The integer for each byte.
    are_roots : bool
        Divide by the square root of the sum of a descriptor's bytes.
    """
    lanes, (n_dims, n_out) = kernels.lanes(), whole.shape
    width = _padded(n_out, lanes)
    filled = np.zeros((_padded(n_dims, 2 * lanes), width), np.int16)
    filled[:n_dims, :n_out] = whole
    pairs = np.ascontiguousarray(filled.reshape(-1, 2, width).swapaxes(1, 2))
    whole_vectors = pairs, _widened(steps, width), _widened(offset, width)
    # Scales may be unaligned in a mapped file: copy them.
    return PreparedProjection(levels, *whole_vectors, _widened(scales, len(scales)), are_roots, n_out)


def project(
    descriptors: NDArray[np.uint8], places: Floats, prepared: PreparedProjection, points: NDArray[np.float32]
) -> None:
    """Write descriptors times the basis, less the offset, and their places, scaled.

    Parameters
    ----------
    descriptors : (N, d) uint8, contiguous
    places : (N, m) float32, contiguous
    prepared : PreparedProjection
    points : (N, n + m) float32, contiguous
        Written.
    """
    kernels.project_points(descriptors, places, prepared, points)


def has_room_for(shape: tuple[int, ...]) -> bool:
    """Return whether the kernel accepts a mixture of (K, D)."""
    return shape[0] <= _MOST_COMPONENTS and 1 <= shape[1] <= _MOST_DIMENSIONS


def prepare(
    weights: NDArray[np.float32],
    means: NDArray[np.float32],
    variances: NDArray[np.float32],
    log_peaks: NDArray[np.float64],
) -> MixtureTable:
    """Prepare a mixture for `add_moments`, for the loaded instruction set.

    With z = (x - c) / s, c and s the mean and the deviation of the whole mixture, the logarithm of weight times density
    is a constant plus the sum over the dimensions of z f + z^2 g, with f = (m - c) s / v and g = -s^2 / (2 v). The
    typical g is subtracted from all components, which changes no posterior. The rest is rounded to bytes; z and f, and
    z^2 and g, are first scaled to similar sizes, so that neither is rounded more than the other.
    """
    shares, m, v = (array.astype(np.float64) for array in (weights / weights.sum(), means, variances))
    centre = (shares @ m).astype(np.float32)
    m = m - centre
    deviations = np.sqrt(shares @ (v + np.square(m)))
    common = -np.median(np.square(deviations) / (2 * v), axis=0)
    by_z, by_square = m * deviations / v, -np.square(deviations) / (2 * v) - common
    # The scale of the factors is that of most components, not of the few tight ones; the root mean squares of z and z^2
    # of normal points are 1 and the root of 3.
    of_z = np.sqrt(np.maximum(np.median(np.abs(by_z), axis=0), 1e-6))
    of_square = np.sqrt(np.maximum(np.median(np.abs(by_square), axis=0), 1e-6) / np.sqrt(3))
    factors = np.stack([by_z / of_z, by_square / of_square], axis=2)  # (K, D, 2)
    most = np.maximum(np.abs(factors).max(axis=(1, 2)), np.finfo(np.float32).tiny)
    steps = most / kernels.mixture_most_factor()
    whole = np.rint(factors / steps[:, np.newaxis, np.newaxis])
    # Rounding moves a number of a point by at most half a level, and a factor by at most half of its level.
    rounded = np.abs(whole) * steps[:, np.newaxis, np.newaxis]
    by_points = _LIKELY * np.sqrt(np.square(rounded).sum(axis=(1, 2))) / 2
    by_factors = steps / 2
    # The unit of a point's error is that of a typical point, so that neither part is much overestimated: descriptors of
    # photographs have steps of 0.45 times that of three deviations in the dimension with the largest numbers.
    step = max(3 * of_z.max() / _LEVELS_OF_Z, 9 * of_square.max() / _LEVELS_OF_SQUARE) * 0.45
    size = _LIKELY * np.sqrt((np.square(of_z) + 3 * np.square(of_square)).sum())
    offsets = log_peaks - (np.square(m) / (2 * v)).sum(axis=1)
    panel, width = kernels.mixture_panel(), _padded(means.shape[1], kernels.lanes())
    n_columns = _padded(len(means), panel)
    to_levels = np.stack([centre, of_z / deviations, of_square / np.square(of_z), common / of_square])
    starts = np.zeros(n_columns, np.int32)
    starts[: len(means)] = -_Z_ZERO * whole[:, :, 0].sum(axis=1)
    errors = 1.001 * (by_points * step + by_factors * size)
    errors[errors > -_NO_SCORE] = np.inf  # such a tight component cannot be screened: it may always be near
    columns = np.stack([np.minimum(steps, -_NO_SCORE), np.maximum(offsets, _NO_SCORE), errors])
    arrays = (
        _aligned(_widened(1 / np.sqrt(v), width)),
        _aligned(_widened(-m / np.sqrt(v), width)),
        (np.abs(m / np.sqrt(v)).max(axis=1) > _MOST_SHIFT).astype(np.uint8),
        log_peaks.astype(np.float32),
        _widened(to_levels, width),
        _aligned(_in_panels(whole, n_columns, panel)),
        starts,
        _widened(columns, n_columns, np.array([[0], [_NO_SCORE], [0]])),
        np.array([1 / step, 1 / size], np.float32),
    )
    return MixtureTable(arrays)


def add_moments(points: Floats, table: MixtureTable, least_share: float, sums: Sums) -> float:
    """Add sums over points to arrays, and return the points' log likelihood.

    Parameters
    ----------
    points : (N, D) float32, contiguous
    table : MixtureTable
    least_share : float
        Components whose density is a smaller share of the largest one are skipped.
    sums : (K,), (K, D) and (K, D) float64, contiguous
        Of posteriors g, of g u and of g u^2. Written.
    """
    return kernels.add_moments(points, table.arrays, least_share, *sums)


def add_descriptor_moments(
    descriptors: NDArray[np.uint8],
    places: Floats,
    prepared: PreparedProjection,
    table: MixtureTable,
    least_share: float,
    sums: Sums,
) -> float:
    """As `add_moments`, of descriptors (N, d) at positions (N, m), projected block by block."""
    return kernels.add_descriptor_moments(descriptors, places, prepared, table.arrays, least_share, *sums)


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy aligned to a cache line."""
    room = np.empty(array.nbytes + _LINE, np.uint8)
    copy = room[-room.ctypes.data % _LINE :][: array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _padded(n: int, step: int) -> int:
    return -(-n // step) * step


def _widened(array: NDArray[Any], width: int, filling: float | NDArray[Any] = 0.0) -> NDArray[np.float32]:
    """Return an array with its last axis padded to a width."""
    result = np.empty((*array.shape[:-1], width), np.float32)
    result[...] = filling
    result[..., : array.shape[-1]] = array
    return result


def _in_panels(factors: NDArray[np.float64], n_columns: int, panel: int) -> NDArray[np.int8]:
    """Return factors (K, D, 2) as (panels, pairs of dimensions, components of a panel, 4)."""
    n_quads = (factors.shape[1] + 1) // 2
    whole = np.zeros((n_columns, 2 * n_quads, 2), np.int8)
    whole[: len(factors), : factors.shape[1]] = factors
    return np.ascontiguousarray(whole.reshape(-1, panel, n_quads, 4).swapaxes(1, 2))
