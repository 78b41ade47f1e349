"""Homographies for measurements: mapping points and scales, and estimation from matches.

A homography `b_from_a` is (3, 3) and acts on column vectors (x, y, 1), in pixels, pixel centres on integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.geometry import fit_homography, warp_points

__all__ = ["corner_error", "estimate_homography", "growth", "in_resized", "is_visible"]

Points = NDArray[np.float64]
Homography = NDArray[np.float64]
Sizes = tuple[tuple[int, int], tuple[int, int]]  # (height, width) of a and of b

N_REFINEMENTS = 3
_BLOCK_NUMBERS = 2**18  # distances in memory at a time


def is_visible(xy: Points, b_from_a: Homography, sizes: Sizes) -> NDArray[np.bool_]:
    """Return which (N, 2) points of a fall inside b, given the (height, width) of a and of b."""
    (height_a, width_a), (height, width) = sizes
    mapped = warp_points(xy, b_from_a)
    # Points behind the horizon are mapped too; the centre of a is assumed to lie in front of it.
    middle = np.array([(width_a - 1) / 2, (height_a - 1) / 2, 1])
    is_before = (xy @ b_from_a[2, :2] + b_from_a[2, 2]) * (b_from_a[2] @ middle) > 0
    inside: NDArray[np.bool_] = is_before & np.all((mapped >= 0) & (mapped <= (width - 1, height - 1)), axis=1)
    return inside


def growth(xy: Points, b_from_a: Homography) -> NDArray[np.float64]:
    """Return by how much a small length grows at (N, 2) points of a: the root of the Jacobian, |det / w^3|."""
    weight = xy @ b_from_a[2, :2] + b_from_a[2, 2]
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt(np.abs(np.linalg.det(b_from_a) / weight**3)))


def in_resized(b_from_a: Homography, sizes: Sizes, new_sizes: Sizes) -> Homography:
    """Return a homography between two images as one between resized images; sizes are (height, width) of a and of b."""
    resize_a, resize_b = (_resize(old, new) for old, new in zip(sizes, new_sizes, strict=True))
    moved: Homography = resize_b @ b_from_a @ np.linalg.inv(resize_a)
    return moved


def corner_error(estimated: Homography, b_from_a: Homography, image_size: tuple[int, int]) -> float:
    """Return the mean error of the four corners of a, in pixels of b.

    After DeTone, Malisiewicz and Rabinovich (2018, section 7.2). Infinite for an estimate that is NaN.
    """
    height, width = image_size
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    distance = np.linalg.norm(warp_points(corners, estimated) - warp_points(corners, b_from_a), axis=1)
    return float(distance.mean()) if np.isfinite(distance).all() else float("inf")


def estimate_homography(
    a: Points, b: Points, *, threshold: float, n_hypotheses: int, rng: np.random.Generator
) -> Homography:
    """Estimate a homography from matches of which many may be wrong.

    Four random matches at a time make a hypothesis; the one of least squared distances in b, each cut at the threshold,
    wins (MSAC, Torr and Zisserman 2000, section 3) and is fitted to its inliers, as long as that improves it. It needs
    only positions, so it treats all detectors alike.

    Parameters
    ----------
    a, b : (P, 2) float64
        Matched points.
    threshold : float
        Largest error of an inlier, in pixels of b.
    n_hypotheses : int
    rng : numpy.random.Generator

    Returns
    -------
    (3, 3) float64
        All NaN if no hypothesis has four inliers.
    """
    nothing = np.full((3, 3), np.nan)
    if len(a) < 4:
        return nothing
    sets = rng.integers(len(a), size=(n_hypotheses, 4))
    middle_a, middle_b = (_shift(-points.mean(axis=0)) for points in (a, b))
    u, v = warp_points(a, middle_a), warp_points(b, middle_b)
    hypotheses = _from_four(u[sets], v[sets])
    costs = np.concatenate([_costs(u, v, block, threshold) for block in _blocks(hypotheses, len(a))])
    best, cost = hypotheses[costs.argmin()], float(costs.min())
    for _ in range(N_REFINEMENTS):
        is_inlier = _squared(u, v, best[None])[0] < threshold**2
        if is_inlier.sum() < 4:
            return nothing
        fitted = fit_homography(u[is_inlier], v[is_inlier])
        fitted_cost = float(_costs(u, v, fitted[None], threshold)[0])
        if not fitted_cost < cost:
            break
        best, cost = fitted, fitted_cost
    found = np.linalg.inv(middle_b) @ best @ middle_a
    return np.asarray(found / found[2, 2])


def _from_four(a: Points, b: Points) -> Homography:
    """Return the homographies (K, 3, 3) of K sets of four matches, (K, 4, 2) each; anything where three are on a line.

    A matrix whose columns are three of the points, each with its share in the fourth, maps the corners of a triangle
    and its middle onto them; going there from a and on to b needs no equations to be solved (Hartley and Zisserman
    2004, section 2.3).
    """
    from_triangle_a, from_triangle_b = _from_triangle(a), _from_triangle(b)
    return np.asarray(from_triangle_b @ _adjugate(from_triangle_a))


def _from_triangle(points: Points) -> Homography:
    columns = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2).transpose(0, 2, 1)
    shares = _adjugate(columns[:, :, :3]) @ columns[:, :, 3:]
    return np.asarray(columns[:, :, :3] * shares.transpose(0, 2, 1))


def _adjugate(matrices: Homography) -> Homography:
    """Return the inverse of each (K, 3, 3) matrix times its determinant."""
    x, y, z = matrices.transpose(2, 0, 1)
    return np.stack([np.cross(y, z), np.cross(z, x), np.cross(x, y)], axis=1)


def _squared(a: Points, b: Points, hypotheses: Homography) -> NDArray[np.float64]:
    """Return the squared distances in b (K, P) that K hypotheses leave; infinite where undefined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mapped = a @ hypotheses[:, :, :2].transpose(0, 2, 1) + hypotheses[:, None, :, 2]
        squared = np.sum((mapped[:, :, :2] / mapped[:, :, 2:] - b) ** 2, axis=2)
    return np.where(np.isfinite(squared), squared, np.inf)


def _costs(a: Points, b: Points, hypotheses: Homography, threshold: float) -> NDArray[np.float64]:
    return np.asarray(np.minimum(_squared(a, b, hypotheses), threshold**2).sum(axis=1))


def _blocks(hypotheses: Homography, n_points: int) -> list[Homography]:
    size = max(1, _BLOCK_NUMBERS // n_points)
    return [hypotheses[start : start + size] for start in range(0, len(hypotheses), size)]


def _resize(size: tuple[int, int], new_size: tuple[int, int]) -> Homography:
    """Return where resizing moves points: outer borders stay borders, so centres go to factor * (x + 0.5) - 0.5."""
    y, x = (new / old for new, old in zip(new_size, size, strict=True))
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _shift(by: NDArray[np.float64]) -> Homography:
    return np.array([[1, 0, by[0]], [0, 1, by[1]], [0, 0, 1]], np.float64)
