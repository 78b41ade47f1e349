"""Edits that move points: crop, scale, rotation, reflection, perspective, frame, screenshot and collage.

Each returns the copy and the (3, 3) transform that maps points of the image to the copy, as column vectors (x, y, 1)
in pixels with pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image
from classicvision.synthetic.drawn import textures

__all__ = [
    "SYMMETRIES",
    "Copy",
    "add_frame",
    "collage",
    "crop",
    "perspective",
    "rescale",
    "rotate",
    "screenshot",
    "symmetry",
]

Copy: TypeAlias = tuple[Image, NDArray[np.float64]]

# Each symmetry of a rectangle as (transpose rows and columns first, then mirror x, then mirror y).
SYMMETRIES: Final[dict[str, tuple[bool, bool, bool]]] = {
    "rotate-90": (True, True, False),
    "rotate-180": (False, True, True),
    "rotate-270": (True, False, True),
    "mirror": (False, True, False),
    "mirror-rotate-90": (True, True, True),
    "mirror-rotate-180": (False, False, True),
    "mirror-rotate-270": (True, False, False),
}


def crop(image: Image, rng: np.random.Generator, *, share: float) -> Copy:
    """Keep a random rectangle of `share` of the area, with an aspect ratio that differs by up to a third."""
    height, width = image.shape[:2]
    shape = np.exp(rng.uniform(-1, 1) * min(np.log(4 / 3), -np.log(share)))
    new_width = int(np.clip(round(width * np.sqrt(share * shape)), 1, width))
    new_height = int(np.clip(round(height * np.sqrt(share / shape)), 1, height))
    left, top = rng.integers(width - new_width + 1), rng.integers(height - new_height + 1)
    return image[top : top + new_height, left : left + new_width].copy(), _shift(-left, -top)


def rescale(image: Image, rng: np.random.Generator, *, factor: float) -> Copy:
    """Resize by `factor`, with area averaging to shrink and cubic interpolation to enlarge."""
    return _resize(image, tuple(max(1, round(side * factor)) for side in image.shape[:2]))


def rotate(image: Image, rng: np.random.Generator, *, trim: bool = False, degrees: float | None = None) -> Copy:
    """Rotate by a random angle, or clockwise by `degrees`, on a uniform background that contains the whole image.

    With `trim`, rotate by up to 30 degrees and keep the largest upright rectangle of the same aspect ratio inside the
    image, as programs that straighten photographs do.
    """
    height, width = image.shape[:2]
    angle = rng.uniform(-np.pi / 6, np.pi / 6) if trim else rng.uniform(0, 2 * np.pi)
    if degrees is not None:
        angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    if trim:
        inner = min(
            width / (width * abs(cos) + height * abs(sin)),
            height / (width * abs(sin) + height * abs(cos)),
        )
        new_width, new_height = max(1, int(inner * width)), max(1, int(inner * height))
    else:
        new_width = int(np.ceil(width * abs(cos) + height * abs(sin)))
        new_height = int(np.ceil(width * abs(sin) + height * abs(cos)))
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    to_middle = _shift((new_width - 1) / 2, (new_height - 1) / 2)
    return _warp(
        image, to_middle @ rotation @ _shift((1 - width) / 2, (1 - height) / 2), (new_height, new_width), _colour(rng)
    )


def symmetry(image: Image, rng: np.random.Generator, *, name: str) -> Copy:
    """Apply one of the seven other symmetries of a rectangle exactly: first a reflection, then a clockwise rotation."""
    transpose, mirror_x, mirror_y = SYMMETRIES[name]
    copy, b_from_a = image, np.eye(3)
    if transpose:
        copy, b_from_a = copy.transpose(1, 0, 2), b_from_a[[1, 0, 2]]
    height, width = copy.shape[:2]
    if mirror_x:
        copy, b_from_a = copy[:, ::-1], np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1.0]]) @ b_from_a
    if mirror_y:
        copy, b_from_a = copy[::-1], np.array([[1, 0, 0], [0, -1, height - 1], [0, 0, 1.0]]) @ b_from_a
    return np.ascontiguousarray(copy), b_from_a


def perspective(image: Image, rng: np.random.Generator, *, strength: float) -> Copy:
    """Move each corner inwards by up to `strength` of the sides, like a photograph of a print."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (width - 1, height - 1)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (width, height)
    moved = corners + inwards * rng.uniform(0, strength, (4, 2))
    solved = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    b_from_a = np.asarray(solved, np.float64)
    return _warp(image, b_from_a, (height, width), _colour(rng))


