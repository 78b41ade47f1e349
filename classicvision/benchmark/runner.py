"""Several recipes side by side: the same images, the same splits, the same classifier; what differs is the recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.benchmark.comparison import Comparison, Split, compare
from classicvision.benchmark.cost import Cost, Fitted, measure_costs
from classicvision.benchmark.leakage import Leakage
from classicvision.benchmark.plan import BenchmarkSettings, PlannedSplit, plan_splits
from classicvision.benchmark.robustness import ROBUSTNESS_CARD, Damage, Damaged
from classicvision.benchmark.trial import Contestant, Trial, predict_rows, teach, try_out
from classicvision.errors import NotEnoughDataError
from classicvision.extraction import Extraction, Failure, extract
from classicvision.folders import ImageFolder
from classicvision.items import Items
from classicvision.models.recipe import Recipe
from classicvision.models.views import to_learn_from, views_of
from classicvision.store import Store

__all__ = ["Benchmark", "Entrant", "run_benchmark"]

Tell = Callable[[str, int, int], None]  # stage, steps done, all steps


@dataclass(frozen=True, eq=False)
class Entrant:
    """What a benchmark found of one recipe.

    Attributes
    ----------
    name : str
    recipe : Recipe
    trials : tuple of Trial
        One a split.
    curve : mapping from number of training images a class to tuple of float
        Mean per-class accuracy of each split.
    damaged : mapping from Damage or None to float
        Mean per-class accuracy on some test images of the first split, damaged; None: as they are.
    cost : Cost
    """

    name: str
    recipe: Recipe
    trials: tuple[Trial, ...]
    curve: Mapping[int, tuple[float, ...]]
    damaged: Mapping[Damage | None, float]
    cost: Cost


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Everything that a report on a benchmark needs.

    Attributes
    ----------
    images : ImageFolder
        The N images that every recipe could read.
    failures : tuple of Failure
        The others.
    settings : BenchmarkSettings
    splits : tuple of PlannedSplit
        Rows of `images`.
    entrants : tuple of Entrant
    comparison : Comparison
    leakage : tuple of Leakage
        What each split leaks; empty if it was not looked for.
    """

    images: ImageFolder
    failures: tuple[Failure, ...]
    settings: BenchmarkSettings
    splits: tuple[PlannedSplit, ...]
    entrants: tuple[Entrant, ...]
    comparison: Comparison
    leakage: tuple[Leakage, ...]

    def predicted(self, entrant: Entrant, split: int) -> list[str]:
        """Return the predicted class of each test image of a split."""
        return [self.images.classes[i] for i in entrant.trials[split].predicted]


def run_benchmark(
    images: ImageFolder,
    recipes: Mapping[str, Recipe],
    settings: BenchmarkSettings,
    *,
    store: Store,
    n_jobs: int = 1,
    tell: Tell | None = None,
    find_leakage: Callable[[ImageFolder, Sequence[PlannedSplit]], tuple[Leakage, ...]] | None = None,
) -> Benchmark:
    """Run recipes against each other.

    Every answer goes to the store at once, so a run that was interrupted goes on where it was.

    Parameters
    ----------
    images : ImageFolder
    recipes : mapping from name to Recipe
    settings : BenchmarkSettings
    store : Store
    n_jobs : int
        Worker processes; they change no answer.
    tell : callable(stage, done, total), optional
    find_leakage : callable, optional
        Finds what the splits leak, given the images that all recipes could read.

    Raises
    ------
    NotEnoughDataError
        If there is no recipe, or the splits ask for more images than a class has.
    """
    if not recipes:
        raise NotEnoughDataError("no recipe was given; a benchmark needs at least one")
    extractions = {name: _extract(images, recipe, store, n_jobs, tell) for name, recipe in recipes.items()}
    rows = _common_rows(extractions)
    readable = images.subset(rows)
    splits = plan_splits(readable.labels, settings)
    contestants = [_contestant(name, recipes[name], *extractions[name], rows) for name in recipes]
    leakage = find_leakage(readable, splits) if find_leakage else ()
    entrants = [_Run(contestant, readable, splits, settings, n_jobs, tell).enter() for contestant in contestants]
    costs = _costs(contestants, readable, splits[0], settings, n_jobs)
    entrants = [replace(entrant, cost=cost) for entrant, cost in zip(entrants, costs, strict=True)]
    failures = {failure.path: failure for pair in extractions.values() for one in pair for failure in one.failures}
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
    n_jobs: int
    tell: Tell | None

    def enter(self) -> Entrant:
        trials = []
        for number, split in enumerate(self.splits):
            trials.append(self._try(number, split.first(split.train.shape[1])))
            self._told("splits", number + 1, len(self.splits))
        return Entrant(
            self.contestant.name, self.contestant.recipe, tuple(trials), self._curve(), self._damaged(), _NO_COST
        )

    def _try(self, number: int, learned: NDArray[np.intp]) -> Trial:
        return try_out(
            self.contestant,
            self.images.labels,
            learned,
            self.splits[number].test,
            seed=self.settings.seed + number,
            n_jobs=self.n_jobs,
        )

    def _curve(self) -> dict[int, tuple[float, ...]]:
        curve = {}
        for place, n in enumerate(self.settings.learning_curve, start=1):
            trials = [self._try(number, split.first(n)) for number, split in enumerate(self.splits)]
            curve[n] = tuple(
                self._accuracy(split.test, trial.predicted) for split, trial in zip(self.splits, trials, strict=True)
            )
            self._told("learning curve", place, len(self.settings.learning_curve))
        return curve

    def _damaged(self) -> dict[Damage | None, float]:
        if not self.settings.robustness:
            return {}
        split, seed = self.splits[0], self.settings.seed
        rows = _some(split.test, self.images.labels, self.settings.n_damaged, seed)
        training = teach(
            self.contestant, self.images.labels, split.first(split.train.shape[1]), seed=seed, n_jobs=self.n_jobs
        )
        answer = partial(predict_rows, self.contestant, training.codebook, training.head, n_jobs=self.n_jobs)
        damages = [damage for strengths in ROBUSTNESS_CARD.values() for damage in strengths]
        found: dict[Damage | None, float] = {None: self._accuracy(rows, answer(self.contestant.seen[rows]))}
        paths = [self.images.paths[row] for row in rows]
        extractor = views_of(self.contestant.recipe)
        for number, damage in enumerate(damages, start=1):
            damaged = extract(
                paths, Damaged(extractor, damage, seed), store=self.contestant.items.store, n_jobs=self.n_jobs
            )
            # An image whose damaged copy cannot be described at all counts as wrong.
            predicted = np.full(len(rows), -1)
            predicted[damaged.rows] = answer(damaged.items)
            found[damage] = self._accuracy(rows, predicted)
            self._told("damaged images", number, len(damages))
        return found

    def _accuracy(self, rows: NDArray[np.intp], predicted: NDArray[np.intp]) -> float:
        true = _indices(self.images)[rows]
        right = predicted == true
        return float(np.mean([right[true == label].mean() for label in np.unique(true)]))

    def _told(self, stage: str, done: int, total: int) -> None:
        if self.tell:
            self.tell(f"{self.contestant.name}: {stage}", done, total)


