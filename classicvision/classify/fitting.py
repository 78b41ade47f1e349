"""From a folder of labelled images to a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classicvision.cache import FeatureCache
from classicvision.classify.canary import canary_features
from classicvision.classify.classifier import Classifier, first_64_bits
from classicvision.classify.recipe import Recipe
from classicvision.classify.selection import Selection
from classicvision.classify.training import CrossValidation
from classicvision.classify.training_images import extract_training_images
from classicvision.classify.training_summary import TrainingSummary
from classicvision.extraction import Failure
from classicvision.folders import ImageFolder
from classicvision.progress import Progress

__all__ = ["Fit", "fit_images", "summarise_training"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted classifier, its cross-validation, and the images that were skipped.

    Attributes
    ----------
    classifier : Classifier
    validation : CrossValidation
    failures : tuple of Failure
        Images that were skipped.
    contradictions : tuple of tuples of Path
        Groups of byte-identical images with different labels.
    n_cached : int
        Images whose features were in the cache already.
    selection : Selection or None
        How the recipe was chosen, if it was.
    """

    classifier: Classifier
    validation: CrossValidation
    failures: tuple[Failure, ...]
    contradictions: tuple[tuple[Path, ...], ...]
    n_cached: int
    selection: Selection | None = None


def fit_images(
    images: ImageFolder,
    recipe: Recipe,
    *,
    selection: Selection | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Fit:
    """Fit a classifier on labelled images.

    Parameters
    ----------
    images : ImageFolder
    recipe : Recipe
    selection : Selection, optional
        How the recipe was chosen; passed on to the result.
    cache : FeatureCache, optional
        Where features, codebooks and the predictions of each fold are stored.
    n_jobs : int
        Worker processes, -1 for one per core. The classifier does not depend on it.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If there are too few classes, images or keypoints; the message says which and how many are needed.
    """
    extracted = extract_training_images(images, recipe, cache=cache, n_jobs=n_jobs, progress=progress)
    training = extracted.train(recipe, cache=cache, n_jobs=n_jobs, progress=progress)
    classifier = Classifier(
        recipe,
        training.codebook,
        training.head,
        summarise_training(extracted.images, training.validation, len(extracted.failures)),
        first_64_bits(extracted.contents),
        canary_features(recipe.extractor),
    )
    return Fit(
        classifier,
        training.validation,
        extracted.failures,
        _contradictions(extracted.images, extracted.contents),
        extracted.n_cached,
        selection,
    )


def summarise_training(images: ImageFolder, validation: CrossValidation, n_unreadable: int) -> TrainingSummary:
    """Return the summary of a training that is saved with the model."""
    return TrainingSummary(
        folder=images.root.resolve().name,
        n_images=len(images),
        n_unreadable=n_unreadable,
        images_per_class=tuple(images.labels.count(label) for label in images.classes),
        folds=len(validation.fold_accuracy),
        accuracy=float(np.mean(validation.fold_accuracy)),
        accuracy_deviation=float(np.std(validation.fold_accuracy, ddof=1)),
        mean_per_class_accuracy=validation.mean_per_class_accuracy,
        weights=validation.weights,
    )


def _contradictions(images: ImageFolder, contents: Sequence[str]) -> tuple[tuple[Path, ...], ...]:
    """Return groups of files of equal content that have different labels."""
    groups: dict[str, list[int]] = {}
    for row, content in enumerate(contents):
        groups.setdefault(content, []).append(row)
    return tuple(
        tuple(images.paths[row] for row in rows)
        for rows in groups.values()
        if len({images.labels[row] for row in rows}) > 1
    )
