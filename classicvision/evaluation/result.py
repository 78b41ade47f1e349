"""What a benchmark of recipes found: everything that a report on it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from classicvision.classify.recipe import Recipe
from classicvision.evaluation.comparison import Comparison, Split
from classicvision.evaluation.cost import Cost
from classicvision.evaluation.leakage import Leakage
from classicvision.evaluation.plan import BenchmarkSettings, PlannedSplit
from classicvision.evaluation.robustness import Damage
from classicvision.evaluation.trial import Trial
from classicvision.extraction import Failure
from classicvision.folders import ImageFolder

__all__ = ["Benchmark", "Entrant", "named_splits"]


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
    is_lite : bool
        Whether all was done at toy size, which says that it works and not how well.
    arguments : mapping from name of an entrant to str
        What `load_recipe` was given for it; empty if the recipes were given as such.
    """

    images: ImageFolder
    failures: tuple[Failure, ...]
    settings: BenchmarkSettings
    splits: tuple[PlannedSplit, ...]
    entrants: tuple[Entrant, ...]
    comparison: Comparison
    leakage: tuple[Leakage, ...]
    is_lite: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)

    def predicted(self, entrant: Entrant) -> list[list[str]]:
        """Return the predicted class of each test image of each split."""
        return [[self.images.classes[i] for i in trial.predicted] for trial in entrant.trials]

    @property
    def tested(self) -> list[Split]:
        """The test images of each split and their classes, by the names of their files."""
        return named_splits(self.images, self.splits)


def named_splits(images: ImageFolder, splits: Sequence[PlannedSplit]) -> list[Split]:
    """Return the test images of planned splits and their classes, by the names of their files."""
    return [
        Split(
            tuple(str(images.paths[row]) for row in split.test),
            tuple(images.labels[row] for row in split.test),
            split.train.size,
        )
        for split in splits
    ]
