"""Continuous-tone images: scenes like photographs, gels, cells, maps and halftones."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image
from classicvision.synthetic.kinds.lettering import capitalised
from classicvision.synthetic.kinds.sheet import Sheet, colour_of

__all__ = ["blots", "cells", "halftone", "map_of_streets", "scene"]


def scene(rng: np.random.Generator, height: int, width: int) -> Image:
    """Draw what resembles a photograph: sky, hills with texture, rounded objects in light and shade, sensor noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)
    top, horizon = (np.array(colour_of(rng, *levels), np.float32) for levels in ((60, 200), (150, 255)))
    clouds, texture = _noise(rng, height, width, 4), 1 + np.float32(0.3) * _noise(rng, height, width, 7)
    image = top + (horizon - top) * y[:, :, np.newaxis] + 25 * clouds[:, :, np.newaxis]
    for depth in range(int(rng.integers(2, 5))):
        ridge = 0.35 + 0.15 * depth + 0.12 * _noise(rng, 1, width, 3)[0]
        ground = y > ridge
        image[ground] = np.array(colour_of(rng, 30, 190), np.float32) * np.roll(texture, 37 * depth)[ground, np.newaxis]
    for _ in range(int(rng.integers(3, 9))):
        cx, cy, rx, ry = rng.uniform((0, 0.4, 0.04, 0.04), (width / height, 0.95, 0.2, 0.2))
        dx, dy = (x - np.float32(cx)) / np.float32(rx), (y - np.float32(cy)) / np.float32(ry)
        inside = dx**2 + dy**2 < 1
        light = (1 - 0.5 * (dx[inside] + dy[inside])) * np.roll(texture, int(rng.integers(10**5)))[inside]
        image[inside] = light[:, np.newaxis] * np.array(colour_of(rng, 40, 220), np.float32)
    grain = 3 * rng.standard_normal((height, width, 1), np.float32)
    return _to_image(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.7) + grain)


def blots(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show a gel: dark bands of random strength in lanes on a grey ground, with labels of lanes and sizes."""
    sheet = Sheet(360, 480)
    n_lanes, n_rows = int(style.integers(6, 11)), int(content.integers(2, 5))
    y, x = np.mgrid[0:300, 0:400].astype(np.float64)
    level = 205 + 12 * _noise(content, 300, 400, 3)
    pitch = 400 / n_lanes
    for row in (np.arange(n_rows) + content.uniform(0.3, 0.7)) * 300 / n_rows:
        for lane in range(n_lanes):
            wide, tall = pitch * content.uniform(0.28, 0.42), content.uniform(3, 9)
            at = row + content.normal(0, 2) + content.uniform(-0.08, 0.08) * (x - pitch * (lane + 0.5))
            band = np.exp(-(np.abs((x - pitch * (lane + 0.5)) / wide) ** 4) - ((y - at) / tall) ** 2)
            level = level * (1 - content.uniform(0, 0.95) * band)
    level = cv2.GaussianBlur(level, (0, 0), 1) + content.normal(0, 3, level.shape)
    sheet.paste(_to_image(np.repeat(level[:, :, np.newaxis], 3, axis=2)), 66, 44)
    sheet.box(66, 44, 400, 300, (0, 0, 0), 1)
    sheet.individual[:] = True
    for lane in range(n_lanes):
        sheet.centred(f"{lane + 1}", 66 + pitch * (lane + 0.5), 36, 16)
    for place, mass in enumerate((250, 130, 70, 55, 35, 25)):
        sheet.text(f"{mass}", 14, 74 + 50 * place, 15)
        sheet.line(52, 69 + 50 * place, 64, 69 + 50 * place)
    return sheet


def cells(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Show stained cells under a microscope: membranes, nuclei and grain, with a scale bar."""
    sheet = Sheet(400, 400)
    level = np.array([228, 200, 222]) + 10 * _noise(content, 400, 400, 5)[:, :, np.newaxis]
    sheet.image[:] = _to_image(level)
    tint, nucleus = (205, 150, 195), (110, 60, 140)
    for _ in range(int(content.integers(40, 90))):
        x, y = content.uniform(0, 400, 2)
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radius = content.uniform(14, 28) * (1 + 0.12 * content.normal(size=24))
        rim = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle) * content.uniform(0.7, 1)], axis=1)
        sheet.polygon(rim, tuple((np.array(tint) + content.integers(-15, 16, 3)).tolist()))
        sheet.path(rim, (170, 105, 165), 1, closed=True)
        inner = np.array([x, y]) + (rim - (x, y)) * content.uniform(0.3, 0.5) + content.normal(0, 3, 2)
        sheet.polygon(inner, tuple((np.array(nucleus) + content.integers(-25, 26, 3)).tolist()))
    grain = content.normal(0, 5, (400, 400, 1)) + 8 * _noise(content, 400, 400, 6)[:, :, np.newaxis]
    sheet.image[:] = _to_image(cv2.GaussianBlur(sheet.image, (0, 0), 1.0) + grain)
    sheet.box(310, 372, 70, 6, (0, 0, 0))
    sheet.text("20 um", 322, 366, 15)
    return sheet


