"""The labelled images of a folder that could be read, and what the extractor of a recipe found in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classicvision.cache import FeatureCache
from classicvision.classify.recipe import Recipe
from classicvision.classify.training import Training, train
from classicvision.classify.views import split_variants, training_extractor
from classicvision.extraction import Failure, extract, require_every_class
from classicvision.folders import ImageFolder
from classicvision.items import Items
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["TRAINING", "TrainingImages", "extract_training_images"]

TRAINING = "folds"  # the stage in which folds are learned, a step for each


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Labelled images, and the items that were extracted from them.

    Attributes
    ----------
    images : ImageFolder
        The N images that could be read.
    items : Items
        One for each of them.
    variants : tuple of Items
        Of augmented images: each has N items, in the same order.
    contents : tuple of str
        SHA-256 of each image file.
    failures : tuple of Failure
        The images that could not be read.
    n_cached : int
        Images whose items were in the cache already.
    """

    images: ImageFolder
    items: Items[Any]
    variants: tuple[Items[Any], ...]
    contents: tuple[str, ...]
    failures: tuple[Failure, ...]
    n_cached: int

    def train(
        self,
        recipe: Recipe,
        *,
        cache: FeatureCache | None,
        n_jobs: int,
        progress: Progress | None,
        share_codebook: bool = False,
    ) -> Training:
        """Train a classifier on these images with the recipe that they were extracted for; see `train`."""
        return train(
            self.items,
            self.images.labels,
            recipe,
            cache=cache,
            n_jobs=n_jobs,
            progress=stage(progress, TRAINING),
            share_codebook=share_codebook,
            variants=self.variants,
        )


def extract_training_images(
    images: ImageFolder, recipe: Recipe, *, cache: FeatureCache | None, n_jobs: int, progress: Progress | None
) -> TrainingImages:
    """Extract from images, and from the variants that the recipe's augmentation makes of them.

    Raises
    ------
    NotEnoughDataError
        If no image of a class can be read.
    """
    found = extract(
        images.paths, training_extractor(recipe), cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING)
    )
    readable = images.subset(found.rows)
    require_every_class(readable, found.failures)
    items, variants = split_variants(found.items, recipe)
    return TrainingImages(readable, items, variants, found.contents, found.failures, found.n_cached)
