"""Transforms of the plane: least-squares fits to corresponding points, their application, and a plausibility check.

A transform `b_from_a` is 3 x 3 and acts on column vectors (x, y, 1); points are (N, 2), x right, y down, in pixels.
Sums and extrema are computed on transposed points, (2, N), since NumPy is slow on rows of two values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision._native import match as native
from classicvision._native import native_available
from classicvision.matching.result import Kind

__all__ = [
    "FITS",
    "fit_affinity",
    "fit_homography",
    "fit_similarity",
    "is_sane",
    "jacobian",
    "middle",
    "mirror_transform",
    "warp_points",
]

Points = NDArray[np.float64]
Transform = NDArray[np.float64]

MAX_SCALE: Final = 32.0  # keypoints are detected over about five octaves
MAX_STRETCH: Final = 4.0  # ratio of singular values; SIFT does not match beyond it
MAX_FORESHORTENING: Final = 4.0  # ratio of the scales of the near and the far end, in perspective
_HOMOGRAPHY_STEPS: Final = 8
_ON_A_LINE: Final = 1e-6  # points are collinear if det(C) / trace(C)^2 of their scatter C is below this
_SETTLED: Final = 1e-6  # iteration stops when the squared error improves by less than this fraction


def warp_points(xy: Points, b_from_a: Transform) -> Points:
    """Map points (N, 2) of a to b."""
    *mapped, weight = b_from_a[:, :2] @ xy.T + b_from_a[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.column_stack([column / weight for column in mapped])


def middle(xy: Points) -> NDArray[np.float64]:
    """Return the centroid of points (N, 2), (2,)."""
    mean: NDArray[np.float64] = np.ascontiguousarray(xy.T).sum(axis=1) / len(xy)
    return mean


def mirror_transform(width: int) -> Transform:
    """Return the transform that mirrors an image of this width left to right."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def jacobian(b_from_a: Transform, x: float, y: float) -> tuple[float, float, float, float]:
    """Return the Jacobian of a transform at a point of a: du/dx, du/dy, dv/dx, dv/dy."""
    return _jacobian(b_from_a.tolist(), x, y)


def fit_similarity(a: Points, b: Points) -> Transform:
    """Fit rotation, scale and translation to two or more points by least squares (Umeyama 1991, no reflection)."""
    # In complex numbers, b - mean_b = s (a - mean_a) is a least-squares line through zero.
    (x, y), (u, v), (xx, _), (_, yy), (xu, xv), (yu, yv) = _moments(a, b)
    spread = xx + yy
    re, im = ((xu + yv) / spread, (xv - yu) / spread) if spread > 0 else (1.0, 0.0)
    return np.array([[re, -im, u - (re * x - im * y)], [im, re, v - (im * x + re * y)], [0, 0, 1]])


def fit_affinity(a: Points, b: Points) -> Transform:
    """Fit an affinity to three or more points by least squares; collinear points give a similarity."""
    (x, y), (u, v), (xx, xy), (_, yy), (xu, xv), (yu, yv) = _moments(a, b)
    determinant = xx * yy - xy * xy
    if not determinant > _ON_A_LINE * (xx + yy) ** 2:
        return fit_similarity(a, b)
    p, q = (yy * xu - xy * yu) / determinant, (xx * yu - xy * xu) / determinant
    r, s = (yy * xv - xy * yv) / determinant, (xx * yv - xy * xv) / determinant
    return np.array([[p, q, u - (p * x + q * y)], [r, s, v - (r * x + s * y)], [0, 0, 1]])


def fit_homography(a: Points, b: Points) -> Transform:
    """Fit a homography to four or more points: least squares of the distances in b, by Gauss-Newton.

    The iteration starts from the affinity, on normalised points (Hartley and Zisserman 2004, section 4.4), for which
    the eight unknowns have similar magnitudes.
    """
    start = fit_affinity(a, b)
    if native_available():
        return native.fit_homography(a, b, start, n_steps=_HOMOGRAPHY_STEPS, settled=_SETTLED)
    norm_a, norm_b = _normalisation(a), _normalisation(b)
    u, v = warp_points(a, norm_a), warp_points(b, norm_b)
    h = norm_b @ start @ np.linalg.inv(norm_a)
    best, error = h, math.inf
    for _ in range(_HOMOGRAPHY_STEPS):
        step, new_error = _newton_step(u, v, h)
        if not new_error < error:
            break
        is_settled = new_error > (1 - _SETTLED) * error
        best, error = h, new_error
        if is_settled:
            break
        h = h + step
    fitted = np.linalg.solve(norm_b, best @ norm_a)
    return np.asarray(fitted / fitted[2, 2])


