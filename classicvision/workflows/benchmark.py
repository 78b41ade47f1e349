"""Recipes side by side on a folder of labelled images."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.classify.folds import some_of_each
from classicvision.classify.named_recipes import RECIPES, load_recipe, short_name
from classicvision.classify.recipe import Recipe
from classicvision.copies.settings import SearchSettings
from classicvision.evaluation.leakage import Duplicate, Duplicates, Leakage, find_leaks
from classicvision.evaluation.plan import LITE_IMAGES, BenchmarkSettings, PlannedSplit, lite, lite_recipe
from classicvision.evaluation.result import Benchmark
from classicvision.evaluation.runner import run_benchmark
from classicvision.files import PathLike
from classicvision.folders import ImageFolder
from classicvision.images import LIBRARIES, read_bytes
from classicvision.index.settings import IndexSettings
from classicvision.progress import Progress
from classicvision.workflows.copies import find_copies_among

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
    cache: FeatureCache | None = None,
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
    cache, n_jobs, progress
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
    cache = cache or FeatureCache.temporary()
    look = partial(_find_leakage, cache=cache, n_jobs=n_jobs, progress=progress)
    found = run_benchmark(
        images, chosen, settings, cache=cache, n_jobs=n_jobs, tell=progress, find_leakage=look if leakage else None
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
    images: ImageFolder, splits: Sequence[PlannedSplit], *, cache: FeatureCache, n_jobs: int, progress: Progress | None
) -> tuple[Leakage, ...]:
    duplicates = _find_duplicates(images.paths, cache=cache, n_jobs=n_jobs, progress=progress)
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


def _find_duplicates(
    paths: Sequence[Path], *, cache: FeatureCache, n_jobs: int, progress: Progress | None
) -> Duplicates:
    """Search images for copies among them; answered from the cache if the same was asked before."""
    contents = [hashlib.sha256(read_bytes(path)).hexdigest() for path in paths]
    settings = [config.fingerprint(one) for one in (SearchSettings(), IndexSettings())]
    key = hashlib.sha256(" ".join(["duplicates 1", LIBRARIES, *settings, *contents]).encode()).hexdigest()
    known = cache.get(key)
    if known is None:
        found = Duplicates.of(find_copies_among(paths, cache=cache, n_jobs=n_jobs, progress=progress)).pairs
        row_of = {path: row for row, path in enumerate(paths)}
        known = {
            "rows": np.array([(row_of[pair.a], row_of[pair.b]) for pair in found], np.int64).reshape(-1, 2),
            "is_exact": np.array([pair.kind == "exact" for pair in found], np.bool_),
            "score": np.array([pair.score for pair in found], np.float64),
        }
        cache.put(key, known)
    pairs = []
    for (a, b), is_exact, score in zip(known["rows"].tolist(), known["is_exact"], known["score"].tolist(), strict=True):
        pairs.append(Duplicate(paths[a], paths[b], "exact" if is_exact else "near", score))
    return Duplicates(tuple(pairs))
