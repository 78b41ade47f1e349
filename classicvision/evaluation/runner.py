"""Several recipes side by side: the same images, the same splits, the same classifier; what differs is the recipe."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.classify.folds import some_of_each
from classicvision.classify.recipe import Recipe
from classicvision.classify.views import prediction_extractor, split_variants, training_extractor
from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.comparison import Comparison, compare
from classicvision.evaluation.cost import Cost, Fitted, measure_costs
from classicvision.evaluation.leakage import Leakage
from classicvision.evaluation.plan import BenchmarkSettings, PlannedSplit, plan_splits
from classicvision.evaluation.result import Benchmark, Entrant, named_splits
from classicvision.evaluation.robustness import ROBUSTNESS_CARD, Damage, Damaged
from classicvision.evaluation.trial import Contestant, Course, try_out
from classicvision.extraction import Extraction, extract, require_every_class
from classicvision.folders import ImageFolder
from classicvision.images import LIBRARIES
from classicvision.items import Items

__all__ = ["run_benchmark"]

_NO_COST = Cost(*[float("nan")] * 5)  # until all recipes are there to be timed in turns

Tell = Callable[[str, int, int], None]  # stage, steps done, all steps


def run_benchmark(
    images: ImageFolder,
    recipes: Mapping[str, Recipe],
    settings: BenchmarkSettings,
    *,
    cache: FeatureCache,
    n_jobs: int = 1,
    tell: Tell | None = None,
    find_leakage: Callable[[ImageFolder, Sequence[PlannedSplit]], tuple[Leakage, ...]] | None = None,
) -> Benchmark:
    """Run recipes against each other.

    Every answer goes to the cache at once, so a run that was interrupted goes on where it was.

    Parameters
    ----------
    images : ImageFolder
    recipes : mapping from name to Recipe
    settings : BenchmarkSettings
    cache : FeatureCache
    n_jobs : int
        Worker processes; they change no answer.
    tell : callable(stage, done, total), optional
    find_leakage : callable, optional
        Finds what the splits leak, given the images that all recipes could read.

    Raises
    ------
    NotEnoughDataError
        If there is no recipe, no image of a class can be read, or the splits ask for more images than a class has.
    """
    if not recipes:
        raise NotEnoughDataError("no recipe was given; a benchmark needs at least one")
    extractions = {name: _extract(images, recipe, cache, n_jobs, tell) for name, recipe in recipes.items()}
    rows = _common_rows(extractions)
    readable = images.subset(rows)
    failures = {failure.path: failure for pair in extractions.values() for one in pair for failure in one.failures}
    require_every_class(readable, tuple(failures.values()))
    splits = plan_splits(readable.labels, settings)
    contestants = [_contestant(name, recipes[name], *extractions[name], rows) for name in recipes]
    leakage = find_leakage(readable, splits) if find_leakage else ()
    runs = [_Run(contestant, readable, splits, settings, cache, n_jobs, tell) for contestant in contestants]
    entrants = [run.enter() for run in runs]
    costs = _costs(runs, readable, settings, cache)
    entrants = [replace(entrant, cost=cost) for entrant, cost in zip(entrants, costs, strict=True)]
    return Benchmark(
        readable,
        tuple(failures.values()),
        settings,
        tuple(splits),
        tuple(entrants),
        _compare(readable, splits, entrants, settings),
        leakage,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """One recipe in all that is asked of it."""

    contestant: Contestant
    images: ImageFolder
    splits: Sequence[PlannedSplit]
    settings: BenchmarkSettings
    cache: FeatureCache
    n_jobs: int
    tell: Tell | None

    @cached_property
    def first(self) -> Course:
        """What is learned from the first split, which damaged images and costs ask too."""
        return self._course(0, self.splits[0].train.shape[1])

    def enter(self) -> Entrant:
        """Try the recipe in all ways but its cost."""
        trials = [try_out(self.first, self.splits[0].test)]
        self._told("splits", 1, len(self.splits))
        for number, split in enumerate(self.splits[1:], start=1):
            trials.append(try_out(self._course(number, split.train.shape[1]), split.test))
            self._told("splits", number + 1, len(self.splits))
        return Entrant(
            self.contestant.name, self.contestant.recipe, tuple(trials), self._curve(), self._damaged(), _NO_COST
        )

    def _course(self, number: int, n_train: int) -> Course:
        rows, seed = self.splits[number].first(n_train), self.settings.seed + number
        return Course(self.contestant, self.images.labels, rows, seed, self.cache, self.n_jobs)

    def _curve(self) -> dict[int, tuple[float, ...]]:
        curve = {}
        for place, n in enumerate(self.settings.learning_curve, start=1):
            trials = [try_out(self._course(number, n), split.test) for number, split in enumerate(self.splits)]
            curve[n] = tuple(
                self._accuracy(split.test, trial.predicted) for split, trial in zip(self.splits, trials, strict=True)
            )
            self._told("learning curve", place, len(self.settings.learning_curve))
        return curve

    def _damaged(self) -> dict[Damage | None, float]:
        if not self.settings.robustness:
            return {}
        rows = _some(self.splits[0].test, self.images.labels, self.settings.n_damaged, self.settings.seed)
        damages = [None, *(damage for strengths in ROBUSTNESS_CARD.values() for damage in strengths)]
        found: dict[Damage | None, float] = {}
        for number, damage in enumerate(damages, start=1):
            found[damage] = self._accuracy(rows, self._predicted_damaged(rows, damage))
            self._told("damaged images", number, len(damages))
        return found

    def _predicted_damaged(self, rows: NDArray[np.intp], damage: Damage | None) -> NDArray[np.intp]:
        """Return the class of each image; -1, which is wrong, for one whose damaged copy cannot be described at all."""
        cache, items = self.cache, self.contestant.seen[rows]
        how = None if damage is None else config.to_dict(damage)
        key = self.first.question("damaged", how, self.settings.seed, list(items.keys))
        if (known := cache.get(key)) is not None:
            return known["predicted"]
        predicted = np.full(len(rows), -1, np.intp)
        if damage is None:
            predicted[:] = self.first.predict(items)
        else:
            extractor = Damaged(prediction_extractor(self.contestant.recipe), damage, self.settings.seed)
            damaged = extract([self.images.paths[row] for row in rows], extractor, cache=cache, n_jobs=self.n_jobs)
            predicted[damaged.rows] = self.first.predict(damaged.items)
        cache.put(key, {"predicted": predicted})
        return predicted

    def _accuracy(self, rows: NDArray[np.intp], predicted: NDArray[np.intp]) -> float:
        true = _indices(self.images)[rows]
        right = predicted == true
        return float(np.mean([right[true == label].mean() for label in np.unique(true)]))

    def _told(self, stage: str, done: int, total: int) -> None:
        if self.tell:
            self.tell(f"{self.contestant.name}: {stage}", done, total)


def _extract(
    images: ImageFolder, recipe: Recipe, cache: FeatureCache, n_jobs: int, tell: Tell | None
) -> tuple[Extraction[Any], Extraction[Any]]:
    """Return what is learned from and what is tested on; the same unless a test image is looked at several times."""
    progress = partial(tell, "images") if tell else None
    learned: Extraction[Any] = extract(
        images.paths, training_extractor(recipe), cache=cache, n_jobs=n_jobs, progress=progress
    )
    if recipe.tta == "none":
        return learned, learned
    return learned, extract(images.paths, prediction_extractor(recipe), cache=cache, n_jobs=n_jobs, progress=progress)


def _common_rows(extractions: Mapping[str, tuple[Extraction[Any], Extraction[Any]]]) -> NDArray[np.intp]:
    rows: NDArray[np.intp] | None = None
    for one in (one for pair in extractions.values() for one in pair):
        rows = one.rows if rows is None else np.intersect1d(rows, one.rows)
    return np.zeros(0, np.intp) if rows is None else rows


def _contestant(
    name: str, recipe: Recipe, learned: Extraction[Any], tested: Extraction[Any], rows: NDArray[np.intp]
) -> Contestant:
    def of(found: Extraction[Any]) -> Any:
        return found.items[np.searchsorted(found.rows, rows)]

    first, variants = split_variants(of(learned), recipe)
    seen: Items[Any] = of(tested) if recipe.tta != "none" else first
    return Contestant(name, recipe, first, variants, seen)


def _some(rows: NDArray[np.intp], labels: Sequence[str], n: int, seed: int) -> NDArray[np.intp]:
    """Return about n of the rows, sorted, from each class its share, at least one."""
    return rows[some_of_each([labels[row] for row in rows], lambda own: max(1, round(n * own / len(rows))), seed)]


def _costs(runs: Sequence[_Run], images: ImageFolder, settings: BenchmarkSettings, cache: FeatureCache) -> list[Cost]:
    """Time all recipes on the same images, or return what was measured of all of them together before."""
    test = runs[0].splits[0].test
    rows = np.sort(np.random.default_rng(settings.seed).permutation(test)[: settings.n_timed])
    names = [str(images.paths[row]) for row in rows]
    order = sorted(range(len(runs)), key=lambda i: runs[i].first.question("cost", names))
    questions = [runs[i].first.question("cost", names) for i in order]
    key = hashlib.sha256(" ".join([LIBRARIES, platform.node(), *questions]).encode()).hexdigest()
    known = cache.get(key)
    if known is None:
        fitted = []
        for run in (runs[i] for i in order):
            training = run.first.training
            fitted.append(Fitted(run.contestant.recipe.extractor, training.codebook, training.head))
        costs = measure_costs(fitted, [images.paths[row] for row in rows])
        known = {"costs": np.array([astuple(cost) for cost in costs], np.float64)}
        cache.put(key, known)
    by_run = dict(zip(order, known["costs"].tolist(), strict=True))
    return [Cost(*by_run[i]) for i in range(len(runs))]


def _compare(
    images: ImageFolder, splits: Sequence[PlannedSplit], entrants: Sequence[Entrant], settings: BenchmarkSettings
) -> Comparison:
    predictions = {
        entrant.name: [[images.classes[i] for i in trial.predicted] for trial in entrant.trials] for entrant in entrants
    }
    return compare(named_splits(images, splits), predictions, seed=settings.seed)


def _indices(images: ImageFolder) -> NDArray[np.intp]:
    return np.searchsorted(np.array(images.classes), np.array(images.labels))
