"""The result of a benchmark of recipes: all data for a report on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from classicvision.classify.recipe import Recipe
from classicvision.evaluation.comparison import Comparison, Split
from classicvision.evaluation.corruption import Corruption
from classicvision.evaluation.cost import Cost
from classicvision.evaluation.leakage import Leakage
from classicvision.evaluation.plan import BenchmarkSettings, PlannedSplit
from classicvision.evaluation.split_run import SplitResult
from classicvision.extraction import Failure
from classicvision.folders import ImageFolder

__all__ = ["Benchmark", "RecipeResult", "named_splits"]


@dataclass(frozen=True, eq=False)
class RecipeResult:
    """The result of one recipe in a benchmark.

    Attributes
    ----------
    name : str
    recipe : Recipe
    split_results : tuple of SplitResult
        One per split.
    curve : mapping from number of training images per class to tuple of float
        Mean per-class accuracy of each split.
    corrupted : mapping from Corruption or None to float
        Mean per-class accuracy on some test images of the first split, corrupted; None: on the same images as they are.
    cost : Cost
    """

    name: str
    recipe: Recipe
    split_results: tuple[SplitResult, ...]
    curve: Mapping[int, tuple[float, ...]]
    corrupted: Mapping[Corruption | None, float]
    cost: Cost


@dataclass(frozen=True, eq=False)
class Benchmark:
    """All data for a report on a benchmark.

    Attributes
    ----------
    images : ImageFolder
        The N images that every recipe could read.
    failures : tuple of Failure
        The others.
    settings : BenchmarkSettings
    splits : tuple of PlannedSplit
        Rows of `images`.
    results : tuple of RecipeResult
        In the order in which the recipes were given.
    comparison : Comparison
    leakage : tuple of Leakage
        What each split leaks; empty if that was not searched for.
    is_lite : bool
        Whether everything ran at toy size, which shows that it works, not how well.
    arguments : mapping from name of a recipe to str
        The argument of `load_recipe` for it; empty if recipes were passed as values.
    """

    images: ImageFolder
    failures: tuple[Failure, ...]
    settings: BenchmarkSettings
    splits: tuple[PlannedSplit, ...]
    results: tuple[RecipeResult, ...]
    comparison: Comparison
    leakage: tuple[Leakage, ...]
    is_lite: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)

    def predicted(self, result: RecipeResult) -> list[list[str]]:
        """Return the predicted class of each test image of each split."""
        return [[self.images.classes[i] for i in one.predicted] for one in result.split_results]

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
