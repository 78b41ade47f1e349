"""Whether what two registered images share has another colour in one of them, apart from other light."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.pixels.cells import CELL
from classicvision.matching.pixels.tone import ToneCurve

__all__ = ["changed_colour"]

Colour = tuple[int, int, int]

LEAST_SHARE: Final = 0.05  # of the area
LEAST_CHANGE: Final = 20.0  # levels of blue or red difference (Cb, Cr) that no tone curve explains
_CHROMA: Final = np.array([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])  # Cb and Cr from red, green and blue


def changed_colour(
    a: NDArray[np.float32], b: NDArray[np.float32], blocks: NDArray[np.bool_]
) -> tuple[Colour, Colour] | None:
    """Return the mean colours, in a and in b, of what has another colour; None if that is less than a twentieth.

    Other light changes all channels by one tone curve. It is fitted, and only what it does not explain is a change of
    colour.

    Parameters
    ----------
    a, b : (H, W, 3) float32
        The registered images, levels from 0 to 255.
    blocks : (R, C) bool
        Blocks in which the images agree.
    """
    cells_a, cells_b = (_cell_means(image)[:-1, :-1][blocks].astype(np.float64) for image in (a, b))
    predicted = ToneCurve.fit(cells_a.ravel(), cells_b.ravel())(cells_a)
    apart = np.hypot(*((cells_b - predicted) @ _CHROMA.T).T)
    changed = apart >= LEAST_CHANGE
    if np.mean(changed) < LEAST_SHARE:
        return None
    before, after = (tuple(np.rint(cells[changed].mean(axis=0)).astype(int).tolist()) for cells in (cells_a, cells_b))
    return before, after


def _cell_means(image: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (side // CELL for side in image.shape[:2])
    cells = image[: height * CELL, : width * CELL].reshape(height, CELL, width, CELL, 3)
    return np.asarray(cells.mean(axis=(1, 3)), np.float32)
