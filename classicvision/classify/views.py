"""Extractors of variants of an image: augmented images to train on, and several views of an image to predict."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from classicvision.classify.recipe import Recipe, Several
from classicvision.images import Image
from classicvision.items import Extractor, Item, Items, Joint, cacheable
from classicvision.synthetic.augmentation import AUGMENTATIONS, mirror, ten_crops

__all__ = ["Augmented", "Views", "prediction_extractor", "split_variants", "training_extractor"]

ViewKind: TypeAlias = Literal["mirror", "ten-crop"]


@dataclass(frozen=True)
class Augmented:
    """Extracts from a random variant of an image; seed, number and the image itself determine which."""

    kind: ClassVar[str] = "augmented"
    version: ClassVar[int] = 2

    extractor: Any
    augmentation: str  # a key of AUGMENTATIONS
    number: int  # of the variant: a recipe may name the same augmentation more than once
    seed: int

    @property
    def cacheable(self) -> bool:
        """As the items of the extractor."""
        return cacheable(self.extractor)

    def __call__(self, image: Image) -> Item:
        """Return the item of a variant."""
        rng = np.random.default_rng([self.seed, self.number, zlib.crc32(image.tobytes())])
        item: Item = self.extractor(AUGMENTATIONS[self.augmentation](image, rng))
        return item


@dataclass(frozen=True)
class Views:
    """Extracts from several views of an image; its item is the tuple of theirs.

    ``mirror``: the image and its mirror image. ``ten-crop``: `ten_crops`.
    """

    kind: ClassVar[str] = "views"
    version: ClassVar[int] = 1

    extractor: Any
    looks: ViewKind

    @property
    def cacheable(self) -> bool:
        """As the items of the extractor."""
        return cacheable(self.extractor)

    def __call__(self, image: Image) -> tuple[Item, ...]:
        """Return the items of all views."""
        views = (image, mirror(image)) if self.looks == "mirror" else ten_crops(image)
        return tuple(self.extractor(view) for view in views)


def training_extractor(recipe: Recipe) -> Extractor[Any]:
    """Return the extractor for training images; with augmentation, an item is a tuple: the image, then its variants."""
    variants = [
        _over_parts(recipe.extractor, augmentation, number, recipe.seed)
        for number, augmentation in enumerate(recipe.augment)
    ]
    return Joint((recipe.extractor, *variants)) if variants else recipe.extractor


def split_variants(items: Any, recipe: Recipe) -> tuple[Items[Any], tuple[Items[Any], ...]]:
    """Return the items of the images, and those of their variants, from the items of `training_extractor`."""
    first, *variants = items.parts if recipe.augment else (items,)
    return first, tuple(variants)


def prediction_extractor(recipe: Recipe) -> Extractor[Any]:
    """Return the extractor for images to predict; with test-time augmentation, its items are tuples of views."""
    return recipe.extractor if recipe.tta == "none" else Views(recipe.extractor, recipe.tta)


def _over_parts(extractor: Any, *how: Any) -> Extractor[Any]:
    if isinstance(extractor, Several):
        return Joint(tuple(Augmented(part, *how) for part in extractor.parts))
    return Augmented(extractor, *how)
