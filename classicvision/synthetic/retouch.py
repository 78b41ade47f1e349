"""Edits that do not move points: compression, brightness, blur, noise, text and logos.

Each returns an image of the same size; the transform from the image to its copy is the identity.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image

__all__ = ["add_caption", "add_logo", "add_noise", "add_text", "blur", "change_gamma", "compress", "cover", "invert"]


def compress(image: Image, rng: np.random.Generator, *, quality: int) -> Image:
    """Encode as JPEG of a quality from 0 to 100, and decode."""
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])


def change_gamma(image: Image, rng: np.random.Generator, *, gamma: float) -> Image:
    """Raise levels, relative to white, to the power `gamma`: values above 1 darken, values below 1 brighten."""
    return np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)[image]


def invert(image: Image, rng: np.random.Generator) -> Image:
    """Invert all levels, as in a negative."""
    return np.asarray(255 - image, np.uint8)


def blur(image: Image, rng: np.random.Generator, *, sigma: float) -> Image:
    """Blur with a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def add_noise(image: Image, rng: np.random.Generator, *, sigma: float) -> Image:
    """Add independent Gaussian noise of `sigma` levels to every channel."""
    return _to_image(image + rng.normal(0, sigma, image.shape))


def cover(image: Image, rng: np.random.Generator, *, share: float) -> Image:
    """Cover `share` of the area with a grey rectangle of the image's aspect ratio at a random position."""
    height, width = image.shape[:2]
    tall, wide = (max(1, round(side * np.sqrt(share))) for side in (height, width))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    copy = image.copy()
    copy[top : top + tall, left : left + wide] = 128
    return copy


def add_text(image: Image, rng: np.random.Generator) -> Image:
    """Write three lines of capitals across the image, together a third of its height, like captions."""
    height, width = image.shape[:2]
    copy = image.copy()
    line = height / rng.uniform(8, 10)
    top = rng.uniform(0.5, 5) * line
    font, white = cv2.FONT_HERSHEY_DUPLEX, (255, 255, 255)
    for row in range(1, 4):
        text = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ  "), 16))
        (natural, above), _ = cv2.getTextSize(text, font, 1, 1)
        size = min(0.75 * line / above, 0.95 * width / natural)
        place = (round(0.03 * width), round(top + row * line))
        for colour, thickness in (((0, 0, 0), 5 * size + 1), (white, 1.5 * size + 1)):
            cv2.putText(copy, text, place, font, size, colour, max(1, round(thickness)), cv2.LINE_AA)
    return copy


def add_caption(image: Image, rng: np.random.Generator) -> Image:
    """Write one line in white on a dark strip over the lowest eighth of the image."""
    height, width = image.shape[:2]
    copy = image.copy()
    strip = max(1, round(height / 8))
    copy[height - strip :] = rng.integers(0, 60, 3)
    text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz    "), 24)).capitalize()
    font = cv2.FONT_HERSHEY_DUPLEX
    (natural, above), _ = cv2.getTextSize(text, font, 1, 1)
    size = min(0.55 * strip / above, 0.9 * width / natural)
    place = (round((width - size * natural) / 2), round(height - strip / 2 + size * above / 2))
    cv2.putText(copy, text, place, font, size, (255, 255, 255), max(1, round(1.2 * size)), cv2.LINE_AA)
    return copy


def add_logo(image: Image, rng: np.random.Generator) -> Image:
    """Cover about a tenth of the image with a badge: a disc, a ring and a star in three colours."""
    height, width = image.shape[:2]
    radius = np.sqrt(0.1 * height * width / np.pi)
    x, y = (rng.uniform(min(radius, side / 2), max(side - radius, side / 2)) for side in (width, height))
    ground, ring, star = (tuple(colour) for colour in rng.integers(0, 256, (3, 3)).tolist())
    copy = image.copy()
    middle = (round(x), round(y))
    cv2.circle(copy, middle, round(radius), ground, -1, cv2.LINE_AA)
    cv2.circle(copy, middle, round(0.85 * radius), ring, max(1, round(0.08 * radius)), cv2.LINE_AA)
    cv2.fillPoly(copy, [_star(x, y, 0.7 * radius, rng)], star, cv2.LINE_AA)
    return copy


def _star(x: float, y: float, radius: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the (2 n, 2) corners of a star with five to eight points."""
    n_points = int(rng.integers(5, 9))
    angle = np.arange(2 * n_points) * np.pi / n_points + rng.uniform(0, np.pi)
    reach = np.where(np.arange(2 * n_points) % 2, 0.45 * radius, radius)
    return np.rint(np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=1)).astype(np.int32)


def _to_image(level: NDArray[np.float64]) -> Image:
    return np.clip(np.rint(level), 0, 255).astype(np.uint8)
