"""``fit``: learn a classifier from a folder of images, or compare the stages of a network on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from classicvision.cache import FeatureCache
from classicvision.classify.fitting import Fit, fit_images
from classicvision.classify.named_recipes import load_recipe
from classicvision.classify.recipe import Recipe
from classicvision.classify.recipe_search import choose_recipe
from classicvision.classify.selection import AUTO, BUDGET, candidates
from classicvision.evaluation import stage_comparison
from classicvision.evaluation.stage_comparison import StageComparison
from classicvision.files import PathLike
from classicvision.folders import ImageFolder
from classicvision.progress import Progress

__all__ = ["compare_stages", "fit"]


def fit(
    folder: PathLike,
    *,
    recipe: Recipe | str | Mapping[str, Recipe] = "sift-bovw",
    seed: int | None = None,
    budget: float = BUDGET,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Fit:
    """Fit a classifier on a folder of images, one sub-folder per class.

    Parameters
    ----------
    folder : path
    recipe : Recipe, str or mapping of str to Recipe
        A recipe, or what `load_recipe` takes. Of several recipes by name, the cheap ones first, the one of the highest
        cross-validated accuracy is fitted; "auto" stands for `classify.selection.candidates`.
    seed : int, optional
        Replaces that of the recipe.
    budget : float
        Seconds for trying several recipes; the final fit is not counted.
    cache : FeatureCache, optional
        Where features, codebooks and the predictions of each fold are stored, so that an interrupted fit resumes.
    n_jobs : int
        Worker processes, -1 for one per core. The classifier does not depend on it.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If there are too few classes, images or keypoints; the message says which and how many are needed.
    SettingsError
        For an unknown recipe.

    Examples
    --------
    >>> from classicvision import load_recipe, workflows
    >>> fitted = workflows.fit("data/textures", recipe=load_recipe("sift-bovw", ["encoder.n_words=30"]))
    >>> fitted.validation.mean_per_class_accuracy > 0.8
    True
    >>> fitted.classifier.save("textures.cvmodel")
    """
    images, selection = ImageFolder.open(folder), None
    recipe = candidates() if recipe == AUTO else recipe
    if isinstance(recipe, Mapping):
        selection = choose_recipe(
            images, recipe, budget=budget, seed=seed or 0, cache=cache, n_jobs=n_jobs, progress=progress
        )
        recipe = selection.recipe
    elif isinstance(recipe, str):
        recipe = load_recipe(recipe)
    recipe = recipe if seed is None else replace(recipe, seed=seed)
    return fit_images(images, recipe, selection=selection, cache=cache, n_jobs=n_jobs, progress=progress)


def compare_stages(
    folder: PathLike,
    recipe: Recipe,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> StageComparison:
    """Cross-validate a recipe on every stage of its network; see `evaluation.stage_comparison.compare_stages`."""
    images = ImageFolder.open(folder)
    return stage_comparison.compare_stages(images, recipe, cache=cache, n_jobs=n_jobs, progress=progress)
