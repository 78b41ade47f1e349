"""What everyday damage does to a recipe: eight kinds, in three strengths each, for test images.

A damage depends on the picture and a seed only. So all recipes see the same damaged pictures, in any order, and what
was extracted from them can be kept.
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

__all__ = ["ROBUSTNESS_CARD", "Damage", "DamageKind", "Damaged", "damage"]

DamageKind: TypeAlias = Literal["jpeg", "blur", "noise", "rotation", "scale", "crop", "occlusion", "light"]


_LIMITS: Final[dict[DamageKind, tuple[float, float]]] = {
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
class Damage:
    """One kind of damage of one strength.

    Attributes
    ----------
    name : str
        ``jpeg``, ``blur``, ``noise``, ``rotation``, ``scale``, ``crop``, ``occlusion`` or ``light``.
    strength : float
        In the unit of the kind: quality of JPEG from 1 to 100; sigma of a blur in pixels, of noise in levels; degrees
        of a turn, either way, cut to the largest upright rectangle within the picture; factor of the sides; share of
        the area that a crop keeps, or that is covered; the exponent of the levels, above 1, darker or brighter.
    """

    kind: ClassVar[str] = "damage"
    version: ClassVar[int] = 1

    name: DamageKind
    strength: float

    def __post_init__(self) -> None:
        validate(self)
        low, high = _LIMITS[self.name]
        allowed = f"from {low:g} to {high:g} for {self.name}"
        require(low <= self.strength <= high, "strength", self.strength, allowed)

    @property
    def words(self) -> str:
        """What is done, for a table."""
        return _WORDS[self.name].format(self.strength)


ROBUSTNESS_CARD: Final[dict[DamageKind, tuple[Damage, Damage, Damage]]] = {
    "jpeg": (Damage("jpeg", 30), Damage("jpeg", 15), Damage("jpeg", 5)),
    "blur": (Damage("blur", 1), Damage("blur", 2), Damage("blur", 4)),
    "noise": (Damage("noise", 10), Damage("noise", 25), Damage("noise", 50)),
    "rotation": (Damage("rotation", 10), Damage("rotation", 30), Damage("rotation", 90)),
    "scale": (Damage("scale", 0.75), Damage("scale", 0.5), Damage("scale", 0.25)),
    "crop": (Damage("crop", 0.8), Damage("crop", 0.5), Damage("crop", 0.25)),
    "occlusion": (Damage("occlusion", 0.1), Damage("occlusion", 0.25), Damage("occlusion", 0.5)),
    "light": (Damage("light", 1.5), Damage("light", 2.2), Damage("light", 3.5)),
}
"""Kind to what is tried of it, the weakest first."""


def damage(image: Image, how: Damage, *, seed: int = 0) -> Image:
    """Return a damaged copy of a picture; the same for the same picture, damage and seed.

    Parameters
    ----------
    image : (H, W, 3) uint8
    how : Damage
    seed : int
        With the pixels it decides on places, directions and noise.

    Returns
    -------
    (h, w, 3) uint8
        Of another size for `rotation`, `scale` and `crop`.
    """
    return _DAMAGES[how.name](image, _generator(image, how, seed), how.strength)


@dataclass(frozen=True)
class Damaged:
    """An extractor that looks at damaged pictures."""

    kind: ClassVar[str] = "damaged"
    version: ClassVar[int] = 1

    extractor: Extractor[Any]
    damage: Damage
    seed: int = 0

    @property
    def cacheable(self) -> bool:
        """Whether its items are worth their place in a cache: as those of the extractor are."""
        return cacheable(self.extractor)

    def __call__(self, image: Image) -> Item:
        """Damage a picture and return what the extractor makes of that."""
        item: Item = self.extractor(damage(image, self.damage, seed=self.seed))
        return item


def _generator(image: Image, how: Damage, seed: int) -> np.random.Generator:
    """Return a generator that depends on nothing but its arguments, and not on the strength.

    So a crop of one picture stays about where it was when it becomes smaller.
    """
    pixels = np.ascontiguousarray(image)
    content = hashlib.sha256(f"{how.name} {seed} {pixels.shape}".encode() + pixels.tobytes()).digest()
    return np.random.default_rng(list(content))


def _rotated(image: Image, rng: np.random.Generator, degrees: float) -> Image:
    return warps.rotate(image, rng, trim=True, degrees=degrees * rng.choice([-1, 1]))[0]


def _lit(image: Image, rng: np.random.Generator, exponent: float) -> Image:
    return retouch.change_gamma(image, rng, gamma=exponent ** float(rng.choice([-1, 1])))


_DAMAGES: Final[dict[DamageKind, Callable[[Image, np.random.Generator, float], Image]]] = {
    "jpeg": lambda image, rng, quality: retouch.compress(image, rng, quality=round(quality)),
    "blur": lambda image, rng, sigma: retouch.blur(image, rng, sigma=sigma),
    "noise": lambda image, rng, sigma: retouch.add_noise(image, rng, sigma=sigma),
    "rotation": _rotated,
    "scale": lambda image, rng, factor: warps.rescale(image, rng, factor=factor)[0],
    "crop": lambda image, rng, share: warps.crop(image, rng, share=share)[0],
    "occlusion": lambda image, rng, share: retouch.cover(image, rng, share=share),
    "light": _lit,
}

_WORDS: Final[dict[DamageKind, str]] = {
    "jpeg": "JPEG of quality {:g}",
    "blur": "blur of {:g} pixels",
    "noise": "noise of {:g} levels",
    "rotation": "turned by {:g} degrees",
    "scale": "scaled by {:g}",
    "crop": "cropped to {:.0%} of the area",
    "occlusion": "{:.0%} of the area covered",
    "light": "levels to the power {:g} or its inverse",
}
