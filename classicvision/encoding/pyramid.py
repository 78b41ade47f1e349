"""Spatial pyramids, which encode the layout of an image (Lazebnik et al. 2006), and sums with the mirrored image.

A grid "3x1" divides the image into 3 rows and 1 column of equal cells, that is three horizontal bands. The features of
each cell are encoded separately, and the codes of the cells of all grids are concatenated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require
from classicvision.encoding.normalize import l2
from classicvision.features.local import LocalFeatures

__all__ = ["cell_names", "cell_rows", "join_cells", "mirrored_sum", "n_cells", "parse_cells", "pool", "pooled_names"]

Number = TypeVar("Number", bound=np.floating)
Code = NDArray[np.float32]

_GRID = re.compile(r"([1-9][0-9]?)x([1-9][0-9]?)")
_MOST_CELLS = 32  # along a side


def parse_cells(cells: Sequence[str]) -> list[tuple[int, int]]:
    """Return the grids of a setting `cells`, as (rows, columns).

    Parameters
    ----------
    cells : sequence of str
        ``ROWSxCOLUMNS`` each, such as ``("1x1", "2x2", "3x1")``; at least one, all different.

    Raises
    ------
    SettingsError
        If it is not such a list; the message shows it.
    """
    found = [_GRID.fullmatch(cell) for cell in cells]
    grids = [(int(match[1]), int(match[2])) for match in found if match]
    is_good = len(grids) == len(cells) > 0 and all(max(grid) <= _MOST_CELLS for grid in grids)
    require(is_good, "cells", cells, f"one or more grids such as '3x1', rows x columns, at most {_MOST_CELLS} of each")
    require(len(set(grids)) == len(grids), "cells", cells, "different grids")
    return grids


def n_cells(cells: Sequence[str]) -> int:
    """Return the total number of cells of all grids."""
    return sum(rows * columns for rows, columns in parse_cells(cells))


def cell_names(cells: Sequence[str]) -> list[str]:
    """Return a name for each cell, in the order of `pool`: ``2x2_0_1`` is the upper right cell of a 2 x 2 grid."""
    return [
        f"{rows}x{columns}_{row}_{column}"
        for rows, columns in parse_cells(cells)
        for row in range(rows)
        for column in range(columns)
    ]


def cell_rows(features: LocalFeatures, cells: str) -> list[NDArray[np.intp]]:
    """Return the features in each cell of a grid.

    Parameters
    ----------
    features : LocalFeatures
        N keypoints; those outside the image belong to the nearest cell.
    cells : str
        A grid such as ``"3x1"``.

    Returns
    -------
    list of (n,) intp
        Ascending row indices of the features of each cell, row by row. Each feature is in exactly one cell; one on a
        border is in the lower or right one.
    """
    ((n_rows, n_columns),) = parse_cells([cells])
    if n_rows * n_columns == 1:
        return [np.arange(len(features))]
    height, width = features.image_size
    # Pixel centres are integers, so the image starts half a pixel before the first.
    row, column = (
        np.clip(((where + 0.5) * n // max(side, 1)).astype(np.intp), 0, n - 1)
        for where, n, side in zip(
            features.xy.T[::-1].astype(np.float64), (n_rows, n_columns), (height, width), strict=True
        )
    )
    number = row * n_columns + column
    order = np.argsort(number, kind="stable")
    return np.split(order, np.searchsorted(number[order], np.arange(1, n_rows * n_columns)))


def pool(
    features: LocalFeatures, cells: Sequence[str], encode_rows: Callable[[NDArray[np.intp]], NDArray[Number]]
) -> NDArray[Number]:
    """Encode the features of each cell separately.

    Parameters
    ----------
    features : LocalFeatures
    cells : sequence of str
        Grids, as for `parse_cells`.
    encode_rows : callable
        Takes row indices of features, (n,) intp, which may be empty; returns their code (D,).

    Returns
    -------
    (n_cells, D) array
        Grid by grid, row by row.
    """
    return np.stack([encode_rows(rows) for cell in cells for rows in cell_rows(features, cell)])


def join_cells(codes: Code, normalize: Callable[[Code], Code] = l2) -> Code:
    """Concatenate the normalised codes of cells (n_cells, D) to (n_cells * D,) and normalise the result.

    The code of a single cell is returned unchanged. A cell with few features then weighs as much as one with many,
    which helps some codes and harms others: measure it.
    """
    return codes[0] if len(codes) == 1 else normalize(codes.reshape(-1))


def pooled_names(cells: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a name for each component of `join_cells`: ``cell_2x2_0_1_word_0042``; for one cell the given names."""
    prefixes = [f"cell_{cell}_" for cell in cell_names(cells)]
    return [prefix + name for prefix in prefixes for name in names] if len(prefixes) > 1 else list(names)


def mirrored_sum(
    features: LocalFeatures, encode: Callable[[LocalFeatures], Code], normalize: Callable[[Code], Code] = l2
) -> Code:
    """Return the normalised sum of the codes of an image and of its mirror image, which is the same for both.

    Parameters
    ----------
    features : LocalFeatures
    encode : callable
        Returns the code (D,) of features.
    normalize : callable
        Applied to the sum.
    """
    return normalize(encode(features) + encode(features.mirrored()))