def add_frame(image: Image, rng: np.random.Generator) -> Copy:
    """Add a frame of 5 to 15 % of the longer side: a bright or dark mat with a line around it."""
    edge = round(max(image.shape[:2]) * rng.uniform(0.05, 0.15))
    height, width = (side + 2 * edge for side in image.shape[:2])
    canvas = np.full((height, width, 3), rng.choice([15, 240]) + rng.integers(-10, 10, 3), np.uint8)
    line = max(1, edge // 6)
    cv2.rectangle(canvas, (line, line), (width - 1 - line, height - 1 - line), _colour(rng), line)
    return _paste(image, canvas, left=edge, top=edge)


def screenshot(image: Image, rng: np.random.Generator) -> Copy:
    """Show the image at 60 to 120 % in a window with a title bar, buttons and text, on a coloured desktop."""
    shown, b_from_a = rescale(image, rng, factor=rng.uniform(0.6, 1.2))
    height, width = shown.shape[:2]
    bar, side, foot = 36, int(rng.integers(80, 180)), int(rng.integers(50, 110))
    window = np.full((height + bar + foot, width + side, 3), 246, np.uint8)
    window[:bar] = (52, 56, 66)
    for button, colour in enumerate([(235, 95, 85), (245, 190, 80), (98, 196, 84)]):
        cv2.circle(window, (18 + 22 * button, bar // 2), 7, colour, -1, cv2.LINE_AA)
    for row in range(bar + 20, len(window) - 8, 18):
        cv2.putText(window, _words(rng, 12), (8, row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (70, 70, 70), 1, cv2.LINE_AA)
    window[bar : bar + height, side:] = shown
    ground = _gradient((len(window) + 120, window.shape[1] + 160), _colour(rng), _colour(rng))
    left, top = int(rng.integers(20, 140)), int(rng.integers(20, 100))
    copy, _ = _paste(window, ground, left=left, top=top)
    return copy, _shift(left + side, top + bar) @ b_from_a


def collage(image: Image, rng: np.random.Generator, others: Sequence[Image] = ()) -> Copy:
    """Put the image at half its size in a random cell of a 2 x 2 collage of the size of the image.

    Three of `others` fill the other cells, cropped to shape; drawn textures replace missing ones.
    """
    height, width = (max(1, side // 2) for side in image.shape[:2])
    n_drawn = 3 - min(3, len(others))
    fillers = [others[i] for i in rng.permutation(len(others))[:3]] + textures(n_drawn, 1, size=96, rng=rng)[0]
    place = int(rng.integers(4))
    small, b_from_a = _resize(image, (height, width))
    cells = [_cover(filler, (height, width)) for filler in fillers]
    cells.insert(place, small)
    copy = np.concatenate([np.concatenate(cells[i : i + 2], axis=1) for i in (0, 2)])
    return copy, _shift(place % 2 * width, place // 2 * height) @ b_from_a


def _shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _resize(image: Image, size: tuple[int, ...]) -> Copy:
    """Resize to (height, width): borders map to borders, so pixel centres move to factor * (x + 0.5) - 0.5."""
    x, y = (new / old for new, old in zip(size[::-1], image.shape[1::-1], strict=True))
    how = cv2.INTER_AREA if x * y < 1 else cv2.INTER_CUBIC
    b_from_a = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return np.asarray(cv2.resize(image, size[::-1], interpolation=how), np.uint8), b_from_a


def _warp(image: Image, b_from_a: NDArray[np.float64], size: tuple[int, int], ground: tuple[int, ...]) -> Copy:
    copy = cv2.warpPerspective(
        image, b_from_a, size[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=ground
    )
    return np.asarray(copy, np.uint8), b_from_a


def _paste(image: Image, canvas: Image, *, left: int, top: int) -> Copy:
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas, _shift(left, top)


def _cover(image: Image, size: tuple[int, int]) -> Image:
    """Crop the centre of an image to the aspect ratio of `size` and resize it to that."""
    factor = min(image.shape[0] / size[0], image.shape[1] / size[1])
    height, width = (max(1, int(side * factor)) for side in size)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return _resize(image[top : top + height, left : left + width], size)[0]


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, 3).tolist())


def _gradient(size: tuple[int, int], top: tuple[int, ...], bottom: tuple[int, ...]) -> Image:
    level = np.linspace(np.array(top), np.array(bottom), size[0])
    return np.repeat(np.rint(level).astype(np.uint8)[:, np.newaxis], size[1], axis=1)


def _words(rng: np.random.Generator, n_letters: int) -> str:
    return "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz    "), n_letters))
