"""Choosing a recipe by cross-validation within a time budget: cheap recipes first, and few images first.

This is the rule alone: trials and clock are passed in. `recipe_search` makes the trials.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.classify.folds import some_of_each
from classicvision.classify.named_recipes import NETWORK, RECIPES, fusion_data
from classicvision.classify.recipe import Recipe
from classicvision.encoding.vector import VectorSettings
from classicvision.errors import ClassicVisionError, SettingsError

__all__ = ["AUTO", "BUDGET", "Selection", "Trial", "TryRecipe", "candidates", "select_recipe", "subsample"]

AUTO = "auto"  # in place of a recipe's name
BUDGET = 300.0  # seconds
FEW = 400  # images of the first trials
FEWEST_OF_CLASS = 10  # of these images, if a class has as many
MAX_FINALISTS = 3  # tried again on all images
N_FOLDS = 3  # the same for all recipes, so that their accuracies are of the same images

# One of each kind, the cheapest first.
_CHEAP_FIRST = ("sift-bovw", "sift-bovw-soft", "vlad", "fisher", "dense-bovw-spm", "llc", "fisher-best")


@dataclass(frozen=True)
class Trial:
    """The cross-validation of one recipe.

    Attributes
    ----------
    name : str
    n_images : int
    accuracy, deviation : float
        Mean and standard deviation over the folds of the share of correct images.
    mean_per_class_accuracy : float
        Of all images.
    seconds : float
        Wall time including extraction; less if an earlier run has filled the cache.
    """

    name: str
    n_images: int
    accuracy: float
    deviation: float
    mean_per_class_accuracy: float
    seconds: float

    @property
    def standard_error(self) -> float:
        """Of the accuracy, from the number of images; above 0 even if all are correct (Agresti and Coull 1998)."""
        n = self.n_images + 4
        share = (self.n_images * self.mean_per_class_accuracy + 2) / n
        return math.sqrt(share * (1 - share) / n)


@dataclass(frozen=True)
class Selection:
    """The recipe that was chosen, and why.

    Its accuracy is the best of several, so slightly higher than on new images.

    Attributes
    ----------
    name : str
    recipe : Recipe
    trials : tuple of Trial
        In order of time; a finalist has one on few images and one on all.
    decisive : tuple of Trial
        The trials that the choice is made from, all on the same images.
    skipped : dict of str to str
        Why other recipes, or their trials on all images, were not run to the end.
    """

    name: str
    recipe: Recipe
    trials: tuple[Trial, ...]
    decisive: tuple[Trial, ...]
    skipped: Mapping[str, str]

    @property
    def reason(self) -> str:
        """Why this recipe: its lead, and a cheaper recipe that may be as good."""
        best = _best(self.decisive)
        text = f"{best.name} has the highest mean per-class accuracy, {100 * best.mean_per_class_accuracy:.1f} %"
        others = [trial for trial in self.decisive if trial.name != best.name]
        if not others:
            return f"{text}; no other recipe could be compared."
        second = _best(others)
        lead = best.mean_per_class_accuracy - second.mean_per_class_accuracy
        text += f" of {best.n_images} images, {100 * lead:.1f} points more than {second.name}."
        cheap = min(self.decisive, key=lambda trial: trial.seconds if _is_near(trial, best) else math.inf)
        if cheap.name != best.name:
            text += (
                f" {cheap.name} may be as good: it is within two standard errors, and took {cheap.seconds:.0f} seconds "
                f"instead of {best.seconds:.0f}."
            )
        return text


TryRecipe: TypeAlias = Callable[[str, Recipe, bool, float], Trial | None]
"""Cross-validates a recipe, given its name, whether on all images, and the time at which to give up: then None."""


def candidates(network: Recipe | None = None) -> dict[str, Recipe]:
    """Return the recipes to try, the cheap ones first.

    Parameters
    ----------
    network : Recipe, optional
        As ``cnn:FILE`` names it: a further candidate, as is its fusion with the parts of "fisher-best".

    Raises
    ------
    SettingsError
        If `network` is not a recipe of a network.
    """
    named = {name: RECIPES[name] for name in _CHEAP_FIRST}
    if network is None:
        return named
    if not isinstance(network.extractor, OnnxBackbone) or not isinstance(network.encoder, VectorSettings):
        raise SettingsError(f"the extractor is {network.extractor.kind}; give the recipe {NETWORK}FILE of a network")
    fusion = config.from_dict(Recipe, fusion_data(config.to_dict(network.extractor), network.encoder))
    after = {"sift-bovw": {"cnn": network}, "fisher-best": {"fusion": fusion}}  # what costs less
    return {
        name: recipe
        for cheaper in _CHEAP_FIRST
        for name, recipe in ({cheaper: named[cheaper]} | after.get(cheaper, {})).items()
    }


def subsample(labels: Sequence[str], seed: int = 0, *, n_images: int = FEW) -> NDArray[np.intp]:
    """Return the rows of about `n_images` images, equally many per class; all rows if that saves less than a third.

    Parameters
    ----------
    labels : N labels
    seed : int
    n_images : int
        More if there are many classes: at least `FEWEST_OF_CLASS` of each are kept, if it has as many.
    """
    n_each = max(FEWEST_OF_CLASS, math.ceil(n_images / len(set(labels))))
    rows = some_of_each(labels, lambda _: n_each, seed)
    return rows if 3 * len(rows) <= 2 * len(labels) else np.arange(len(labels))


def select_recipe(
    recipes: Mapping[str, Recipe],
    try_recipe: TryRecipe,
    *,
    growth: float = 1.0,
    budget: float = BUDGET,
    clock: Callable[[], float] = time.monotonic,
) -> Selection:
    """Try recipes while time lasts, and choose that of the highest mean per-class accuracy; of equals the first.

    On a large folder, every recipe is tried on few images first; then those within two standard errors of the best, up
    to `MAX_FINALISTS`, on all. One recipe is tried whatever the budget.

    Parameters
    ----------
    recipes : dict of str to Recipe
        The cheap ones first: a trial starts only if as much time is left as the one before took.
    try_recipe : callable
    growth : float
        Ratio of all images to the few; 1 if all are tried.
    budget : float
        Seconds.
    clock : callable
        Returns seconds.

    Raises
    ------
    SettingsError
        For no recipe, or a budget that is not positive.
    ClassicVisionError
        That of the first recipe, if none could be cross-validated.
    """
    if not recipes or not budget > 0:
        raise SettingsError(
            f"{len(recipes)} recipe(s) and a budget of {budget:g} seconds; give at least one recipe and more than 0"
        )
    schedule = _Schedule(recipes, try_recipe, clock() + budget, clock)
    trials = schedule.run(list(recipes), on_all=growth <= 1)
    if growth > 1 and not trials:  # the few may be too few of a class, because of copies and broken files
        growth, trials = 1.0, schedule.run(list(recipes), on_all=True)
    if not trials:
        raise schedule.errors[0]
    finals = schedule.run_finals(trials, growth) if growth > 1 else []
    decisive = tuple(finals if len(finals) > 1 else trials)
    name = _best(decisive).name
    return Selection(name, recipes[name], (*trials, *finals), decisive, schedule.skipped)


@dataclass
class _Schedule:
    """Tries recipes until the time is up, and records which were skipped and which failed."""

    recipes: Mapping[str, Recipe]
    try_recipe: TryRecipe
    end: float  # of the clock
    clock: Callable[[], float]
    skipped: dict[str, str] = field(default_factory=dict)
    errors: list[ClassicVisionError] = field(default_factory=list)

    def run(self, names: Sequence[str], *, on_all: bool) -> list[Trial]:
        """Try recipes in order; the first that works has unlimited time."""
        trials: list[Trial] = []
        for name in names:
            left = self.end - self.clock()
            if trials and trials[-1].seconds > left:
                self.skipped[name] = f"{max(left, 0):.0f} seconds were left, fewer than {trials[-1].name} took"
                continue
            trial = self._try(name, on_all, self.end if trials else math.inf)
            if trial is not None:
                trials.append(trial)
        return trials

    def run_finals(self, trials: Sequence[Trial], growth: float) -> list[Trial]:
        """Try the recipes near the best again on all images, `growth` times as many; the best first, while time lasts.

        If there is time for fewer than two, none is tried: there would be nothing to compare.
        """
        best = _best(trials)
        near = sorted((trial for trial in trials if _is_near(trial, best)), key=lambda t: -t.mean_per_class_accuracy)
        left, chosen = self.end - self.clock(), []
        for trial in near[:MAX_FINALISTS]:
            if growth * trial.seconds <= left:
                left -= growth * trial.seconds
                chosen.append(trial.name)
            elif len(near) > 1:
                self.skipped[trial.name] = "there was no time for all images"
        finals = [self._try(name, True, self.end) for name in chosen] if len(chosen) > 1 else []
        return [trial for trial in finals if trial is not None]

    def _try(self, name: str, on_all: bool, end: float) -> Trial | None:
        try:
            trial = self.try_recipe(name, self.recipes[name], on_all, end)
        except ClassicVisionError as error:
            self.errors.append(error)
            self.skipped[name] = str(error)
            return None
        if trial is None:
            self.skipped[name] = "the time was up before it finished"
        else:
            self.skipped.pop(name, None)  # of a trial on few images
        return trial


def _best(trials: Sequence[Trial]) -> Trial:
    """Return the trial of highest accuracy; the first of equals."""
    return max(trials, key=lambda trial: trial.mean_per_class_accuracy)


def _is_near(trial: Trial, best: Trial) -> bool:
    """Whether the best leads by no more than two of its standard errors."""
    lead = best.mean_per_class_accuracy - trial.mean_per_class_accuracy
    return lead <= 2 * best.standard_error
