"""Type, words and numbers on drawn images.

OpenCV 5 has scalable typefaces; older releases draw the same text with Hershey strokes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeAlias

import cv2
import numpy as np

from classicvision.images import Image

__all__ = ["Colour", "capitalised", "number", "sentence", "width_of", "words", "write", "write_monospaced"]

Colour: TypeAlias = tuple[int, ...]

# Prose of common words, so that two pages share most of them.
_COMMON: Final = """
the of and to in that it is was for on are with as they be at one have this from or by not but what some we can
out other were there when use an each which do time if will way about many then them write would like so long
make thing see two has look more day could come did number sound most people water over first
""".split()  # noqa: SIM905 - prose is easier to read than a list
_SUBJECTS: Final = """
market river growth energy history planet system method forest budget patient voltage signal harbour engine theory
protein climate contract garden museum railway sample station surface teacher village winter battery camera castle
delivery election festival glacier hospital invoice journal kitchen ladder mineral network orchard pension quarter
report summary target union valley weather yield account bridge copper desert exports factory gallery housing
""".split()  # noqa: SIM905
_SYLLABLES: Final = """
an bel cor da el fen gar hol is jun kar lo mar nor ol per quin ros sel tor ul ver wen yor zan
""".split()  # noqa: SIM905


def words(rng: np.random.Generator, n: int) -> list[str]:
    """Return `n` random words: mostly common ones, some subjects, some names."""
    kinds = rng.choice(3, n, p=(0.55, 0.35, 0.1))
    return [(str(rng.choice(_COMMON)), str(rng.choice(_SUBJECTS)), _name(rng))[kind] for kind in kinds]


def sentence(rng: np.random.Generator, n: int) -> str:
    """Return `n` words with a capital letter at the start and a full stop."""
    return " ".join(words(rng, n)).capitalize() + "."


def capitalised(rng: np.random.Generator, n: int) -> str:
    """Return `n` subjects and names in the style of a title."""
    return " ".join(str(rng.choice(_SUBJECTS)).title() if rng.random() < 0.7 else _name(rng) for _ in range(n))


def number(rng: np.random.Generator) -> str:
    """Return a number as tables have them: an integer, a decimal, a percentage, or one with thousands."""
    kind = rng.integers(4)
    if kind == 0:
        return str(rng.integers(1, 1000))
    if kind == 1:
        return f"{rng.uniform(0, 100):.2f}"
    if kind == 2:
        return f"{rng.uniform(0, 100):.1f} %"
    return f"{rng.integers(1000, 999999):,}"


def write(
    image: Image, text: str, x: float, y: float, size: float, colour: Colour = (20, 20, 20), face: str = "sans"
) -> int:
    """Write text in place and return its width in pixels.

    Parameters
    ----------
    image : (H, W, 3) uint8
    text : str
    x, y : float
        Left end of the baseline.
    size : float
        Height of the type in pixels, from ascender to descender.
    colour : (red, green, blue)
    face : {"sans", "bold", "italic", "narrow"}
    """
    at = (round(x), round(y))
    if hasattr(cv2, "FontFace"):
        name, weight = _FACES[face]
        cv2.putText(image, text, at, colour, _typeface(name), round(size), weight)
        return width_of(text, size, face)
    scale, stroke, font = _hershey(size, face)
    cv2.putText(image, text, at, font, scale, colour, stroke, cv2.LINE_AA)
    return width_of(text, size, face)


def width_of(text: str, size: float, face: str = "sans") -> int:
    """Return the width of a text in pixels."""
    if hasattr(cv2, "FontFace"):
        name, weight = _FACES[face]
        box: Any = cv2.getTextSize((1 << 15, 256), text, (0, 128), _typeface(name), round(size), weight)
        return int(box[2])
    scale, stroke, font = _hershey(size, face)
    return int(cv2.getTextSize(text, font, scale, stroke)[0][0])


def write_monospaced(image: Image, text: str, x: float, y: float, size: float, colour: Colour = (20, 20, 20)) -> int:
    """Write text with an equal advance for each letter, like a terminal, and return its width in pixels."""
    advance = 0.56 * size
    for place, letter in enumerate(text):
        if letter != " ":
            write(image, letter, x + advance * place, y, size, colour, "narrow")
    return round(advance * len(text))


_FACES: Final = {"sans": ("sans", 400), "bold": ("sans", 700), "italic": ("italic", 400), "narrow": ("uni", 400)}


@cache
def _typeface(name: str) -> Any:
    return cv2.FontFace(name)  # type: ignore[attr-defined,unused-ignore]  # OpenCV 5


def _hershey(size: float, face: str) -> tuple[float, int, int]:
    """Return the scale, stroke width and font of OpenCV 4 for a type size in pixels."""
    font = cv2.FONT_HERSHEY_COMPLEX if face == "narrow" else cv2.FONT_HERSHEY_DUPLEX
    if face == "italic":
        font |= cv2.FONT_ITALIC
    return size / 32, max(1, round(size / (10 if face == "bold" else 22))), font


def _name(rng: np.random.Generator) -> str:
    return "".join(rng.choice(_SYLLABLES, int(rng.integers(2, 4)))).title()
