"""The plan of a benchmark: its settings, and the seeded splits that all recipes share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.classify.recipe import Recipe
from classicvision.config import require, validate
from classicvision.errors import NotEnoughDataError, SettingsError

__all__ = ["BenchmarkSettings", "PlannedSplit", "lite", "lite_recipe", "plan_splits"]

MOST_TRAINING_IMAGES = 100  # default limit per class, as on Scene-15 (Lazebnik et al. 2006)
LITE_IMAGES = 24  # per class
_LITE_SIZES = {"n_words": 50, "n_samples": 5000, "n_components": 8}


@dataclass(frozen=True)
class BenchmarkSettings:
    """How recipes are compared.

    Parameters
    ----------
    n_splits : int, default 5
        Random divisions into training and test images, from 1 to 1000. More splits detect smaller differences and take
        proportionally longer.
    n_train : int, optional
        Training images per class, at least 2; all others are tested. None: half of the smallest class, at most 100.
    learning_curve : tuple of int, default ()
        Further, smaller numbers of training images per class to train on.
    robustness : bool, default False
        Also test on corrupted images, in 24 ways.
    n_corrupted : int, default 200
        Largest number of test images of the first split that are corrupted.
    n_timed : int, default 20
        Images that are timed.
    seed : int, default 0
        Random seed of the first split; each further split adds 1.

    Raises
    ------
    SettingsError
        For a value out of range.
    """

    kind: ClassVar[str] = "benchmark"
    version: ClassVar[int] = 1

    n_splits: int = 5
    n_train: int | None = None
    learning_curve: tuple[int, ...] = ()
    robustness: bool = False
    n_corrupted: int = 200
    n_timed: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        validate(self)
        require(1 <= self.n_splits <= 1000, "n_splits", self.n_splits, "from 1 to 1000")
        require(self.n_train is None or self.n_train >= 2, "n_train", self.n_train, "at least 2")
        require(all(n >= 2 for n in self.learning_curve), "learning_curve", self.learning_curve, "numbers from 2 on")
        require(self.n_corrupted >= 1, "n_corrupted", self.n_corrupted, "at least 1")
        require(self.n_timed >= 1, "n_timed", self.n_timed, "at least 1")
        require(0 <= self.seed < 2**31, "seed", self.seed, f"from 0 to {2**31 - 1}")
        object.__setattr__(self, "learning_curve", tuple(sorted(set(self.learning_curve))))


class PlannedSplit(NamedTuple):
    """One division of N images.

    Attributes
    ----------
    train : (K, n_train) intp
        Rows to train on, one class per row, in random order: the first n columns are the smaller training set of a
        learning curve.
    test : (M,) intp
        All other rows, sorted.
    """

    train: NDArray[np.intp]
    test: NDArray[np.intp]

    def first(self, n: int) -> NDArray[np.intp]:
        """Return the rows of n training images of each class, sorted."""
        return np.sort(self.train[:, :n].ravel())


def plan_splits(labels: Sequence[str], settings: BenchmarkSettings) -> list[PlannedSplit]:
    """Divide images at random into training and test images, the same for the same labels and seed.

    Raises
    ------
    NotEnoughDataError
        If a class has too few images for training and testing, or for the learning curve.
    """
    names = np.asarray(labels, dtype=str)
    classes, counts = np.unique(names, return_counts=True)
    smallest, label = int(counts.min()), str(classes[int(counts.argmin())])
    n_train = settings.n_train or min(MOST_TRAINING_IMAGES, smallest // 2)
    if n_train < 2 or n_train >= smallest:
        raise NotEnoughDataError(
            f"class {label!r} has {smallest} readable {'image' if smallest == 1 else 'images'}; "
            f"training on {max(n_train, 2)} leaves none to test. "
            "Add images, remove the class, or train on fewer (--train)."
        )
    if settings.learning_curve and settings.learning_curve[-1] > n_train:
        raise NotEnoughDataError(
            f"the learning curve goes to {settings.learning_curve[-1]} images per class, but the splits train on "
            f"{n_train}; give smaller numbers, or more training images (--train; the smallest class, {label!r}, has "
            f"{smallest})"
        )
    splits = []
    for split in range(settings.n_splits):
        rng = np.random.default_rng(settings.seed + split)
        train = np.stack([rng.permutation(np.flatnonzero(names == name))[:n_train] for name in classes])
        splits.append(PlannedSplit(train, np.setdiff1d(np.arange(len(names)), train)))
    return splits


def lite(settings: BenchmarkSettings) -> BenchmarkSettings:
    """Return settings for a run of about a minute that does everything once."""
    curve = tuple(n for n in settings.learning_curve if n <= LITE_IMAGES // 2)
    n_train = settings.n_train and min(
        settings.n_train, LITE_IMAGES // 2
    )  # None: half of the remaining images of a class
    return replace(settings, n_splits=2, n_train=n_train, learning_curve=curve, n_corrupted=10, n_timed=5)


def lite_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe with small vocabularies and one value of C: to check that it works, not how well."""
    classifier = replace(recipe.classifier, costs=recipe.classifier.costs[len(recipe.classifier.costs) // 2 :][:1])
    return replace(recipe, encoder=_small(recipe.encoder), classifier=classifier)


def _small(settings: Any) -> Any:
    changes: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name in _LITE_SIZES:
            changes[field.name] = min(value, _LITE_SIZES[field.name])
        elif isinstance(value, tuple) and value and all(map(is_dataclass, value)):
            changes[field.name] = tuple(map(_small, value))
    try:
        return replace(settings, **changes)
    except SettingsError:  # an encoder whose sizes depend on each other keeps them
        return settings
