"""What the states of blocks mean for areas: where two images agree, and which connected parts of them differ."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.outline import hull_of_circles
from classicvision.matching.pixels.blocks import AGREES, ALONG_LINE, BLOCK, DIFFERS, SAME_LEVEL, SILENT, Blocks
from classicvision.matching.pixels.cells import CELL, smooth

__all__ = [
    "agreeing_area",
    "centres",
    "components",
    "differing_parts",
    "dilated",
    "grown",
    "pixel_hull",
    "shows_something_else",
    "to_pixels",
]

Mask = NDArray[np.bool_]

LEAST_PART: Final = 5  # blocks of a part that differs; fewer are noise
UNRELATED: Final = 0.45  # lower quartile of the correlation of a part below which it shows something else
NEAR: Final = 4  # blocks up to which one that says nothing follows the nearest that does
SPREAD: Final = 1.0  # sigma of the vote of neighbouring blocks, in blocks
EDGE: Final = 0.5  # weight of a block that agrees only along an edge, or in its colour


def differing_parts(blocks: Blocks) -> list[Mask]:
    """Return the connected parts of at least five blocks that differ, largest first, each (R, C)."""
    differs = blocks.inside & (blocks.state == DIFFERS)
    parts = [part & differs for part in components(_closed(differs))]
    return sorted((part for part in parts if part.sum() >= LEAST_PART), key=lambda part: -int(part.sum()))


def shows_something_else(part: Mask, blocks: Blocks) -> bool:
    """Return whether a part that differs shows something else, rather than the same after heavy processing."""
    return bool(np.quantile(blocks.correlation[part], 0.25) < UNRELATED)


def agreeing_area(blocks: Blocks) -> Mask:
    """Return the blocks (R, C) where the images agree.

    Neighbours vote with each block, so that single blocks do not count. A block that says nothing follows the nearest
    that does, up to four blocks away; a larger flat part agrees if all around it does.
    """
    weak = np.isin(blocks.state, (ALONG_LINE, SAME_LEVEL))
    votes = EDGE * weak + (blocks.state == AGREES) - (blocks.state == DIFFERS)
    vote = smooth(np.where(blocks.inside, votes, 0).astype(np.float64), SPREAD)
    speaks = blocks.inside & (blocks.state != SILENT)
    agrees, known = speaks & (vote > 0), speaks.copy()
    for _ in range(NEAR):
        grown = dilated(known) & blocks.inside & ~known
        differs = dilated(known & ~agrees)
        agrees |= grown & dilated(agrees) & ~differs
        known |= grown
    for flat in components(blocks.inside & ~known):
        around = dilated(flat) & known
        if around.any() and agrees[around].all():
            agrees |= flat
    return np.asarray(agrees, np.bool_)


def components(mask: Mask) -> list[Mask]:
    """Return the connected components (8-neighbourhood) of a mask (R, C)."""
    number = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.intp)
    inner = number[1:-1, 1:-1]
    inner[:] = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    before = np.zeros(0, np.intp)
    while not np.array_equal(before, inner):
        before = inner.copy()
        around = np.lib.stride_tricks.sliding_window_view(number, (3, 3)).max(axis=(2, 3))
        inner[:] = np.where(mask, around, 0)
    return [inner == label for label in np.unique(inner[mask]).tolist()]


def to_pixels(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return the pixels (H, W) of the cells that a block of a mask (R, C) covers.

    Blocks overlap by half, and one that is partly replaced differs. So a cell belongs to what agrees if any block on it
    agrees, and to what differs only if all blocks on it do: pass the blocks that agree, or invert the result.
    """
    cells = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.bool_)
    for dy in (0, 1):
        for dx in (0, 1):
            cells[dy : dy + mask.shape[0], dx : dx + mask.shape[1]] |= mask
    rows, columns = (np.minimum(np.arange(n) // CELL, sides - 1) for n, sides in zip(size, cells.shape, strict=True))
    return np.asarray(cells[np.ix_(rows, columns)], np.bool_)


def grown(pixels: Mask, radius: int) -> Mask:
    """Return pixels (H, W) grown by a square of this radius."""
    for axis in (0, 1):
        padding = [(radius, radius) if one == axis else (0, 0) for one in (0, 1)]
        around = np.lib.stride_tricks.sliding_window_view(np.pad(pixels, padding), 2 * radius + 1, axis)
        pixels = np.asarray(around.any(axis=2), np.bool_)
    return pixels


def pixel_hull(pixels: Mask) -> NDArray[np.float64]:
    """Return the convex outline of some pixels, (24, 2), in the frame; its corners are pixel borders."""
    rows = np.flatnonzero(pixels.any(axis=1))
    first, last = pixels[rows].argmax(axis=1), pixels.shape[1] - 1 - pixels[rows, ::-1].argmax(axis=1)
    left, right = np.column_stack([first - 0.5, rows]), np.column_stack([last + 0.5, rows])
    ends = np.concatenate([side + np.array([0, dy]) for side in (left, right) for dy in (-0.5, 0.5)])
    return hull_of_circles(ends, np.zeros(len(ends)))


def centres(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the centres of blocks (R, C) in pixels of the frame, (R C, 2)."""
    row, column = np.indices(shape)
    return np.column_stack([column.ravel(), row.ravel()]) * float(CELL) + (BLOCK - 1) / 2


def _closed(mask: Mask) -> Mask:
    return ~dilated(~dilated(mask)) | mask


def dilated(mask: Mask) -> Mask:
    """Return a mask grown by one block in all eight directions."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (3, 3))
    return np.asarray(around.any(axis=(2, 3)), np.bool_)