def _extract(
    images: ImageFolder, recipe: Recipe, store: Store, n_jobs: int, tell: Tell | None
) -> tuple[Extraction[Any], Extraction[Any]]:
    """Return what is learned from and what is tested on; the same unless a test image is looked at several times."""
    progress = partial(tell, "images") if tell else None
    learned: Extraction[Any] = extract(
        images.paths, to_learn_from(recipe), store=store, n_jobs=n_jobs, progress=progress
    )
    if recipe.tta == "none":
        return learned, learned
    return learned, extract(images.paths, views_of(recipe), store=store, n_jobs=n_jobs, progress=progress)


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

    items: Any = of(learned)
    first, *variants = items.parts if recipe.augment else (items,)
    seen: Items[Any] = of(tested) if recipe.tta != "none" else first
    return Contestant(name, recipe, first, tuple(variants), seen)


def _some(rows: NDArray[np.intp], labels: Sequence[str], n: int, seed: int) -> NDArray[np.intp]:
    """Return about n of the rows, sorted, from each class its share, at least one."""
    rng = np.random.default_rng(seed)
    names = np.array([labels[row] for row in rows])
    chosen = []
    for name in np.unique(names):
        own = rows[names == name]
        chosen.append(rng.permutation(own)[: max(1, round(n * len(own) / len(rows)))])
    return np.sort(np.concatenate(chosen))


def _costs(
    contestants: Sequence[Contestant],
    images: ImageFolder,
    split: PlannedSplit,
    settings: BenchmarkSettings,
    n_jobs: int,
) -> list[Cost]:
    fitted = []
    for contestant in contestants:
        rows = split.first(split.train.shape[1])
        training = teach(contestant, images.labels, rows, seed=settings.seed, n_jobs=n_jobs)
        fitted.append(Fitted(contestant.recipe.extractor, training.codebook, training.head))
    rows = _some(split.test, images.labels, settings.n_timed, settings.seed)[: settings.n_timed]
    return measure_costs(fitted, [images.paths[row] for row in rows])


def _compare(
    images: ImageFolder, splits: Sequence[PlannedSplit], entrants: Sequence[Entrant], settings: BenchmarkSettings
) -> Comparison:
    shared = [
        Split(
            tuple(str(images.paths[row]) for row in split.test),
            tuple(images.labels[row] for row in split.test),
            split.train.size,
        )
        for split in splits
    ]
    predictions = {
        entrant.name: [[images.classes[i] for i in trial.predicted] for trial in entrant.trials] for entrant in entrants
    }
    return compare(shared, predictions, seed=settings.seed)


def _indices(images: ImageFolder) -> NDArray[np.intp]:
    return np.searchsorted(np.array(images.classes), np.array(images.labels))


_NO_COST = Cost(*[float("nan")] * 5)
