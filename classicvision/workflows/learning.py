"""From a folder of images to a codebook and a head: what fitting and choosing a recipe have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classicvision.cache import FeatureCache
from classicvision.classify.recipe import Recipe
from classicvision.classify.training import Training, train
from classicvision.classify.views import to_learn_from
from classicvision.extraction import Extraction, extract, require_every_class
from classicvision.folders import ImageFolder
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["Learned", "learn"]

LEARNING = "folds"


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of the images that could be read, and which they are."""

    readable: ImageFolder
    found: Extraction[Any]
    training: Training


def learn(
    images: ImageFolder,
    recipe: Recipe,
    *,
    cache: FeatureCache | None,
    n_jobs: int,
    progress: Progress | None,
    share_codebook: bool = False,
) -> Learned:
    """Extract from images and their variants, learn, and cross-validate; see `train`.

    Raises
    ------
    NotEnoughDataError
        If no image of a class can be read, or there are too few for the folds.
    """
    found: Any = extract(
        images.paths, to_learn_from(recipe), cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING)
    )
    readable = images.subset(found.rows)
    require_every_class(readable, found.failures)
    items, *variants = found.items.parts if recipe.augment else [found.items]
    training = train(
        items,
        readable.labels,
        recipe,
        n_jobs=n_jobs,
        progress=stage(progress, LEARNING),
        share_codebook=share_codebook,
        variants=variants,
    )
    return Learned(readable, found, training)
