"""Extractors of variants of a picture: more pictures to learn from, and several looks at one to be judged."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from classicvision.classify.recipe import Recipe, Several
from classicvision.images import Image
from classicvision.items import Extractor, Item, cacheable
from classicvision.synthetic.augmentation import AUGMENTATIONS, mirror, ten_crops

__all__ = ["Augmented", "Views", "to_learn_from", "views_of"]

Looks: TypeAlias = Literal["mirror", "ten-crop"]


@dataclass(frozen=True)
class Augmented:
    """Extracts from a random variant of a picture; which, follows from the seed, the number and the picture itself."""

    kind: ClassVar[str] = "augmented"
    version: ClassVar[int] = 2

    extractor: Any
    augmentation: str  # a key of AUGMENTATIONS
    number: int  # of the variant: the same augmentation may be asked for more than once
    seed: int

    @property
    def cacheable(self) -> bool:
        """As of the extractor."""
        return cacheable(self.extractor)

    def __call__(self, image: Image) -> Item:
        """Return the item of a variant."""
        rng = np.random.default_rng([self.seed, self.number, zlib.crc32(image.tobytes())])
        item: Item = self.extractor(AUGMENTATIONS[self.augmentation](image, rng))
        return item


@dataclass(frozen=True)
class Views:
    """Extracts from several views of a picture; its item is the tuple of theirs.

    ``mirror``: the picture and its mirror image. ``ten-crop``: `ten_crops`.
    """

    kind: ClassVar[str] = "views"
    version: ClassVar[int] = 1

    extractor: Any
    looks: Looks

    @property
    def cacheable(self) -> bool:
        """As of the extractor."""
        return cacheable(self.extractor)

    def __call__(self, image: Image) -> tuple[Item, ...]:
        """Return the items of all views."""
        views = (image, mirror(image)) if self.looks == "mirror" else ten_crops(image)
        return tuple(self.extractor(view) for view in views)


@dataclass(frozen=True)
class _Joint:
    """Extractors side by side, whatever they are."""

    kind: ClassVar[str] = "joint"

    parts: tuple[Any, ...]

    def __call__(self, image: Image) -> tuple[Item, ...]:
        return tuple(part(image) for part in self.parts)


def to_learn_from(recipe: Recipe) -> Extractor[Any]:
    """Return the extractor for training images: with augmentation a joint one, of the images first, then variants."""
    variants = [
        _over_parts(recipe.extractor, augmentation, number, recipe.seed)
        for number, augmentation in enumerate(recipe.augment)
    ]
    return _Joint((recipe.extractor, *variants)) if variants else recipe.extractor


def views_of(recipe: Recipe) -> Extractor[Any]:
    """Return the extractor for pictures to be predicted, which may look more than once."""
    return recipe.extractor if recipe.tta == "none" else Views(recipe.extractor, recipe.tta)


def _over_parts(extractor: Any, *how: Any) -> Extractor[Any]:
    if isinstance(extractor, Several):
        return _Joint(tuple(Augmented(part, *how) for part in extractor.parts))
    return Augmented(extractor, *how)
