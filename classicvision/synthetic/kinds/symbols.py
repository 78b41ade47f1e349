"""Small images with few details: letters, icons, shapes and logos."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.synthetic.kinds.lettering import capitalised, width_of
from classicvision.synthetic.kinds.sheet import Sheet, colour_of

__all__ = ["glyph", "icon", "logo", "product", "shapes", "single_letter"]

SIDE: Final = 192
# Without those that differ from another only in size, like "o" and "O".
LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabdefghijmnqrty23456789&@#%?$"
FACES: Final = ("sans", "bold", "italic", "narrow")


def single_letter(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print one letter, digit or sign in the middle, in one of three typefaces."""
    sheet = Sheet(SIDE, SIDE)
    letter, face = LETTERS[int(content.integers(len(LETTERS)))], str(content.choice(FACES[1:]))
    sheet.centred(letter, SIDE / 2, 142, 150, (15, 15, 15), face)
    return sheet


def icon(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Draw a symbol of one colour, composed of two or three parts, as toolbars have them."""
    ink = (40, 44, 52)
    sheet = Sheet(SIDE, SIDE)
    glyph(sheet, content, (96, 96), 72, ink)
    for _ in range(int(content.integers(1, 3))):
        at = content.uniform(50, 142, 2)
        glyph(sheet, content, (at[0], at[1]), content.uniform(18, 38), (255, 255, 255))
    return sheet


def glyph(
    sheet: Sheet, rng: np.random.Generator, middle: tuple[float, float], radius: float, ink: tuple[int, ...]
) -> None:
    """Draw one shape: a disc, rectangle, bars, polygon, star, gear, arrow or heart."""
    x, y = middle
    kind = int(rng.integers(8))
    if kind == 0:
        sheet.disc(x, y, radius, ink, int(rng.choice([-1, round(radius / 4) + 1])))
    elif kind == 1:
        wide, tall = radius * rng.uniform(0.8, 2, 2)
        sheet.box(x - wide / 2, y - tall / 2, wide, tall, ink, int(rng.choice([-1, round(radius / 5) + 1])))
    elif kind == 2:
        for row in range(-1, 2):
            level = y + 0.6 * row * radius
            sheet.line(x - radius, level, x + radius * rng.uniform(0, 1), level, ink, max(2, round(radius / 4)))
    else:
        outline = (_regular, _star, _gear, _arrow, _heart)[kind - 3](rng)
        angle = rng.choice([0, np.pi / 2, np.pi, 1.5 * np.pi, rng.uniform(0, 6.3)])
        spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sheet.polygon(np.array(middle) + radius * outline @ spin.T, ink)


def _ring(angle: NDArray[Any], radius: NDArray[Any]) -> NDArray[np.float64]:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _regular(rng: np.random.Generator) -> NDArray[np.float64]:
    n = int(rng.integers(3, 8))
    return _ring(np.arange(n) * 2 * np.pi / n - np.pi / 2, np.ones(n))


def _star(rng: np.random.Generator) -> NDArray[np.float64]:
    n = int(rng.integers(4, 13))
    corner = np.arange(2 * n)
    return _ring(corner * np.pi / n - np.pi / 2, np.where(corner % 2, rng.uniform(0.35, 0.75), 1.0))


def _gear(rng: np.random.Generator) -> NDArray[np.float64]:
    n = int(rng.integers(6, 13))
    corner = np.arange(4 * n)
    return _ring((corner + 0.5) * np.pi / (2 * n), np.where(corner % 4 < 2, 1.0, rng.uniform(0.6, 0.8)))


def _arrow(rng: np.random.Generator) -> NDArray[np.float64]:
    neck, stem = rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.45)
    half = [(0, -1), (0.8, neck), (stem, neck), (stem, 1)]
    return np.array([*half, *((-x, y) for x, y in reversed(half))], np.float64)


def _heart(rng: np.random.Generator) -> NDArray[np.float64]:
    t, squeeze = np.linspace(0, 2 * np.pi, 60), rng.uniform(0.6, 1.1)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([squeeze * np.sin(t) ** 3, -y / 16], axis=1)


def shapes(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Draw five to twelve flat shapes in several colours on a plain ground."""
    sheet = Sheet(320, 320, colour_of(content, 200))
    for _ in range(int(content.integers(5, 13))):
        at = content.uniform(30, 290, 2)
        glyph(sheet, content, (at[0], at[1]), content.uniform(20, 60), colour_of(content))
    return sheet


def logo(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Draw a logo: a symbol and the name of a company."""
    sheet = Sheet(240, 400)
    ink = colour_of(content, 0, 200)
    glyph(sheet, content, (200, 80), 58, ink)
    glyph(sheet, content, (200 + content.uniform(-20, 20), 80), 24, (255, 255, 255))
    name, face = capitalised(content, 1), str(content.choice(FACES))
    sheet.centred(name, 200, 206, min(54, 360 * 40 / width_of(name, 40, face)), ink, face)
    return sheet


def product(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show a bottle with a label on white, lit from the left, with a shadow, as in a catalogue."""
    sheet = Sheet(480, 400)
    body, neck, bottom = content.uniform(55, 95), content.uniform(14, 40), 430
    top, shoulder = content.uniform(40, 110), content.uniform(150, 240)
    y = np.arange(int(top), bottom)
    slope = np.clip((y - shoulder + content.uniform(20, 70)) / content.uniform(30, 90), 0, 1)
    half = neck + (body - neck) * slope * slope * (3 - 2 * slope)
    base = np.array(colour_of(content, 20, 230), np.float64)
    across = np.arange(400) - 200
    depth = across / half[:, np.newaxis]
    light = np.clip(0.45 + 0.6 * np.sqrt(np.clip(1 - (depth + 0.35) ** 2, 0, 1)), 0, 1.1)
    inside = np.abs(depth) <= 1
    shaded = np.clip(
        light[:, :, np.newaxis] * base + 60 * np.exp(-((depth[:, :, np.newaxis] + 0.5) ** 2) / 0.01), 0, 255
    )
    shadow = 255 - 90 * np.exp(-((np.arange(480)[:, np.newaxis] - 432) ** 2) / 60 - (across / body / 1.1) ** 4)
    sheet.image[:] = shadow[:, :, np.newaxis].astype(np.uint8)
    sheet.image[y][inside] = 0
    part = sheet.image[y[0] : bottom]
    part[inside] = shaded[inside].astype(np.uint8)
    cap = int(top) + content.uniform(15, 40)
    part[: int(cap - top)][inside[: int(cap - top)]] //= 3
    _label(sheet, content, shoulder + 50, body)
    return sheet


def _label(sheet: Sheet, rng: np.random.Generator, top: float, body: float) -> None:
    tall = rng.uniform(70, 390 - top) if top < 320 else 60
    sheet.box(200 - body + 2, top, 2 * body - 4, tall, colour_of(rng, 190))
    ink, name = colour_of(rng, 0, 120), capitalised(rng, 1)
    sheet.centred(name, 200, top + 34, min(30, 1.7 * body * 20 / width_of(name, 20, "bold")), ink, "bold")
    sheet.centred(f"{rng.integers(1, 10) * 50} ml", 200, top + 54, 15, ink)
    if tall > 110:
        glyph(sheet, rng, (200, top + 84), 20, ink)
