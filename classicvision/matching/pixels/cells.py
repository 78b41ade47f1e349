"""Sums over square cells and blurs of images: what the comparison of pixels is computed from."""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "block_means", "blur", "cell_sums", "gradients", "halve", "interpolate_cells", "smooth", "windows"]

Plane = NDArray[np.float32]

CELL: Final = 8  # side of a cell in pixels
_ONES: Final = np.ones(CELL, np.float32)


def cell_sums(plane: Plane) -> Plane:
    """Return the sum of each 8 x 8 cell of a plane (H, W), (H // 8, W // 8); an incomplete cell is not summed."""
    height, width = (side // CELL for side in plane.shape)
    rows = np.add.reduce(plane[: height * CELL, : width * CELL].reshape(height, CELL, width * CELL), axis=1)
    return np.asarray(rows.reshape(-1, CELL) @ _ONES, np.float32).reshape(height, width)


def block_means(plane: Plane) -> NDArray[np.float64]:
    """Return the mean of each block of 2 x 2 cells, one for each cell but the last, (H // 8 - 1, W // 8 - 1)."""
    return windows(cell_sums(plane), 2).astype(np.float64) / (2 * CELL) ** 2


def windows(cells: Plane, n: int) -> Plane:
    """Return the sum of each n x n cells, (R - n + 1, C - n + 1)."""
    rows, columns = (side - n + 1 for side in cells.shape)
    over_rows = cells[:rows].copy()
    for i in range(1, n):
        over_rows += cells[i : i + rows]
    sums = over_rows[:, :columns].copy()
    for j in range(1, n):
        sums += over_rows[:, j : j + columns]
    return sums


def blur(plane: Plane, sigma: float) -> Plane:
    """Blur a plane with a Gaussian of `sigma` pixels, cut at 3 sigma; the border pixel continues outside."""
    taps = _taps(sigma)
    radius = len(taps) // 2
    for axis in (0, 1):
        padding = [(radius, radius) if one == axis else (0, 0) for one in (0, 1)]
        padded = np.pad(plane, padding, "edge")
        n = plane.shape[axis]
        shifted = (padded[i : i + n] if axis == 0 else padded[:, i : i + n] for i in range(len(taps)))
        plane = np.zeros_like(plane)
        for tap, one in zip(taps, shifted, strict=True):
            plane += tap * one
    return plane


def gradients(plane: Plane, inside: NDArray[np.bool_]) -> tuple[Plane, Plane]:
    """Return the central differences along x and y; 0 where a pixel or one of its neighbours is not inside."""
    dx, dy = np.zeros_like(plane), np.zeros_like(plane)
    dx[:, 1:-1] = (plane[:, 2:] - plane[:, :-2]) / 2
    dy[1:-1] = (plane[2:] - plane[:-2]) / 2
    known = np.zeros_like(inside)
    known[1:-1, 1:-1] = inside[1:-1, 1:-1] & inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    return dx * known, dy * known


def halve(plane: Plane) -> Plane:
    """Return the means of 2 x 2 pixels; an odd last row or column is dropped."""
    height, width = (side // 2 for side in plane.shape)
    return np.asarray(plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3)), np.float32)


def smooth(cells: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Blur cells with a Gaussian of `sigma` cells; outside is 0."""
    for axis in (0, 1):
        n = cells.shape[axis]
        apart = np.arange(n)[:, None] - np.arange(n)
        weights = np.exp(-0.5 * np.square(apart / sigma)) / (sigma * math.sqrt(2 * math.pi))
        cells = np.moveaxis(np.tensordot(weights, cells, axes=(1, axis)), 0, axis)
    return np.asarray(cells, np.float64)


def interpolate_cells(cells: NDArray[np.float64], size: tuple[int, int], side: float) -> NDArray[np.float64]:
    """Interpolate values at the centres of cells of `side` pixels to each pixel of an image (H, W), linearly."""
    along = [_linear(n_cells, n, side) for n_cells, n in zip(cells.shape, size, strict=True)]
    return np.asarray(along[0] @ cells @ along[1].T, np.float64)


def _linear(n_cells: int, n: int, side: float) -> NDArray[np.float64]:
    """Return the (n, n_cells) weights of linear interpolation from cell centres to pixels, constant beyond the ends."""
    place = np.clip((np.arange(n) + 0.5) / side - 0.5, 0, n_cells - 1)
    return np.asarray(np.maximum(1 - np.abs(place[:, None] - np.arange(n_cells)), 0), np.float64)


@cache
def _taps(sigma: float) -> Plane:
    radius = math.ceil(3 * sigma)
    taps = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / sigma))
    normalised: Plane = (taps / taps.sum()).astype(np.float32)
    normalised.flags.writeable = False
    return normalised