FITS: Final[Mapping[Kind, tuple[int, Callable[..., Transform]]]] = MappingProxyType(
    {"similarity": (2, fit_similarity), "affinity": (3, fit_affinity), "homography": (4, fit_homography)}
)
"""The families, simplest first: the number of points that determine a transform, and its fit."""


def is_sane(b_from_a: Transform, xy: Points) -> bool:
    """Return whether a transform is plausible in the bounding box of points of a.

    A plausible transform preserves orientation (reflections are removed before), scales by at most 32, stretches by at
    most 4, and has its horizon well outside the box.
    """
    columns = np.ascontiguousarray(xy.T)
    (left, top), (right, bottom) = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    rows = b_from_a.tolist()
    g, h, i = rows[2]
    weights = [g * x + h * y + i for x, y in corners]
    if not (
        all(math.isfinite(number) for row in rows for number in row)
        and 0 < max(weights) < MAX_FORESHORTENING * min(weights)
    ):
        return False
    for x, y in corners:
        p, q, r, s = _jacobian(rows, x, y)
        determinant = p * s - q * r
        # The singular values m and n satisfy m n = det J and m^2 + n^2 = |J|^2, which gives m / n.
        squares = p * p + q * q + r * r + s * s
        if not MAX_SCALE**-2 < determinant < MAX_SCALE**2:
            return False
        if squares > (MAX_STRETCH + 1 / MAX_STRETCH) * determinant:
            return False
    return True


def _jacobian(rows: list[list[float]], x: float, y: float) -> tuple[float, float, float, float]:
    (p, q, r), (s, t, u), (g, h, i) = rows
    weight = g * x + h * y + i
    column, row = (p * x + q * y + r) / weight, (s * x + t * y + u) / weight
    return (p - column * g) / weight, (q - column * h) / weight, (s - row * g) / weight, (t - row * h) / weight


def _normalisation(xy: Points) -> Transform:
    centre = xy.mean(axis=0)
    size = max(float(np.sqrt(np.mean((xy - centre) ** 2))), 1e-9)
    return np.array([[1 / size, 0, -centre[0] / size], [0, 1 / size, -centre[1] / size], [0, 0, 1]])


def _newton_step(a: Points, b: Points, h: Transform) -> tuple[Transform, float]:
    """Return the Gauss-Newton step of h, with h33 = 1, and the squared error at h.

    The error is infinite if a point lies on or behind the horizon.
    """
    x, y = a.T
    weight = x * h[2, 0] + y * h[2, 1] + h[2, 2]
    if not weight.min() > 0:
        return np.zeros((3, 3)), math.inf
    apart = b - warp_points(a, h)
    p, q = (b - apart).T
    n = len(a)
    rows = np.zeros((8, 2 * n))
    rows[0, :n], rows[1, :n], rows[2, :n] = x / weight, y / weight, 1 / weight
    rows[3:6, n:] = rows[:3, :n]
    rows[6:, :n], rows[6:, n:] = -p * rows[:2, :n], -q * rows[:2, :n]
    errors = apart.T.reshape(-1)
    normal = rows @ rows.T
    # Collinear points leave some directions undetermined; a tiny ridge keeps these unchanged.
    normal.flat[::9] += 1e-12 * np.trace(normal)
    step = np.linalg.solve(normal, rows @ errors)
    return np.append(step, 0).reshape(3, 3), float(errors @ errors)


def _moments(a: Points, b: Points) -> list[list[float]]:
    """Return the centroids of a and b, and the scatter matrices of the centred points: a with a, and a with b."""
    if native_available():
        moments = native.find_moments(a, b)
    else:
        middle_a, middle_b = middle(a), middle(b)
        from_middle = (a - middle_a).T
        moments = np.vstack([middle_a, middle_b, from_middle @ (a - middle_a), from_middle @ (b - middle_b)])
    rows: list[list[float]] = moments.tolist()
    return rows
