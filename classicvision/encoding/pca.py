"""The points that Fisher vectors and VLAD compare: descriptors in their principal directions, with their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.encoding.codebook import frozen_array
from classicvision.encoding.vocabulary import relative_places
from classicvision.errors import NotEnoughDataError
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures
from classicvision.features.rootsift import root_sift

if TYPE_CHECKING:
    from classicvision._native.mixture import PreparedProjection

__all__ = ["Projection", "learn_projection", "plain_descriptors"]

_BLOCK_ROWS = 2048  # descriptors that are float32 at a time
_SIFT_NORM = 512  # of a descriptor as stored (Lowe 2004, section 6.1)
# A projection is a product of whole numbers of 16 bits: the roots of bytes in parts of 1 / 512, and a basis with so
# many levels to a column that no sum of products overflows: to a norm of 1 at least 22,700 for roots, more for bytes.
_ROOT_LEVELS = 512
_LARGEST_NUMBER = 32_767
_LARGEST_SUM = 2.1e9  # below 2^31, with room for what is rounded up
_FLAT = 1e-6  # a direction with less than this share of the first one's variance is not stretched by whitening


@dataclass(frozen=True, eq=False)
class Projection:
    """From the keypoints of an image to points of float32. Read-only arrays.

    Attributes
    ----------
    mean : (128,) float32
        Of the descriptors, as RootSIFT or divided by 512.
    basis : (128, n_dims) float32
        Principal directions as columns, the one of largest variance first; divided by their deviation if whitened.
    xy_scale : (2,) float32
        What the width and the height of the image are worth beside a descriptor; 0 if places are not appended.
    as_root_sift : bool

    Raises
    ------
    ValueError
        If an array has another type or shape, or holds numbers that are not finite.
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
        """Numbers in a point."""
        return int(self.basis.shape[1]) + (2 if self.xy_scale[0] else 0)

    def points(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the points of an image, (N, n_outputs): projections, then x and y from the centre of the image."""
        return self.points_of(features.descriptors, relative_places(features))

    def points_of(self, descriptors: NDArray[np.uint8], places: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the points of descriptors (N, 128) at relative places (N, 2), (N, n_outputs)."""
        points = np.empty((len(descriptors), self.n_outputs), np.float32)
        if self.prepared is None:
            self._project_by_numpy(descriptors, places, points)
        else:
            from classicvision._native import mixture as native

            native.project(np.ascontiguousarray(descriptors), self.kept_places(places), self.prepared, points)
        return points

    def kept_places(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what points have of places (N, 2): all, or (N, 0)."""
        return np.ascontiguousarray(places[:, : len(self._scales)], np.float32)

    def _project_by_numpy(
        self, descriptors: NDArray[np.uint8], places: NDArray[np.float32], points: NDArray[np.float32]
    ) -> None:
        from threadpoolctl import threadpool_limits

        n_dims = self.basis.shape[1]
        np.multiply(self.kept_places(places), self._scales, out=points[:, n_dims:])
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
        """Return descriptors as the whole numbers that are multiplied."""
        numbers = descriptors.astype(np.float32)
        return np.rint(np.sqrt(numbers) * _ROOT_LEVELS) if self.as_root_sift else numbers

    @property
    def _scales(self) -> NDArray[np.float32]:
        """What places are multiplied with; none where points have no places.

        Sanchez, Perronnin and de Campos (2012), section 3: the place is two more numbers of a descriptor.
        """
        return self.xy_scale if self.xy_scale[0] else self.xy_scale[:0]

    @cached_property
    def _rounded(self) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """The basis as whole numbers, and what a product with 1 is worth in each column."""
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
        """The projection as the compiled kernels read it; None where there are none."""
        if not native_available():
            return None
        from classicvision._native import mixture as native

        levels = self._levels(np.arange(256, dtype=np.uint8)).astype(np.int16)
        parts = *self._rounded, self._offset, self._scales
        return native.prepare_projection(*parts, levels=levels, are_roots=self.as_root_sift)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as plain arrays."""
        return {"mean": self.mean, "basis": self.basis, "xy_scale": self.xy_scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_dims: int, *, xy: bool, as_root_sift: bool) -> Self:
        """Rebuild from what `to_arrays` returned; a ValueError says what does not fit the settings."""
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
    """Find the principal directions of descriptors (Jolliffe 2002, section 1.1).

    Parameters
    ----------
    descriptors : (N, 128) uint8
    n_dims : int
        Directions to keep, from 1 to 128.
    whiten : bool
        Divide each direction by its deviation, so that all weigh alike (Jegou and Chum 2012, section 3).
    xy : bool
        Append places. Across the image they span as much as the deviation of the first direction.
    as_root_sift : bool
        Project the RootSIFT of the descriptors.

    Raises
    ------
    NotEnoughDataError
        If there are no descriptors.
    """
    if not len(descriptors):
        raise NotEnoughDataError(
            "there is no descriptor to learn directions from: the images have no keypoints. "
            "Lower the contrast threshold of the extractor, or look at the images."
        )
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums of floats depend on how threads divide them
        mean, covariance = _moments(descriptors, as_root_sift)
        variances, directions = np.linalg.eigh(covariance)
    basis, kept = directions[:, ::-1][:, :n_dims], np.maximum(variances[::-1][:n_dims], 0)
    # A direction has no sign: the largest of its numbers shall be positive, whatever the library says.
    basis = basis * np.sign(np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[np.newaxis], axis=0))
    deviations = np.sqrt(np.maximum(kept, max(kept[0] * _FLAT, np.finfo(np.float32).tiny)))
    if whiten:
        basis, deviations = basis / deviations, np.ones_like(deviations)
    scale = np.full(2, deviations[0] if xy else 0)
    return Projection(mean.astype(np.float32), basis.astype(np.float32), scale.astype(np.float32), as_root_sift)


def plain_descriptors(descriptors: NDArray[np.uint8], as_root_sift: bool) -> NDArray[np.float32]:
    """Return descriptors (N, 128) as the float32 whose directions are learned."""
    return root_sift(descriptors) if as_root_sift else descriptors.astype(np.float32) / np.float32(_SIFT_NORM)


def _moments(descriptors: NDArray[np.uint8], as_root_sift: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (128,) and the covariance (128, 128) of descriptors, in one pass."""
    n, sums, products = len(descriptors), np.zeros(DESCRIPTOR_SIZE), np.zeros((DESCRIPTOR_SIZE, DESCRIPTOR_SIZE))
    # Less the mean of a first block, near to that of all, so that little cancels below.
    near = plain_descriptors(descriptors[:_BLOCK_ROWS], as_root_sift).mean(axis=0)
    for start in range(0, n, _BLOCK_ROWS):
        block = plain_descriptors(descriptors[start : start + _BLOCK_ROWS], as_root_sift) - near
        sums += block.sum(axis=0, dtype=np.float64)
        products += block.T @ block
    rest = sums / n
    return near + rest, products / n - np.outer(rest, rest)
