"""Lookalikes: similar images that are not copies, namely text, bricks, facades and flags, a cause of false matches.

Two images of one kind share letters, bricks or windows, but no part of one is a copy of a part of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image

__all__ = ["LOOKALIKES", "brick_wall", "facade", "flag", "text_page"]

SIZE: Final = (360, 480)  # height and width of all, in pixels

# The most common words of English prose, so that pages share most words.
_WORDS: Final = """
    the of and to a in that it is was he for on are with as his they be at one have this from or had by not but what
    some we can out other were all there when up use your how said an each she which do their time if will way about
    many then them write would like so these her long make thing see him two has look more day could go come did
""".split()  # noqa: SIM905 - prose is easier to read than a list


def text_page(rng: np.random.Generator) -> Image:
    """Print lines of common words in a fixed font and size, at fixed positions."""
    page = np.full((*SIZE, 3), 252, np.uint8)
    for line in range(16, SIZE[0] - 6, 20):
        text = " ".join(rng.choice(_WORDS, 16))
        cv2.putText(page, text, (12, line), cv2.FONT_HERSHEY_DUPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    page[:, -12:] = 252
    return page


def brick_wall(rng: np.random.Generator) -> Image:
    """Lay bricks of equal size in running bond, each with a random shade and grain."""
    wall = np.full((*SIZE, 3), (190, 185, 175), np.float64)
    for course, top in enumerate(range(0, SIZE[0], 24)):
        for left in range(-24 * (course % 2), SIZE[1], 48):
            shade = rng.uniform(0.75, 1.15)
            wall[top + 2 : top + 22, max(left + 2, 0) : left + 46] = shade * np.array([160, 80, 60])
    wall += rng.normal(0, 6, (*SIZE, 1))
    return _to_image(cv2.GaussianBlur(wall, (0, 0), 0.8))


def facade(rng: np.random.Generator) -> Image:
    """Draw a house with rows of equal windows at a random spacing; some are lit."""
    wall = np.empty((*SIZE, 3), np.uint8)
    wall[:] = rng.integers(90, 200, 3)
    across, down = rng.integers(50, 80, 2)
    for top in range(12, SIZE[0] - 44, down):
        for left in range(14, SIZE[1] - 34, across):
            glass = (250, 230, 140) if rng.random() < 0.3 else (50, 60, 80)
            cv2.rectangle(wall, (left, top), (left + 28, top + 40), (235, 235, 230), -1)
            for x, y in ((left + 3, top + 3), (left + 16, top + 3), (left + 3, top + 22), (left + 16, top + 22)):
                cv2.rectangle(wall, (x, y), (x + 9, y + 15), glass, -1)
    return _to_image(wall + rng.normal(0, 3, (*SIZE, 1)))


def flag(rng: np.random.Generator) -> Image:
    """Draw three horizontal or vertical stripes in random colours, on half of the flags with a cross."""
    colours = rng.integers(0, 256, (4, 3))
    stripes = np.repeat(colours[:3], [120, 120, 120], axis=0)
    cloth = np.broadcast_to(stripes[:, np.newaxis], (360, 480, 3)).astype(np.uint8)
    if rng.random() < 0.5:
        cloth = np.repeat(np.repeat(colours[:3], 160, axis=0)[np.newaxis], 360, axis=0).astype(np.uint8)
    cloth = np.ascontiguousarray(cloth)
    if rng.random() < 0.5:
        width, x, y = int(rng.integers(16, 60)), int(rng.integers(120, 360)), int(rng.integers(120, 240))
        cv2.rectangle(cloth, (x - width, 0), (x + width, SIZE[0]), colours[3].tolist(), -1)
        cv2.rectangle(cloth, (0, y - width), (SIZE[1], y + width), colours[3].tolist(), -1)
    return cloth


LOOKALIKES: Final[dict[str, Callable[[np.random.Generator], Image]]] = {
    "text": text_page,
    "bricks": brick_wall,
    "facades": facade,
    "flags": flag,
}


def _to_image(level: NDArray[Any]) -> Image:
    levels: NDArray[np.uint8] = np.clip(np.rint(level), 0, 255).astype(np.uint8)
    return levels
