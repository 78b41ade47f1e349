"""Matched keypoints of two pictures, as columns of one length, and how well a transform explains each."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.matching.geometry import jacobians, warp_points

__all__ = ["MAX_LOG_SCALE", "MAX_TURN", "Correspondences", "Motion"]

MAX_TURN: Final = float(np.radians(30))  # between the turn of a match and that of the transform
MAX_LOG_SCALE: Final = float(np.log(1.6))  # between the scale of a match and that of the transform
PLACE: Final = 6.0  # side of a square in which several matches count once, in pixels


@dataclass(frozen=True, eq=False)
class Correspondences:
    """M matches, in an order that does not depend on the order of the keypoints.

    Attributes
    ----------
    a, b : (M, 2) float64
        Positions in a and in b, pixels.
    log_scale_a, log_scale_b : (M,) float64
        Logarithms of the scales in pixels.
    angle_a, angle_b : (M,) float64
        Radians.
    pairs : (M, 2) int32
        Rows of the keypoints.
    place_a, place_b : (M,) int64
        Numbers of squares of 6 x 6 pixels; matches of one square are not independent.
    area_a, area_b : float
        Of the pictures, in square pixels.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    log_scale_a: NDArray[np.float64]
    log_scale_b: NDArray[np.float64]
    angle_a: NDArray[np.float64]
    angle_b: NDArray[np.float64]
    pairs: NDArray[np.int32]
    place_a: NDArray[np.int64]
    place_b: NDArray[np.int64]
    area_a: float
    area_b: float

    @classmethod
    def of(cls, a: LocalFeatures, b: LocalFeatures, pairs: NDArray[np.int32]) -> Self:
        """Look up matched keypoints."""
        i, j = pairs.T
        xy_a, xy_b = a.xy[i], b.xy[j]
        order = np.lexsort((b.angle[j], a.angle[i], xy_b[:, 1], xy_b[:, 0], xy_a[:, 1], xy_a[:, 0]))
        i, j = i[order], j[order]
        xy_a, xy_b = xy_a[order].astype(np.float64), xy_b[order].astype(np.float64)
        return cls(
            xy_a,
            xy_b,
            np.log(a.scale[i].astype(np.float64)),
            np.log(b.scale[j].astype(np.float64)),
            a.angle[i].astype(np.float64),
            b.angle[j].astype(np.float64),
            pairs[order],
            _places(xy_a),
            _places(xy_b),
            float(np.prod(a.image_size)),
            float(np.prod(b.image_size)),
        )

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the matches chosen by a mask or an index array."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)[:-2]}
        return replace(self, **{name: column[rows] for name, column in columns.items()})

    @cached_property
    def n_places(self) -> int:
        """At how many places the matches are, in the picture where these are fewer."""
        return self.count_places(np.ones(len(self), bool))

    def count_places(self, chosen: NDArray[np.bool_]) -> int:
        """Return at how many places the chosen matches are, in the picture where these are fewer."""
        return min(int(np.count_nonzero(np.bincount(place[chosen]))) for place in (self.place_a, self.place_b))

    def paired_anew(self, n_ways: int) -> Self:
        """Return the keypoints of a with the partners of others, in up to n_ways ways: what chance would pair."""
        n = len(self)
        shifts = np.unique(np.linspace(1, n - 1, min(n_ways, n - 1)).astype(np.intp))
        rows = np.tile(np.arange(n), len(shifts))
        others = (np.arange(n) + shifts[:, None]).reshape(-1) % n
        moved = {name: getattr(self, name)[others] for name in ("b", "log_scale_b", "angle_b")}
        return replace(self[rows], **moved)


@dataclass(frozen=True, eq=False)
class Motion:
    """A transform, with what it does to frames at the middle of its inliers.

    Attributes
    ----------
    b_from_a : (3, 3) float64
    log_scale : float
    turn : float
        Radians, clockwise on the screen.
    """

    b_from_a: NDArray[np.float64]
    log_scale: float
    turn: float

    @classmethod
    def at(cls, b_from_a: NDArray[np.float64], xy: NDArray[np.float64]) -> Self:
        """Look at a transform in the middle of some points (N, 2) of a."""
        (j,) = jacobians(xy.mean(axis=0, keepdims=True), b_from_a)
        scale = np.sqrt(j[0, 0] * j[1, 1] - j[0, 1] * j[1, 0])
        # The rotation nearest to J: the angle of its part that is a similarity.
        return cls(b_from_a, float(np.log(scale)), float(np.arctan2(j[1, 0] - j[0, 1], j[0, 0] + j[1, 1])))

    def errors(self, matches: Correspondences) -> NDArray[np.float64]:
        """Return how far each match is from agreeing, (M,), in pixels of the picture that shows the thing smaller.

        That picture limits how well places are known; and exchanging the pictures changes nothing. Matches whose frames
        are turned or scaled otherwise than the transform says are infinitely far.
        """
        if self.log_scale <= 0:
            apart = warp_points(matches.a, self.b_from_a) - matches.b
        else:
            a_from_b = np.asarray(np.linalg.inv(self.b_from_a), np.float64)
            apart = warp_points(matches.b, a_from_b) - matches.a
        turn = matches.angle_b - matches.angle_a - self.turn
        turn -= 2 * np.pi * np.rint(turn / (2 * np.pi))
        scale = matches.log_scale_b - matches.log_scale_a - self.log_scale
        agrees = (np.abs(turn) <= MAX_TURN) & (np.abs(scale) <= MAX_LOG_SCALE)
        return np.where(agrees, np.hypot(apart[:, 0], apart[:, 1]), np.inf)

    def common_area(self, matches: Correspondences) -> float:
        """Return the area of the smaller picture, in pixels as `errors` uses them."""
        factor = np.exp(2 * self.log_scale)
        return float(min(matches.area_b, factor * matches.area_a) / max(factor, 1.0))


def _places(xy: NDArray[np.float64]) -> NDArray[np.int64]:
    column, row = np.floor(xy / PLACE).astype(np.int64).T
    _, numbers = np.unique(column * 2**32 + row, return_inverse=True)
    return numbers.reshape(-1)