def map_of_streets(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Draw a map: a river, parks, streets of two widths, and names."""
    sheet = Sheet(480, 480, (242, 239, 233))
    for _ in range(int(content.integers(2, 5))):
        middle, angle = content.uniform(40, 440, 2), np.linspace(0, 2 * np.pi, 12, endpoint=False)
        radius = content.uniform(30, 80) * content.uniform(0.6, 1.2, 12)
        sheet.polygon(middle + np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), (200, 226, 180))
    along = np.linspace(-20, 500, 40)
    for width, colour, n in ((26, (170, 211, 223), 1), (0, (0, 0, 0), 0)):
        for _ in range(n):
            across = content.uniform(80, 400) + 60 * _noise(content, 1, 40, 2)[0]
            sheet.path(np.stack([along, across] if content.random() < 0.5 else [across, along], 1), colour, width)
    streets = [_street(content, width) for width in (5,) * int(content.integers(12, 25)) + (10,) * 4]
    for outline in (2, 0):
        for path, width in streets:
            ink = (190, 180, 170) if outline else (255, 255, 255) if width == 5 else (250, 215, 140)
            sheet.path(path, ink, width + outline)
    for _ in range(int(content.integers(8, 14))):
        x, y = content.uniform((20, 30), (380, 460))
        sheet.text(capitalised(content, 1), x, y, float(content.choice([13, 15, 19])), (70, 70, 70))
    return sheet


def _street(rng: np.random.Generator, width: int) -> tuple[NDArray[np.float64], int]:
    start, angle = rng.uniform(0, 480, 2), rng.choice([0.2, 1.77]) + rng.normal(0, 0.15)
    along = np.linspace(-1, 1, 20) * rng.uniform(120, 700)
    bend = rng.normal(0, 0.0006) * along**2
    return start + np.stack([along * np.cos(angle) - bend, along * np.sin(angle) + bend], axis=1), width


def halftone(style: np.random.Generator, content: np.random.Generator) -> Sheet:
    """Print a scene in black dots on a screen of 6 pixels at 45 degrees, like a newspaper."""
    sheet = Sheet(384, 512)
    grey = scene(content, 384, 512).mean(axis=2)
    y, x = np.mgrid[0:384, 0:512]
    screen = np.cos(2 * np.pi * (x + y) / 8.5) + np.cos(2 * np.pi * (x - y) / 8.5)
    ink = 1 / (1 + np.exp(-(screen / 4 * 200 + cv2.GaussianBlur(grey, (0, 0), 1.5) - 128) / 12))
    sheet.image[:] = _to_image(25 + 215 * np.repeat(ink[:, :, np.newaxis], 3, axis=2))
    return sheet


def _noise(rng: np.random.Generator, height: int, width: int, octaves: int) -> NDArray[Any]:
    """Return fractal noise of about unit range: smooth fields of doubling frequency and halving strength."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        n = 3 * 2**octave
        coarse = rng.normal(size=(min(n, height), min(n, width))).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / np.float32(2**octave)
    return total / 2


def _to_image(level: Any) -> Image:
    levels: Image = np.clip(np.rint(level), 0, 255).astype(np.uint8)
    return levels
