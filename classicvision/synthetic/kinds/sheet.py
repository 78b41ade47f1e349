"""The sheet that works are drawn on: an image, and a mask of what belongs to one work only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image
from classicvision.synthetic.kinds.lettering import Colour, width_of, write

__all__ = ["PALETTE", "Drawing", "Sheet", "colour_of"]

# Ten colours of charts and slides.
PALETTE: Final[tuple[Colour, ...]] = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (127, 127, 127),
    (188, 189, 34),
    (23, 190, 207),
)


class Sheet:
    """An image to draw on, and a mask of the fields whose content is individual.

    Parameters
    ----------
    height, width : int
        In pixels.
    ground : (red, green, blue)
    """

    def __init__(self, height: int, width: int, ground: Colour = (255, 255, 255)) -> None:
        self.image: Image = np.empty((height, width, 3), np.uint8)
        self.image[:] = ground
        self.individual: NDArray[np.bool_] = np.zeros((height, width), np.bool_)

    def field(self, x: float, y: float, width: float, height: float) -> None:
        """Mark a rectangle whose content belongs to this work only."""
        left, top = max(0, round(x)), max(0, round(y))
        self.individual[top : round(y + height), left : round(x + width)] = True

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, line: int = -1) -> None:
        """Draw a rectangle: filled, or an outline of `line` pixels."""
        corner = (round(x), round(y)), (round(x + width) - 1, round(y + height) - 1)
        cv2.rectangle(self.image, *corner, colour, line)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour = (0, 0, 0), width: int = 1) -> None:
        """Draw an anti-aliased line."""
        cv2.line(self.image, (round(x0), round(y0)), (round(x1), round(y1)), colour, width, cv2.LINE_AA)

    def disc(self, x: float, y: float, radius: float, colour: Colour, line: int = -1) -> None:
        """Draw a circle: filled, or an outline of `line` pixels."""
        cv2.circle(self.image, (round(x), round(y)), max(1, round(radius)), colour, line, cv2.LINE_AA)

    def polygon(self, points: Any, colour: Colour) -> None:
        """Fill a polygon with (K, 2) corners (x, y), to a sixteenth of a pixel."""
        corners = np.rint(np.asarray(points, np.float64) * 16).astype(np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, 4)

    def path(self, points: Any, colour: Colour, width: int = 2, *, closed: bool = False) -> None:
        """Draw a line through (K, 2) points (x, y), to a sixteenth of a pixel."""
        corners = np.rint(np.asarray(points, np.float64) * 16).astype(np.int32)
        cv2.polylines(self.image, [corners], closed, colour, width, cv2.LINE_AA, 4)

    def text(
        self, text: str, x: float, y: float, size: float, colour: Colour = (20, 20, 20), face: str = "sans"
    ) -> int:
        """Write text from the left end of its baseline and return its width in pixels."""
        return write(self.image, text, x, y, size, colour, face)

    def centred(
        self, text: str, x: float, y: float, size: float, colour: Colour = (20, 20, 20), face: str = "sans"
    ) -> None:
        """Write text with its baseline centred at (x, y)."""
        write(self.image, text, x - width_of(text, size, face) / 2, y, size, colour, face)

    def upright(self, text: str, x: float, y: float, size: float, colour: Colour = (20, 20, 20)) -> None:
        """Write text from bottom to top with its centre at (x, y), like the label of a vertical axis."""
        wide, tall = width_of(text, size) + 4, round(1.4 * size)
        left, top = round(x - tall / 2), round(y - wide / 2)
        patch = self.image[top : top + wide, left : left + tall]
        rotated = np.ascontiguousarray(np.rot90(patch, -1))
        write(rotated, text, 2, size, size, colour)
        patch[:] = np.rot90(rotated)

    def paste(self, image: Image, x: float, y: float) -> None:
        """Put an image at its top left corner (x, y)."""
        left, top = round(x), round(y)
        self.image[top : top + image.shape[0], left : left + image.shape[1]] = image


Drawing: TypeAlias = Callable[[np.random.Generator, np.random.Generator], Sheet]
"""Draws a work: the first generator chooses the layout and style, the second the content."""


def colour_of(rng: np.random.Generator, low: int = 0, high: int = 256) -> Colour:
    """Return a random colour with levels from `low` up to, but not including, `high`."""
    return tuple(rng.integers(low, high, 3).tolist())
