"""The small displacements that remain between two images after a transform: lens distortion, waves, its own errors.

Windows of gradients are shifted against each other; the best shift of each is a measurement. The field is a robust
affinity through all of them, plus their smoothed residuals. Its stiffness is deliberate: a field that followed every
window would also fit two photographs of one kind of object onto each other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.pixels.cells import (
    CELL,
    Plane,
    blur,
    cell_sums,
    gradients,
    halve,
    interpolate_cells,
    smooth,
    windows,
)

__all__ = ["find_displacement"]

Field = NDArray[np.float64]

REACH: Final = 4  # largest shift, in pixels of half the resolution
BLUR: Final = 2.4  # sigma in pixels, before halving
WINDOW: Final = 3  # cells along a side of a window
SHORTER: Final = 0.003  # preference for short shifts, per squared pixel
LEAST_GAIN: Final = 0.6  # correlation from which a window is a measurement
NOISE: Final = 0.05  # mean squared gradient that is noise, in squared levels
OUTLIER: Final = 0.5  # pixels of the frame from the affinity at which a measurement has half its weight
FAR_OUTLIER: Final = 4.0  # pixels from which it is ignored
SMOOTHNESS: Final = 2.0  # sigma of the residuals' blur, in cells
_ROUNDS: Final = 6
_FEWEST: Final = 4  # measurements
_SIDES: Final = 2 * REACH + 1


def find_displacement(a: Plane, b: Plane, inside: NDArray[np.bool_]) -> Field:
    """Return the displacement field by which b has to be resampled to lie on a.

    Parameters
    ----------
    a, b : (H, W) float32
        Luma.
    inside : (H, W) bool

    Returns
    -------
    (H, W, 2) float64
        Pixels along x and y: b at p + d lies on a at p.
    """
    if min(a.shape) < 2 * CELL * WINDOW:
        return np.zeros((*a.shape, 2))  # too small for a window
    scores = _shift_scores(a, b, inside)
    shift, weight = _best_shifts(scores)
    if np.count_nonzero(weight > 1e-4) < _FEWEST:
        return np.zeros((*a.shape, 2))
    xy = _centres(weight.shape)
    design = np.column_stack([xy / max(a.shape), np.ones(len(xy))])
    affine = _fit_robustly(design, shift.reshape(-1, 2), weight.ravel())
    residual = (shift.reshape(-1, 2) - design @ affine).reshape(shift.shape)
    kept = weight * (np.hypot(residual[..., 0], residual[..., 1]) < FAR_OUTLIER)
    total = smooth(kept, SMOOTHNESS) + 0.005
    local = [smooth(residual[..., axis] * kept, SMOOTHNESS) / total for axis in (0, 1)]
    grown = [np.pad(one, WINDOW // 2, "edge") for one in local]  # windows are centred on all but the outer cells
    bent = np.stack([interpolate_cells(one, a.shape, 2 * CELL) for one in grown], axis=2)
    y, x = np.mgrid[: a.shape[0], : a.shape[1]] / max(a.shape)
    return bent + np.stack([x, y, np.ones_like(x)], axis=2) @ affine


def _shift_scores(a: Plane, b: Plane, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the correlation of the gradients of each window under each shift, (9, 9, R, C): dy, dx."""
    known = halve(inside.astype(np.float32)) > 0.99
    ax, ay = gradients(halve(blur(a, BLUR)), known)
    bx, by = (np.pad(plane, REACH) for plane in gradients(halve(blur(b, BLUR)), known))
    squared = bx * bx + by * by
    floor = np.float32(NOISE * (WINDOW * CELL) ** 2)
    of_a = windows(cell_sums(ax * ax + ay * ay), WINDOW) + floor
    scores = np.empty((_SIDES, _SIDES, *of_a.shape), np.float32)
    height, width = ax.shape
    for dy in range(_SIDES):
        for dx in range(_SIDES):
            part = (slice(dy, dy + height), slice(dx, dx + width))
            product = windows(cell_sums(ax * bx[part] + ay * by[part]), WINDOW)
            of_b = windows(cell_sums(squared[part]), WINDOW) + floor
            far = (dy - REACH) ** 2 + (dx - REACH) ** 2
            scores[dy, dx] = product / np.sqrt(of_a * of_b) - np.float32(SHORTER * far)
    return scores


def _best_shifts(scores: NDArray[np.float32]) -> tuple[Field, NDArray[np.float64]]:
    """Return the best shift of each window in pixels of the frame, (R, C, 2) along x and y, and its weight (R, C)."""
    shape = scores.shape[2:]
    flat = scores.reshape(_SIDES, _SIDES, -1).astype(np.float64)
    best = flat.reshape(_SIDES**2, -1).argmax(axis=0)
    row, column = np.divmod(best, _SIDES)
    is_inner = (row > 0) & (row < _SIDES - 1) & (column > 0) & (column < _SIDES - 1)
    row, column, window = np.clip(row, 1, _SIDES - 2), np.clip(column, 1, _SIDES - 2), np.arange(flat.shape[2])

    def at(dy: int, dx: int) -> NDArray[np.float64]:
        rows, columns = np.clip(row + dy, 0, _SIDES - 1), np.clip(column + dx, 0, _SIDES - 1)
        return np.asarray(flat[rows, columns, window], np.float64)

    top = at(0, 0)
    x = column - REACH + _peak(at(0, -1), top, at(0, 1))
    y = row - REACH + _peak(at(-1, 0), top, at(1, 0))
    around = np.maximum.reduce([at(2, 0), at(-2, 0), at(0, 2), at(0, -2)])
    weight = np.square(np.clip(top - LEAST_GAIN, 0, 1)) * np.clip(top - around, 0, 1) * is_inner
    return 2 * np.stack([x, y], axis=1).reshape(*shape, 2), weight.reshape(shape)


def _peak(before: NDArray[np.float64], top: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the parabola through three neighbours has its maximum, relative to the middle one."""
    bend = np.minimum(before - 2 * top + after, -1e-9)
    return np.asarray(np.clip((before - after) / (2 * bend), -0.5, 0.5), np.float64)


def _centres(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the centres of all windows (R, C) in pixels of the frame, (R C, 2)."""
    row, column = np.indices(shape)
    return (np.column_stack([column.ravel(), row.ravel()]) + WINDOW / 2) * (2 * CELL) - 0.5


def _fit_robustly(design: Field, shift: Field, weight: NDArray[np.float64]) -> Field:
    """Fit an affinity to weighted shifts (N, 2), (3, 2), with weights that fall with the residual (Cauchy)."""
    affine, robust = np.zeros((3, 2)), np.asarray(weight, np.float64)
    for _ in range(_ROUNDS):
        weighted = design * robust[:, None]
        affine = np.asarray(np.linalg.solve(weighted.T @ design + 1e-6 * np.eye(3), weighted.T @ shift), np.float64)
        apart = np.hypot(*(shift - design @ affine).T)
        robust = np.asarray(weight / (1 + np.square(apart / OUTLIER)), np.float64)
    return affine
