"""Choosing a recipe for a folder of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic as _now

import numpy as np

from classicvision.cache import FeatureCache
from classicvision.classify.recipe import Recipe
from classicvision.classify.selection import BUDGET, N_FOLDS, Selection, Trial, candidates, select_recipe, thin
from classicvision.files import PathLike
from classicvision.folders import ImageFolder
from classicvision.progress import Progress
from classicvision.workflows.learning import learn

__all__ = ["choose_recipe"]


def choose_recipe(
    folder: PathLike,
    recipes: Mapping[str, Recipe] | None = None,
    *,
    budget: float = BUDGET,
    seed: int = 0,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Selection:
    """Choose the recipe that does best in cross-validation on a folder of images, one sub-folder a class.

    Folds of a trial share the codebook, which costs less; the fit of the recipe that is chosen learns it in each fold.
    Because time decides how much is tried, another run or another machine may choose another recipe.

    Parameters
    ----------
    folder : path
    recipes : dict of str to Recipe, optional
        By default those of `classify.selection.candidates`.
    budget : float
        Seconds for trying. The first recipe is tried to the end, and a codebook that is being learned is not given up.
    seed : int
        Of all recipes that are tried, and of the few images where there are many.
    cache, n_jobs, progress
        As everywhere.

    Raises
    ------
    NotEnoughDataError
        If there are too few classes, images or keypoints for every recipe.
    """
    every = ImageFolder.open(folder)
    few = every.subset(thin(every.labels, seed))
    cache = cache or FeatureCache.temporary()
    seeded = {name: replace(recipe, seed=seed) for name, recipe in (recipes or candidates()).items()}

    def try_recipe(name: str, recipe: Recipe, on_all: bool, end: float) -> Trial | None:
        started = _now()
        short = replace(recipe, classifier=replace(recipe.classifier, folds=N_FOLDS))
        try:
            learned = learn(
                every if on_all else few,
                short,
                cache=cache,
                n_jobs=n_jobs,
                progress=_Until(end, name, progress),
                share_codebook=True,
            )
        except _OutOfTimeError:
            return None
        validation = learned.training.validation
        return Trial(
            name,
            len(learned.readable),
            float(np.mean(validation.fold_accuracy)),
            float(np.std(validation.fold_accuracy, ddof=1)),
            validation.mean_per_class_accuracy,
            _now() - started,
        )

    return select_recipe(seeded, try_recipe, growth=len(every) / len(few), budget=budget)


class _OutOfTimeError(Exception):
    """Ends a trial between two images or folds."""


@dataclass(frozen=True)
class _Until:
    """Tells how far a trial is, and ends it when its time is up."""

    end: float  # of `time.monotonic`
    name: str
    progress: Progress | None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if _now() > self.end and done < total:
            raise _OutOfTimeError
        if self.progress:
            self.progress(f"{self.name}: {stage}", done, total)
