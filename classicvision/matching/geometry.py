"""Transforms of the plane: fitted to corresponding points by least squares, applied, and judged.

A transform `b_from_a` is 3 x 3 and acts on column vectors (x, y, 1); points are (N, 2), x right, y down, in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.result import Kind

__all__ = [
    "FITS",
    "area_factor",
    "fit_affinity",
    "fit_homography",
    "fit_similarity",
    "is_sane",
    "jacobians",
    "mirror",
    "warp_points",
]

Points = NDArray[np.float64]
Transform = NDArray[np.float64]

MAX_SCALE: Final = 32.0  # a keypoint is found over about five octaves
MAX_STRETCH: Final = 4.0  # ratio of the axes of the ellipse that a circle becomes; SIFT finds nothing beyond
MAX_FORESHORTENING: Final = 4.0  # of the near and the far end of a picture, in perspective
_HOMOGRAPHY_STEPS: Final = 6


def warp_points(xy: Points, b_from_a: Transform) -> Points:
    """Map (N, 2) points of a onto b."""
    mapped = xy @ b_from_a[:, :2].T + b_from_a[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        points: Points = mapped[:, :2] / mapped[:, 2:]
    return points


def mirror(width: int) -> Transform:
    """Return the transform that mirrors a picture of this width left to right."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def jacobians(xy: Points, b_from_a: Transform) -> NDArray[np.float64]:
    """Return what the transform does to small steps at each point, (N, 2, 2)."""
    weight = xy @ b_from_a[2, :2] + b_from_a[2, 2]
    mapped = warp_points(xy, b_from_a)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps: NDArray[np.float64] = (b_from_a[:2, :2] - mapped[:, :, None] * b_from_a[2, :2]) / weight[:, None, None]
    return steps


def area_factor(xy: Points, b_from_a: Transform) -> float:
    """Return by what the transform multiplies areas at the middle of some points."""
    middle = xy.mean(axis=0, keepdims=True)
    return float(abs(np.linalg.det(jacobians(middle, b_from_a)[0])))


def fit_similarity(a: Points, b: Points, weights: NDArray[np.float64] | None = None) -> Transform:
    """Fit turn, scale and shift to at least two points by weighted least squares (Umeyama 1991, without reflection)."""
    w = np.ones(len(a)) if weights is None else weights
    middle_a, middle_b = w @ a / w.sum(), w @ b / w.sum()
    # As complex numbers, b - middle_b = s (a - middle_a) has the solution of a least squares line through zero.
    z, target = ((points - middle) @ [1, 1j] for points, middle in ((a, middle_a), (b, middle_b)))
    spread = float(np.sum(w * np.abs(z) ** 2))
    s = np.sum(w * z.conj() * target) / spread if spread > 0 else 1.0
    turn = np.array([[s.real, -s.imag], [s.imag, s.real]])
    return _assembled(turn, middle_b - turn @ middle_a)


def fit_affinity(a: Points, b: Points, weights: NDArray[np.float64] | None = None) -> Transform:
    """Fit an affinity to at least three points by weighted least squares; points on one line give a similarity."""
    w = np.ones(len(a)) if weights is None else weights
    middle_a, middle_b = w @ a / w.sum(), w @ b / w.sum()
    moments = (a - middle_a).T @ ((a - middle_a) * w[:, None])
    if not np.linalg.cond(moments) < 1e6:
        return fit_similarity(a, b, weights)
    linear = np.linalg.solve(moments, ((a - middle_a) * w[:, None]).T @ (b - middle_b)).T
    return _assembled(linear, middle_b - linear @ middle_a)


def fit_homography(a: Points, b: Points, weights: NDArray[np.float64] | None = None) -> Transform:
    """Fit a homography to at least four points: least squared distances in b, by Gauss and Newton's steps.

    Starts from the affinity. Both pictures are first shifted and scaled to unit size (Hartley and Zisserman 2004,
    section 4.4), so that the eight unknowns are of one size.
    """
    w = np.ones(len(a)) if weights is None else weights
    norm_a, norm_b = _normalisation(a), _normalisation(b)
    u, v = warp_points(a, norm_a), warp_points(b, norm_b)
    h = fit_affinity(u, v, w)
    error = _squared_error(u, v, h, w)
    for _ in range(_HOMOGRAPHY_STEPS):
        better = _newton_step(u, v, h, w)
        new_error = _squared_error(u, v, better, w)
        if not new_error < error:
            break
        h, change, error = better, error - new_error, new_error
        if change < 1e-9 * error:
            break
    fitted = np.linalg.solve(norm_b, h @ norm_a)
    return np.asarray(fitted / fitted[2, 2])


FITS: Final[Mapping[Kind, tuple[int, Callable[..., Transform]]]] = MappingProxyType(
    {"similarity": (2, fit_similarity), "affinity": (3, fit_affinity), "homography": (4, fit_homography)}
)
"""The families, simplest first: how many points decide one of its transforms, and how it is fitted."""


def is_sane(b_from_a: Transform, xy: Points) -> bool:
    """Tell whether a transform is one that a picture can have undergone, at some points of a.

    It keeps the orientation (mirrors are taken out before), scales by no more than 32, stretches by no more than 4, and
    no horizon runs through or near the points.
    """
    weight = xy @ b_from_a[2, :2] + b_from_a[2, 2]
    if not (np.isfinite(b_from_a).all() and weight.min() > 0 and weight.max() < MAX_FORESHORTENING * weight.min()):
        return False
    steps = jacobians(xy, b_from_a)
    determinant = np.linalg.det(steps)
    if not (determinant > MAX_SCALE**-2).all() or not (determinant < MAX_SCALE**2).all():
        return False
    # The squared singular values s and t of a 2 x 2 matrix: s t = det^2 and s + t = |J|^2, so s / t follows.
    squares = np.einsum("nij,nij->n", steps, steps)
    return bool((squares <= (MAX_STRETCH + 1 / MAX_STRETCH) * determinant).all())


def _assembled(linear: NDArray[np.float64], shift: NDArray[np.float64]) -> Transform:
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = linear, shift
    return transform


def _normalisation(xy: Points) -> Transform:
    middle = xy.mean(axis=0)
    size = max(float(np.sqrt(np.mean((xy - middle) ** 2))), 1e-9)
    return np.array([[1 / size, 0, -middle[0] / size], [0, 1 / size, -middle[1] / size], [0, 0, 1]])


def _squared_error(a: Points, b: Points, h: Transform, w: NDArray[np.float64]) -> float:
    weight = a @ h[2, :2] + h[2, 2]
    if not weight.min() > 0:
        return float("inf")
    return float(np.sum(w * np.sum((warp_points(a, h) - b) ** 2, axis=1)))


def _newton_step(a: Points, b: Points, h: Transform, w: NDArray[np.float64]) -> Transform:
    """Solve for the eight numbers of h, with h33 = 1, that make the linearised distances least."""
    x, y = a.T
    weight = x * h[2, 0] + y * h[2, 1] + h[2, 2]
    p, q = warp_points(a, h).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows_p = np.stack([x, y, one, zero, zero, zero, -p * x, -p * y]) / weight
    rows_q = np.stack([zero, zero, zero, x, y, one, -q * x, -q * y]) / weight
    rows = np.concatenate([rows_p, rows_q], axis=1)
    weighted = rows * np.concatenate([w, w])
    normal = weighted @ rows.T
    step = np.linalg.lstsq(normal, weighted @ np.concatenate([b[:, 0] - p, b[:, 1] - q]), rcond=1e-12)[0]
    return np.asarray(h + np.append(step, 0).reshape(3, 3))
