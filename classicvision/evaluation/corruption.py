"""Corruptions of test images, which measure how robust a recipe is: eight kinds in three strengths each.

A corrupted image depends only on the image and a seed. So all recipes see the same corrupted images, in any order, and
their features can be cached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np

from classicvision.config import require, validate
from classicvision.images import Image
from classicvision.items import Extractor, Item, cacheable
from classicvision.synthetic import retouch, warps

__all__ = ["ROBUSTNESS_CARD", "CorruptedExtractor", "Corruption", "CorruptionKind", "corrupt"]

CorruptionKind: TypeAlias = Literal["jpeg", "blur", "noise", "rotation", "scale", "crop", "occlusion", "light"]


_LIMITS: Final[dict[CorruptionKind, tuple[float, float]]] = {
    "jpeg": (1, 100),
    "blur": (0.1, 100),
    "noise": (0, 255),
    "rotation": (0, 180),
    "scale": (0.01, 10),
    "crop": (0.01, 1),
    "occlusion": (0, 1),
    "light": (1, 10),
}


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption of one strength.

    Attributes
    ----------
    name : str
        ``jpeg``, ``blur``, ``noise``, ``rotation``, ``scale``, ``crop``, ``occlusion`` or ``light``.
    strength : float
        In the unit of the kind: quality of JPEG from 1 to 100; sigma of a blur in pixels, of noise in levels; degrees
        of a rotation in either direction, cropped to the largest upright rectangle inside the image; scale factor of
        the sides; share of the area that a crop keeps, or that is covered; gamma of the levels, above 1, darker or
        brighter.
    """

    kind: ClassVar[str] = "corruption"
    version: ClassVar[int] = 1

    name: CorruptionKind
    strength: float

    def __post_init__(self) -> None:
        validate(self)
        low, high = _LIMITS[self.name]
        allowed = f"from {low:g} to {high:g} for {self.name}"
        require(low <= self.strength <= high, "strength", self.strength, allowed)

    @property
    def description(self) -> str:
        """The corruption in words, for a table."""
        return _DESCRIPTIONS[self.name].format(self.strength)


ROBUSTNESS_CARD: Final[dict[CorruptionKind, tuple[Corruption, Corruption, Corruption]]] = {
    "jpeg": (Corruption("jpeg", 30), Corruption("jpeg", 15), Corruption("jpeg", 5)),
    "blur": (Corruption("blur", 1), Corruption("blur", 2), Corruption("blur", 4)),
    "noise": (Corruption("noise", 10), Corruption("noise", 25), Corruption("noise", 50)),
    "rotation": (Corruption("rotation", 10), Corruption("rotation", 30), Corruption("rotation", 90)),
    "scale": (Corruption("scale", 0.75), Corruption("scale", 0.5), Corruption("scale", 0.25)),
    "crop": (Corruption("crop", 0.8), Corruption("crop", 0.5), Corruption("crop", 0.25)),
    "occlusion": (Corruption("occlusion", 0.1), Corruption("occlusion", 0.25), Corruption("occlusion", 0.5)),
    "light": (Corruption("light", 1.5), Corruption("light", 2.2), Corruption("light", 3.5)),
}
"""The corruptions of each kind, the weakest first."""


def corrupt(image: Image, how: Corruption, *, seed: int = 0) -> Image:
    """Return a corrupted copy of an image; the same for the same image, corruption and seed.

    Parameters
    ----------
    image : (H, W, 3) uint8
    how : Corruption
    seed : int
        Together with the pixels it determines places, directions and noise.

    Returns
    -------
    (h, w, 3) uint8
        Of another size for `rotation`, `scale` and `crop`.
    """
    return _CORRUPTIONS[how.name](image, _generator(image, how, seed), how.strength)


@dataclass(frozen=True)
class CorruptedExtractor:
    """Extracts from a corrupted copy of each image."""

    kind: ClassVar[str] = "corrupted"
    version: ClassVar[int] = 1

    extractor: Extractor[Any]
    corruption: Corruption
    seed: int = 0

    @property
    def cacheable(self) -> bool:
        """As the items of the extractor."""
        return cacheable(self.extractor)

    def __call__(self, image: Image) -> Item:
        """Corrupt an image and return the item of the result."""
        item: Item = self.extractor(corrupt(image, self.corruption, seed=self.seed))
        return item


def _generator(image: Image, how: Corruption, seed: int) -> np.random.Generator:
    """Return a generator that depends on its arguments, but not on the strength.

    So a crop of one image stays about where it was when it becomes smaller.
    """
    pixels = np.ascontiguousarray(image)
    content = hashlib.sha256(f"{how.name} {seed} {pixels.shape}".encode() + pixels.tobytes()).digest()
    return np.random.default_rng(list(content))


def _rotated(image: Image, rng: np.random.Generator, degrees: float) -> Image:
    return warps.rotate(image, rng, trim=True, degrees=degrees * rng.choice([-1, 1]))[0]


def _lit(image: Image, rng: np.random.Generator, exponent: float) -> Image:
    return retouch.change_gamma(image, rng, gamma=exponent ** float(rng.choice([-1, 1])))


_CORRUPTIONS: Final[dict[CorruptionKind, Callable[[Image, np.random.Generator, float], Image]]] = {
    "jpeg": lambda image, rng, quality: retouch.compress(image, rng, quality=round(quality)),
    "blur": lambda image, rng, sigma: retouch.blur(image, rng, sigma=sigma),
    "noise": lambda image, rng, sigma: retouch.add_noise(image, rng, sigma=sigma),
    "rotation": _rotated,
    "scale": lambda image, rng, factor: warps.rescale(image, rng, factor=factor)[0],
    "crop": lambda image, rng, share: warps.crop(image, rng, share=share)[0],
    "occlusion": lambda image, rng, share: retouch.cover(image, rng, share=share),
    "light": _lit,
}

_DESCRIPTIONS: Final[dict[CorruptionKind, str]] = {
    "jpeg": "JPEG of quality {:g}",
    "blur": "blur of {:g} pixels",
    "noise": "noise of {:g} levels",
    "rotation": "rotated by {:g} degrees",
    "scale": "scaled by {:g}",
    "crop": "cropped to {:.0%} of the area",
    "occlusion": "{:.0%} of the area covered",
    "light": "levels to the power {:g} or its inverse",
}
