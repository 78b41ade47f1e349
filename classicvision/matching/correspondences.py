"""Matched keypoints of two images, as columns of equal length, and how well a transform explains each match."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from classicvision._native import match as native
from classicvision._native import native_available
from classicvision.features.local import LocalFeatures
from classicvision.matching.geometry import jacobian, middle, warp_points

__all__ = ["MAX_LOG_SCALE", "MAX_TURN", "Correspondences", "Motion"]

MAX_TURN: Final = math.radians(30)  # difference between the rotation of a match and that of the transform
MAX_LOG_SCALE: Final = math.log(1.6)  # difference between the log scale of a match and that of the transform
PLACE: Final = 6.0  # side of the squares in which several matches count once, in pixels
_LEAST_AREA: Final = 1e-300
_N_PAIRED: Final = 2048  # random pairs that estimate the agreement by chance


@dataclass(frozen=True, eq=False)
class Correspondences:
    """M matches as columns.

    Attributes
    ----------
    a, b : (M, 2) float64
        Positions in a and in b, in pixels.
    log_scale : (2, M) float64
        Logarithms of the scales in pixels, in a and in b.
    angle : (2, M) float64
        Angles in radians, in a and in b.
    pairs : (M, 2) int32
        Rows of the keypoints in a and in b.
    area_a, area_b : float
        Areas of the images in square pixels.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    log_scale: NDArray[np.float64]
    angle: NDArray[np.float64]
    pairs: NDArray[np.int32]
    area_a: float
    area_b: float

    @classmethod
    def of(cls, a: LocalFeatures, b: LocalFeatures, pairs: NDArray[np.int32]) -> Self:
        """Collect the columns of matched keypoints."""
        i, j = pairs.T.astype(np.intp)
        scale, angle = np.empty((2, 2, len(pairs)))
        scale[0], scale[1] = a.scale.take(i), b.scale.take(j)
        angle[0], angle[1] = a.angle.take(i), b.angle.take(j)
        return cls(
            a.xy.take(i, axis=0).astype(np.float64),
            b.xy.take(j, axis=0).astype(np.float64),
            np.log(scale, out=scale),
            angle,
            pairs,
            float(a.image_size[0] * a.image_size[1]),
            float(b.image_size[0] * b.image_size[1]),
        )

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the matches selected by a mask or an index array."""
        if rows.dtype == np.bool_:
            rows = rows.nonzero()[0]
        return type(self)(
            self.a.take(rows, axis=0),
            self.b.take(rows, axis=0),
            self.log_scale.take(rows, axis=1),
            self.angle.take(rows, axis=1),
            self.pairs.take(rows, axis=0),
            self.area_a,
            self.area_b,
        )

    def in_order(self) -> Self:
        """Return the matches in an order, and so with sums, that do not depend on the order of the keypoints."""
        y = self.a[:, 1]
        order = np.argsort(y)
        y = y[order]
        is_tied = np.zeros(len(y) + 1, bool)
        np.equal(y[1:], y[:-1], out=is_tied[1:-1])
        # The other columns break ties, which are rare.
        tied = (is_tied[1:] | is_tied[:-1]).nonzero()[0]
        rows = np.sort(order[tied])
        angle, b, a = self.angle.take(rows, axis=1), self.b.take(rows, axis=0), self.a.take(rows, axis=0)
        order[tied] = rows[np.lexsort((*angle, *b.T, *a.T))]
        return self[order]

    @cached_property
    def turn(self) -> NDArray[np.float64]:
        """Rotation of each match: angle in b minus angle in a, (M,), radians."""
        turn: NDArray[np.float64] = self.angle[1] - self.angle[0]
        return turn

    @cached_property
    def log_ratio(self) -> NDArray[np.float64]:
        """Logarithm of the scale ratio b / a of each match, (M,)."""
        log_ratio: NDArray[np.float64] = self.log_scale[1] - self.log_scale[0]
        return log_ratio

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return _numbered_places(self.a), _numbered_places(self.b)

    @cached_property
    def n_places(self) -> int:
        """Number of distinct places of the matches, in the image where there are fewer."""
        return min(int(place.max(initial=-1)) + 1 for place in self._places)

    def count_places(self, errors: NDArray[np.float64], tolerances: Sequence[float]) -> list[int]:
        """Return the number of places with a match within each tolerance, in the image where there are fewer.

        A place is a square of 6 x 6 pixels, since matches in the same place are not independent.
        """
        limits = np.asarray(tolerances, np.float64)
        if native_available():
            of_a, of_b = (native.count_places(errors, place, limits) for place in self._places)
            fewer: list[int] = np.minimum(of_a, of_b).tolist()
            return fewer
        level = np.searchsorted(limits, errors)
        counts = []
        for place in self._places:
            least = np.full(len(self), len(tolerances), np.intp)
            np.minimum.at(least, place, level)
            counts.append(np.bincount(least, minlength=len(tolerances))[: len(tolerances)].cumsum().tolist())
        return [min(pair) for pair in zip(*counts, strict=True)]

    @property
    def shifts(self) -> NDArray[np.int32]:
        """Row offsets between a keypoint and its wrong partner, one per permutation of `cross_paired`."""
        n = len(self)
        return np.unique(np.linspace(1, n - 1, min(_N_PAIRED // n + 1, n - 1)).astype(np.int32))

    def cross_paired(self) -> Self:
        """Return about 2,000 pairs of keypoints of a with the partners of others: a sample of wrong matches."""
        n, shifts = len(self), self.shifts
        rows = np.tile(np.arange(n), len(shifts))
        others = (np.arange(n) + shifts[:, None]).reshape(-1) % n
        log_scale, angle = (np.stack([one[0, rows], one[1, others]]) for one in (self.log_scale, self.angle))
        return replace(self, a=self.a[rows], b=self.b[others], log_scale=log_scale, angle=angle)


@dataclass(frozen=True, eq=False)
class Motion:
    """A transform, with its scale and rotation at the centroid of its inliers.

    Attributes
    ----------
    b_from_a : (3, 3) float64
    log_scale : float
        Logarithm of the scale.
    turn : float
        Rotation in radians, clockwise on the screen.
    """

    b_from_a: NDArray[np.float64]
    log_scale: float
    turn: float

    @classmethod
    def at(cls, b_from_a: NDArray[np.float64], xy: NDArray[np.float64]) -> Self:
        """Linearise a transform at the centroid of points (N, 2) of a."""
        p, q, r, s = jacobian(b_from_a, *middle(xy).tolist())
        area = max(p * s - q * r, _LEAST_AREA)  # 0 if all points map to one
        # The nearest rotation is that of the Jacobian's similarity part.
        return cls(b_from_a, math.log(area) / 2, math.atan2(r - q, p + s))

    def errors(self, matches: Correspondences) -> NDArray[np.float64]:
        """Return the transfer error of each match, (M,), in pixels of the image that shows the region smaller.

        That image limits the accuracy of positions, and the choice makes the errors symmetric in a and b. Matches whose
        rotation or scale differs too much from that of the transform have infinite errors.
        """
        from_b, transform = self._to_smaller
        points = (matches.b, matches.a) if from_b else (matches.a, matches.b)
        frames, expected = (matches.turn, matches.log_ratio), (self.turn, self.log_scale)
        if native_available():
            return native.find_errors(points, frames, transform, expected, (MAX_TURN, MAX_LOG_SCALE))
        apart = warp_points(points[0], transform) - points[1]
        turn = matches.turn - self.turn
        turn -= 2 * np.pi * np.rint(turn / (2 * np.pi))
        agrees = (np.abs(turn) <= MAX_TURN) & (np.abs(matches.log_ratio - self.log_scale) <= MAX_LOG_SCALE)
        errors = np.sqrt(np.square(apart).sum(axis=1))
        return np.where(agrees & (errors == errors), errors, np.inf)

    def share_by_chance(self, matches: Correspondences, tolerances: Sequence[float]) -> list[float]:
        """Return the share of cross-paired keypoints that agree within each tolerance."""
        if not native_available():
            errors = self.errors(matches.cross_paired())
            return [float(np.mean(errors <= tolerance)) for tolerance in tolerances]
        from_b, transform = self._to_smaller
        points, frames, shifts = (matches.a, matches.b), (matches.angle, matches.log_scale), matches.shifts
        expected, most = (self.turn, self.log_scale), (MAX_TURN, MAX_LOG_SCALE)
        limits = np.asarray(tolerances, np.float64)
        counts = native.count_paired(points, frames, shifts, transform, expected, most, limits, from_b=from_b)
        shares: list[float] = (counts / (len(matches) * len(shifts))).tolist()
        return shares

    @cached_property
    def _to_smaller(self) -> tuple[bool, NDArray[np.float64]]:
        """Whether errors are measured in a, because it shows the region smaller, and the transform to that image."""
        if self.log_scale <= 0:
            return False, self.b_from_a
        return True, np.asarray(np.linalg.inv(self.b_from_a), np.float64)

    def common_area(self, matches: Correspondences) -> float:
        """Return the area of the smaller image, in the pixels of `errors`."""
        factor = math.exp(2 * self.log_scale)
        return min(matches.area_b, factor * matches.area_a) / max(factor, 1.0)


def _numbered_places(xy: NDArray[np.float64]) -> NDArray[np.int32]:
    column, row = np.floor(xy / PLACE).astype(np.int64).T
    _, numbers = np.unique(column * 2**32 + row, return_inverse=True)
    return numbers.reshape(-1).astype(np.int32)
