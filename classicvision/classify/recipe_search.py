"""Choosing a recipe for a folder of images: `selection` decides, the trials are made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic as _now

import numpy as np

from classicvision.cache import FeatureCache
from classicvision.classify.recipe import Recipe
from classicvision.classify.selection import BUDGET, N_FOLDS, Selection, Trial, select_recipe, subsample
from classicvision.classify.training_images import extract_training_images
from classicvision.folders import ImageFolder
from classicvision.progress import Progress

__all__ = ["choose_recipe"]


def choose_recipe(
    images: ImageFolder,
    recipes: Mapping[str, Recipe],
    *,
    budget: float = BUDGET,
    seed: int = 0,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Selection:
    """Choose the recipe of the highest cross-validated accuracy on labelled images.

    The folds of a trial share the codebook, which takes less time; the final fit learns it in each fold. Time limits
    how much is tried, so another run or another machine may choose another recipe.

    Parameters
    ----------
    images : ImageFolder
    recipes : dict of str to Recipe
        The cheap ones first, as `classify.selection.candidates` returns them.
    budget : float
        Seconds for all trials. The first recipe is always tried to the end, and a codebook that is being learned is
        not interrupted.
    seed : int
        Replaces that of every recipe, and draws the subset of images that a large folder is tried on first.
    cache : FeatureCache, optional
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If there are too few classes, images or keypoints for every recipe.
    """
    trials = _Trials(
        images, images.subset(subsample(images.labels, seed)), cache or FeatureCache.temporary(), n_jobs, progress
    )
    seeded = {name: replace(recipe, seed=seed) for name, recipe in recipes.items()}
    return select_recipe(seeded, trials.run, growth=len(images) / len(trials.few), budget=budget)


@dataclass(frozen=True)
class _Trials:
    """Tries a recipe on all images or on few of them, until its time is up."""

    every: ImageFolder
    few: ImageFolder
    cache: FeatureCache
    n_jobs: int
    progress: Progress | None

    def run(self, name: str, recipe: Recipe, on_all: bool, end: float) -> Trial | None:
        """Cross-validate a recipe; None if that takes longer than until `end`, a time of `time.monotonic`."""
        started = _now()
        short = replace(recipe, classifier=replace(recipe.classifier, folds=N_FOLDS))
        deadline = _Deadline(end, name, self.progress)
        try:
            extracted = extract_training_images(
                self.every if on_all else self.few, short, cache=self.cache, n_jobs=self.n_jobs, progress=deadline
            )
            training = extracted.train(
                short, cache=self.cache, n_jobs=self.n_jobs, progress=deadline, share_codebook=True
            )
        except _OutOfTimeError:
            return None
        validation = training.validation
        return Trial(
            name,
            len(extracted.images),
            float(np.mean(validation.fold_accuracy)),
            float(np.std(validation.fold_accuracy, ddof=1)),
            validation.mean_per_class_accuracy,
            _now() - started,
        )


class _OutOfTimeError(Exception):
    """Ends a trial between two images or folds."""


@dataclass(frozen=True)
class _Deadline:
    """Passes progress on, and ends the trial when its time is up."""

    end: float  # of `time.monotonic`
    name: str
    progress: Progress | None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if _now() > self.end and done < total:
            raise _OutOfTimeError
        if self.progress:
            self.progress(f"{self.name}: {stage}", done, total)
