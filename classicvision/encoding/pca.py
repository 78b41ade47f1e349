"""PCA of descriptors: the points of Fisher vectors and VLAD, projected descriptors with appended positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.encoding.codebook import frozen_array
from classicvision.encoding.vocabulary import relative_positions
from classicvision.errors import NotEnoughDataError
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures
from classicvision.features.rootsift import root_sift

if TYPE_CHECKING:
    from classicvision._native.mixture import PreparedProjection

__all__ = ["Projection", "learn_projection", "plain_descriptors"]

_BLOCK_ROWS = 2048  # descriptors per block of float32
_SIFT_NORM = 512  # of a descriptor as stored (Lowe 2004, section 6.1)
# Projections are products of 16-bit integers: square roots of bytes in units of 1 / 512, and a basis that is quantised
# per column as finely as possible without overflow of the sums: at least 22,700 levels per unit norm for roots.
_ROOT_LEVELS = 512
_LARGEST_NUMBER = 32_767
_LARGEST_SUM = 2.1e9  # below 2^31, with a margin for rounding
_FLAT = 1e-6  # whitening does not amplify directions below this share of the largest variance


@dataclass(frozen=True, eq=False)
class Projection:
    """The projection of keypoints to float32 points. Arrays are read-only.

    Attributes
    ----------
    mean : (128,) float32
        Mean of the descriptors, as RootSIFT or divided by 512.
    basis : (128, n_dims) float32
        Principal directions as columns, in order of decreasing variance; divided by their standard deviation if
        whitened.
    xy_scale : (2,) float32
        Scale of the appended x and y, for positions from -0.5 to 0.5; 0 if positions are not appended.
    as_root_sift : bool
        Whether descriptors are converted to RootSIFT.

    Raises
    ------
    ValueError
        If an array has another type or shape, or a value is not finite.
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    xy_scale: NDArray[np.float32]
    as_root_sift: bool = True

    def __post_init__(self) -> None:
        n_dims = self.basis.shape[-1] if np.ndim(self.basis) else 0
        object.__setattr__(self, "mean", frozen_array("mean", self.mean, (DESCRIPTOR_SIZE,)))
        object.__setattr__(self, "basis", frozen_array("basis", self.basis, (DESCRIPTOR_SIZE, n_dims)))
        object.__setattr__(self, "xy_scale", frozen_array("xy_scale", self.xy_scale, (2,)))

    @property
    def n_outputs(self) -> int:
        """Dimensions of a point."""
        return int(self.basis.shape[1]) + (2 if self.xy_scale[0] else 0)

    def points(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the points of an image, (N, n_outputs): projections, then x and y relative to the image centre."""
        return self.points_of(features.descriptors, relative_positions(features))

    def points_of(self, descriptors: NDArray[np.uint8], positions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the points, (N, n_outputs), of descriptors (N, 128) at relative positions (N, 2)."""
        points = np.empty((len(descriptors), self.n_outputs), np.float32)
        if self.prepared is None:
            self._project_by_numpy(descriptors, positions, points)
        else:
            from classicvision._native import mixture as native

            native.project(np.ascontiguousarray(descriptors), self.kept_positions(positions), self.prepared, points)
        return points

    def kept_positions(self, positions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the positions (N, 2) if they are appended to points, else (N, 0)."""
        return np.ascontiguousarray(positions[:, : len(self._scales)], np.float32)

    def _project_by_numpy(
        self, descriptors: NDArray[np.uint8], positions: NDArray[np.float32], points: NDArray[np.float32]
    ) -> None:
        from threadpoolctl import threadpool_limits

        n_dims = self.basis.shape[1]
        np.multiply(self.kept_positions(positions), self._scales, out=points[:, n_dims:])
        with threadpool_limits(1):
            whole, steps = self._rounded
            factors = whole.astype(np.float32)
            for start in range(0, len(descriptors), _BLOCK_ROWS):
                here = slice(start, start + _BLOCK_ROWS)
                found = self._levels(descriptors[here]) @ factors * steps
                if self.as_root_sift:
                    totals = descriptors[here].sum(axis=1, keepdims=True, dtype=np.float32)
                    found /= np.sqrt(np.maximum(totals, 1))
                points[here, :n_dims] = found - self._offset

    def _levels(self, descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return descriptors as the integers that are multiplied."""
        numbers = descriptors.astype(np.float32)
        return np.rint(np.sqrt(numbers) * _ROOT_LEVELS) if self.as_root_sift else numbers

    @property
    def _scales(self) -> NDArray[np.float32]:
        """Scales of the positions; empty if positions are not appended.

        Sanchez, Perronnin and de Campos (2012), section 3: the position extends a descriptor by two dimensions.
        """
        return self.xy_scale if self.xy_scale[0] else self.xy_scale[:0]

    @cached_property
    def _rounded(self) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """The basis quantised to integers, and the quantisation step of each column."""
        largest = float(self._levels(np.full((1, 1), 255, np.uint8))[0, 0])
        sizes = np.maximum(np.abs(self.basis.astype(np.float64)), np.finfo(np.float32).tiny)  # a column may be zeros
        levels = np.minimum(_LARGEST_NUMBER / sizes.max(axis=0), _LARGEST_SUM / largest / sizes.sum(axis=0))
        steps = 1 / levels / (_ROOT_LEVELS if self.as_root_sift else _SIFT_NORM)
        return np.rint(self.basis * levels).astype(np.int16), steps.astype(np.float32)

    @cached_property
    def _offset(self) -> NDArray[np.float32]:
        """The projection of the mean."""
        return (self.mean.astype(np.float64) @ self.basis).astype(np.float32)

    @cached_property
    def prepared(self) -> PreparedProjection | None:
        """The projection in the layout of the compiled kernels; None without kernels."""
        if not native_available():
            return None
        from classicvision._native import mixture as native

        levels = self._levels(np.arange(256, dtype=np.uint8)).astype(np.int16)
        parts = *self._rounded, self._offset, self._scales
        return native.prepare_projection(*parts, levels=levels, are_roots=self.as_root_sift)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the learned arrays by name."""
        return {"mean": self.mean, "basis": self.basis, "xy_scale": self.xy_scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_dims: int, *, xy: bool, as_root_sift: bool) -> Self:
        """Return a projection from the result of `to_arrays`; a ValueError says what does not fit the settings."""
        missing = [name for name in ("mean", "basis", "xy_scale") if name not in arrays]
        if missing:
            raise ValueError(f"a projection needs the array(s) {', '.join(missing)}")
        if arrays["basis"].shape != (DESCRIPTOR_SIZE, n_dims):
            raise ValueError(f"basis is {arrays['basis'].shape}; these settings need {(DESCRIPTOR_SIZE, n_dims)}")
        projection = cls(arrays["mean"], arrays["basis"], arrays["xy_scale"], as_root_sift)
        if bool(projection.xy_scale[0]) != xy:
            raise ValueError(f"xy is {xy}, but xy_scale is {projection.xy_scale[0]}")
        return projection


def learn_projection(
    descriptors: NDArray[np.uint8],
    n_dims: int,
    *,
    whiten: bool = False,
    xy: bool = True,
    as_root_sift: bool = True,
) -> Projection:
    """Compute the principal directions of descriptors (Jolliffe 2002, section 1.1).

    Parameters
    ----------
    descriptors : (N, 128) uint8
    n_dims : int
        Directions to keep, from 1 to 128.
    whiten : bool
        Scale all directions to unit variance (Jegou and Chum 2012, section 3).
    xy : bool
        Append positions, scaled so that the image spans the standard deviation of the first direction.
    as_root_sift : bool
        Project the RootSIFT of the descriptors.

    Raises
    ------
    NotEnoughDataError
        If there are no descriptors.
    """
    if not len(descriptors):
        raise NotEnoughDataError(
            "no descriptors to learn directions from: the images have no keypoints. "
            "Lower the contrast threshold of the extractor, or check the images."
        )
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the rounding of sums depends on the number of threads
        mean, covariance = _moments(descriptors, as_root_sift)
        variances, directions = np.linalg.eigh(covariance)
    basis, kept = directions[:, ::-1][:, :n_dims], np.maximum(variances[::-1][:n_dims], 0)
    # The sign of a direction is arbitrary: make its largest component positive, independent of the library.
    basis = basis * np.sign(np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[np.newaxis], axis=0))
    deviations = np.sqrt(np.maximum(kept, max(kept[0] * _FLAT, np.finfo(np.float32).tiny)))
    if whiten:
        basis, deviations = basis / deviations, np.ones_like(deviations)
    scale = np.full(2, deviations[0] if xy else 0)
    return Projection(mean.astype(np.float32), basis.astype(np.float32), scale.astype(np.float32), as_root_sift)


def plain_descriptors(descriptors: NDArray[np.uint8], as_root_sift: bool) -> NDArray[np.float32]:
    """Return descriptors (N, 128) as the float32 vectors whose directions are learned."""
    return root_sift(descriptors) if as_root_sift else descriptors.astype(np.float32) / np.float32(_SIFT_NORM)


def _moments(descriptors: NDArray[np.uint8], as_root_sift: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (128,) and the covariance (128, 128) of descriptors, in one pass."""
    n, sums, products = len(descriptors), np.zeros(DESCRIPTOR_SIZE), np.zeros((DESCRIPTOR_SIZE, DESCRIPTOR_SIZE))
    # Subtract the mean of the first block, which is near that of all, to avoid cancellation below.
    near = plain_descriptors(descriptors[:_BLOCK_ROWS], as_root_sift).mean(axis=0)
    for start in range(0, n, _BLOCK_ROWS):
        block = plain_descriptors(descriptors[start : start + _BLOCK_ROWS], as_root_sift) - near
        sums += block.sum(axis=0, dtype=np.float64)
        products += block.T @ block
    rest = sums / n
    return near + rest, products / n - np.outer(rest, rest)
