"""Recipes side by side on a folder of labelled images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from classicvision.benchmark.leakage import Duplicates, Leakage, find_leaks
from classicvision.benchmark.plan import LITE_IMAGES, BenchmarkSettings, PlannedSplit, lite, lite_recipe
from classicvision.benchmark.result import Benchmark
from classicvision.benchmark.runner import run_benchmark
from classicvision.folders import ImageFolder
from classicvision.models.folds import some_of_each
from classicvision.models.recipe import RECIPES, Recipe, load_recipe, short_name
from classicvision.store import Store
from classicvision.workflows.copies import find_copies_among
from classicvision.workflows.run import PathLike, Progress

__all__ = ["DEFAULT_RECIPES", "benchmark", "names_of"]

DEFAULT_RECIPES = tuple(name for name in ("sift-bovw", "dense-bovw") if name in RECIPES)
"""What is compared where nothing is said: keypoints against a grid."""


def benchmark(
    folder: PathLike,
    recipes: Sequence[str] | Mapping[str, Recipe],
    *,
    settings: BenchmarkSettings | None = None,
    is_lite: bool = False,
    leakage: bool = True,
    store: Store | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Benchmark:
    """Compare recipes on a folder of images, one sub-folder a class: the same splits, the same classifier.

    Parameters
    ----------
    folder : path
    recipes : sequence of str, or mapping from name to Recipe
        What `load_recipe` takes; they are called by their short names, where these differ.
    settings : BenchmarkSettings, optional
    is_lite : bool
        Do everything at toy size: some images of each class, small vocabularies. It shows that all works.
    leakage : bool
        Look for copies of training images among the test images.
    store, n_jobs, progress
        As everywhere.

    Raises
    ------
    NotEnoughDataError
        If a class has too few images for the splits.
    SettingsError
        For an unknown recipe.
    """
    if isinstance(recipes, Mapping):
        arguments, chosen = {}, dict(recipes)
    else:
        arguments = names_of(recipes)
        chosen = {name: load_recipe(argument) for name, argument in arguments.items()}
    images = ImageFolder.open(folder)
    settings = settings or BenchmarkSettings()
    if is_lite:
        images = images.subset(some_of_each(images.labels, lambda _: LITE_IMAGES, settings.seed))
        settings, chosen = lite(settings), {name: lite_recipe(recipe) for name, recipe in chosen.items()}
    store = store or Store.temporary()
    look = partial(_find_leakage, store=store, n_jobs=n_jobs, progress=progress)
    found = run_benchmark(
        images, chosen, settings, store=store, n_jobs=n_jobs, tell=progress, find_leakage=look if leakage else None
    )
    return replace(found, is_lite=is_lite, arguments=arguments)


def names_of(arguments: Sequence[str]) -> dict[str, str]:
    """Return a name for each argument of `load_recipe`: a short one, if no other argument has the same.

    A recipe that is given again is numbered, so that it can be compared with itself.
    """
    shared = Counter(short_name(argument) for argument in set(arguments))
    n_given: Counter[str] = Counter()
    names = {}
    for argument in arguments:
        short = short_name(argument)
        name = short if shared[short] == 1 else argument
        n_given[argument] += 1
        names[f"{name} ({n_given[argument]})" if n_given[argument] > 1 else name] = argument
    return names


def _find_leakage(
    images: ImageFolder, splits: Sequence[PlannedSplit], *, store: Store, n_jobs: int, progress: Progress | None
) -> tuple[Leakage, ...]:
    found = find_copies_among(images.paths, store=store, n_jobs=n_jobs, progress=progress)
    duplicates = Duplicates.of(found)
    labels = dict(zip(images.paths, images.labels, strict=True))
    return tuple(
        find_leaks(
            duplicates,
            [images.paths[row] for row in split.train.ravel()],
            [images.paths[row] for row in split.test],
            labels=labels,
        )
        for split in splits
    )
