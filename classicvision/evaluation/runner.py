"""Benchmark of several recipes on the same images and splits."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.classify.folds import some_of_each
from classicvision.classify.recipe import Recipe
from classicvision.classify.views import prediction_extractor, split_variants, training_extractor
from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.benchmark_result import Benchmark, RecipeResult, named_splits
from classicvision.evaluation.comparison import Comparison, compare
from classicvision.evaluation.corruption import ROBUSTNESS_CARD, CorruptedExtractor, Corruption
from classicvision.evaluation.cost import Cost, Fitted, measure_costs
from classicvision.evaluation.leakage import Leakage
from classicvision.evaluation.plan import BenchmarkSettings, PlannedSplit, plan_splits
from classicvision.evaluation.split_run import Candidate, SplitResult, TrainingRun, run_split
from classicvision.extraction import Extraction, extract, require_every_class
from classicvision.folders import ImageFolder
from classicvision.images import LIBRARIES
from classicvision.items import Items
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["run_benchmark"]

_NO_COST = Cost(*[float("nan")] * 5)  # until all recipes are there to be timed in turns


def run_benchmark(
    images: ImageFolder,
    recipes: Mapping[str, Recipe],
    settings: BenchmarkSettings,
    *,
    cache: FeatureCache,
    n_jobs: int = 1,
    progress: Progress | None = None,
    find_leakage: Callable[[ImageFolder, Sequence[PlannedSplit]], tuple[Leakage, ...]] | None = None,
) -> Benchmark:
    """Train and test recipes on the same splits, and compare their accuracy.

    Every result is cached as soon as it is known, so an interrupted benchmark resumes.

    Parameters
    ----------
    images : ImageFolder
    recipes : mapping from name to Recipe
    settings : BenchmarkSettings
    cache : FeatureCache
    n_jobs : int
        Worker processes; no result depends on them.
    progress : callable(stage, done, total), optional
    find_leakage : callable, optional
        Called with the images that all recipes could read and the splits; returns what each split leaks.

    Raises
    ------
    NotEnoughDataError
        If there is no recipe, no image of a class can be read, or the splits need more images than a class has.
    """
    if not recipes:
        raise NotEnoughDataError("no recipe was given; a benchmark needs at least one")
    extractions = {name: _extract(images, recipe, cache, n_jobs, progress) for name, recipe in recipes.items()}
    rows = _common_rows(extractions)
    readable = images.subset(rows)
    failures = {failure.path: failure for pair in extractions.values() for one in pair for failure in one.failures}
    require_every_class(readable, tuple(failures.values()))
    splits = plan_splits(readable.labels, settings)
    candidates = [_candidate(name, recipes[name], *extractions[name], rows) for name in recipes]
    leakage = find_leakage(readable, splits) if find_leakage else ()
    benchmarks = [_RecipeBenchmark(one, readable, splits, settings, cache, n_jobs, progress) for one in candidates]
    results = [one.run() for one in benchmarks]
    costs = _costs(benchmarks, readable, settings, cache)
    results = [replace(result, cost=cost) for result, cost in zip(results, costs, strict=True)]
    return Benchmark(
        readable,
        tuple(failures.values()),
        settings,
        tuple(splits),
        tuple(results),
        _compare(readable, splits, results, settings),
        leakage,
    )


@dataclass(frozen=True, eq=False)
class _RecipeBenchmark:
    """All measurements of one recipe."""

    candidate: Candidate
    images: ImageFolder
    splits: Sequence[PlannedSplit]
    settings: BenchmarkSettings
    cache: FeatureCache
    n_jobs: int
    progress: Progress | None

    @cached_property
    def first(self) -> TrainingRun:
        """The training on the first split, which corrupted images and costs use too."""
        return self._training_run(0, self.splits[0].train.shape[1])

    def run(self) -> RecipeResult:
        """Measure everything but the cost."""
        recipe = self.candidate.recipe
        return RecipeResult(
            self.candidate.name, recipe, self._split_results(), self._curve(), self._corrupted(), _NO_COST
        )

    def _split_results(self) -> tuple[SplitResult, ...]:
        found = [run_split(self.first, self.splits[0].test)]
        self._report("splits", 1, len(self.splits))
        for number, split in enumerate(self.splits[1:], start=1):
            found.append(run_split(self._training_run(number, split.train.shape[1]), split.test))
            self._report("splits", number + 1, len(self.splits))
        return tuple(found)

    def _training_run(self, number: int, n_train: int) -> TrainingRun:
        rows, seed = self.splits[number].first(n_train), self.settings.seed + number
        return TrainingRun(self.candidate, self.images.labels, rows, seed, self.cache, self.n_jobs)

    def _curve(self) -> dict[int, tuple[float, ...]]:
        curve = {}
        for place, n in enumerate(self.settings.learning_curve, start=1):
            found = [run_split(self._training_run(number, n), split.test) for number, split in enumerate(self.splits)]
            curve[n] = tuple(
                self._accuracy(split.test, one.predicted) for split, one in zip(self.splits, found, strict=True)
            )
            self._report("learning curve", place, len(self.settings.learning_curve))
        return curve

    def _corrupted(self) -> dict[Corruption | None, float]:
        if not self.settings.robustness:
            return {}
        rows = _some(self.splits[0].test, self.images.labels, self.settings.n_corrupted, self.settings.seed)
        corruptions = [None, *(one for strengths in ROBUSTNESS_CARD.values() for one in strengths)]
        found: dict[Corruption | None, float] = {}
        for number, corruption in enumerate(corruptions, start=1):
            found[corruption] = self._accuracy(rows, self._predict_corrupted(rows, corruption))
            self._report("corrupted images", number, len(corruptions))
        return found

    def _predict_corrupted(self, rows: NDArray[np.intp], corruption: Corruption | None) -> NDArray[np.intp]:
        """Return the class of each image; -1, which is wrong, if nothing can be extracted from its corrupted copy."""
        cache, items = self.cache, self.candidate.test_items[rows]
        how = None if corruption is None else config.to_dict(corruption)
        key = self.first.cache_key("damaged", how, self.settings.seed, list(items.keys))
        if (known := cache.get(key)) is not None:
            return known["predicted"]
        predicted = np.full(len(rows), -1, np.intp)
        if corruption is None:
            predicted[:] = self.first.predict(items)
        else:
            extractor = CorruptedExtractor(prediction_extractor(self.candidate.recipe), corruption, self.settings.seed)
            corrupted = extract([self.images.paths[row] for row in rows], extractor, cache=cache, n_jobs=self.n_jobs)
            predicted[corrupted.rows] = self.first.predict(corrupted.items)
        cache.put(key, {"predicted": predicted})
        return predicted

    def _accuracy(self, rows: NDArray[np.intp], predicted: NDArray[np.intp]) -> float:
        true = _indices(self.images)[rows]
        is_correct = predicted == true
        return float(np.mean([is_correct[true == label].mean() for label in np.unique(true)]))

    def _report(self, stage: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(f"{self.candidate.name}: {stage}", done, total)


def _extract(
    images: ImageFolder, recipe: Recipe, cache: FeatureCache, n_jobs: int, progress: Progress | None
) -> tuple[Extraction[Any], Extraction[Any]]:
    """Return what to train on and what to test on; the same unless test images have several views."""
    report = stage(progress, EXTRACTING)
    learned: Extraction[Any] = extract(
        images.paths, training_extractor(recipe), cache=cache, n_jobs=n_jobs, progress=report
    )
    if recipe.tta == "none":
        return learned, learned
    return learned, extract(images.paths, prediction_extractor(recipe), cache=cache, n_jobs=n_jobs, progress=report)


def _common_rows(extractions: Mapping[str, tuple[Extraction[Any], Extraction[Any]]]) -> NDArray[np.intp]:
    rows: NDArray[np.intp] | None = None
    for one in (one for pair in extractions.values() for one in pair):
        rows = one.rows if rows is None else np.intersect1d(rows, one.rows)
    return np.zeros(0, np.intp) if rows is None else rows


def _candidate(
    name: str, recipe: Recipe, learned: Extraction[Any], tested: Extraction[Any], rows: NDArray[np.intp]
) -> Candidate:
    def of(found: Extraction[Any]) -> Any:
        return found.items[np.searchsorted(found.rows, rows)]

    first, variants = split_variants(of(learned), recipe)
    test_items: Items[Any] = of(tested) if recipe.tta != "none" else first
    return Candidate(name, recipe, first, variants, test_items)


def _some(rows: NDArray[np.intp], labels: Sequence[str], n: int, seed: int) -> NDArray[np.intp]:
    """Return about n of the rows, sorted, from each class its share, at least one."""
    return rows[some_of_each([labels[row] for row in rows], lambda own: max(1, round(n * own / len(rows))), seed)]


def _costs(
    benchmarks: Sequence[_RecipeBenchmark], images: ImageFolder, settings: BenchmarkSettings, cache: FeatureCache
) -> list[Cost]:
    """Time all recipes on the same images, or return the cached times of all of them together."""
    test = benchmarks[0].splits[0].test
    rows = np.sort(np.random.default_rng(settings.seed).permutation(test)[: settings.n_timed])
    names = [str(images.paths[row]) for row in rows]
    keys = [one.first.cache_key("cost", names) for one in benchmarks]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    key = hashlib.sha256(" ".join([LIBRARIES, platform.node(), *sorted(keys)]).encode()).hexdigest()
    known = cache.get(key)
    if known is None:
        fitted = []
        for one in (benchmarks[i] for i in order):
            training = one.first.training
            fitted.append(Fitted(one.candidate.recipe.extractor, training.codebook, training.head))
        costs = measure_costs(fitted, [images.paths[row] for row in rows])
        known = {"costs": np.array([astuple(cost) for cost in costs], np.float64)}
        cache.put(key, known)
    by_run = dict(zip(order, known["costs"].tolist(), strict=True))
    return [Cost(*by_run[i]) for i in range(len(benchmarks))]


def _compare(
    images: ImageFolder, splits: Sequence[PlannedSplit], results: Sequence[RecipeResult], settings: BenchmarkSettings
) -> Comparison:
    predictions = {
        result.name: [[images.classes[i] for i in one.predicted] for one in result.split_results] for result in results
    }
    return compare(named_splits(images, splits), predictions, seed=settings.seed)


def _indices(images: ImageFolder) -> NDArray[np.intp]:
    return np.searchsorted(np.array(images.classes), np.array(images.labels))
