"""``benchmark``: recipes compared on a folder of labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from classicvision.cache import FeatureCache
from classicvision.classify.folds import some_of_each
from classicvision.classify.named_recipes import load_recipe, short_names
from classicvision.classify.recipe import Recipe
from classicvision.evaluation.benchmark_result import Benchmark
from classicvision.evaluation.leakage import Leakage, find_duplicates, find_leaks_of_splits
from classicvision.evaluation.plan import LITE_IMAGES, BenchmarkSettings, PlannedSplit, lite, lite_recipe
from classicvision.evaluation.runner import run_benchmark
from classicvision.files import PathLike
from classicvision.folders import ImageFolder
from classicvision.progress import Progress
from classicvision.workflows.copies import find_copies_among

__all__ = ["DEFAULT_RECIPES", "benchmark"]

DEFAULT_RECIPES = ("sift-bovw", "dense-bovw")
"""The recipes of the command when none is given: keypoints against a dense grid."""


def benchmark(
    folder: PathLike,
    recipes: Sequence[str] | Mapping[str, Recipe],
    *,
    settings: BenchmarkSettings | None = None,
    is_lite: bool = False,
    leakage: bool = True,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Benchmark:
    """Compare recipes on a folder of images, one sub-folder per class, on the same splits.

    Parameters
    ----------
    folder : path
    recipes : sequence of str, or mapping from name to Recipe
        What `load_recipe` takes; the result has their short names, where these differ.
    settings : BenchmarkSettings, optional
    is_lite : bool
        Run at toy size, with some images of each class and small vocabularies: shows that everything works.
    leakage : bool
        Search for copies of training images among the test images.
    cache : FeatureCache, optional
        Where features and results are stored, so that an interrupted benchmark resumes.
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If a class has too few images for the splits.
    SettingsError
        For an unknown recipe.
    """
    arguments = {} if isinstance(recipes, Mapping) else short_names(recipes)
    chosen = dict(recipes) if isinstance(recipes, Mapping) else {n: load_recipe(a) for n, a in arguments.items()}
    images, settings = ImageFolder.open(folder), settings or BenchmarkSettings()
    if is_lite:
        images = images.subset(some_of_each(images.labels, lambda _: LITE_IMAGES, settings.seed))
        settings, chosen = lite(settings), {name: lite_recipe(recipe) for name, recipe in chosen.items()}
    cache = cache or FeatureCache.temporary()
    search = partial(find_copies_among, cache=cache, n_jobs=n_jobs, progress=progress)

    def find_leakage(readable: ImageFolder, splits: Sequence[PlannedSplit]) -> tuple[Leakage, ...]:
        return find_leaks_of_splits(readable, splits, find_duplicates(readable.paths, search, cache=cache))

    found = run_benchmark(
        images,
        chosen,
        settings,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
        find_leakage=find_leakage if leakage else None,
    )
    return replace(found, is_lite=is_lite, arguments=arguments)
