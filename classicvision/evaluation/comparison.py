"""Comparison of recipes on the same splits: the accuracy of each, and which differences are significant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.metrics import N_RESAMPLES
from classicvision.evaluation.statistics import ConfidenceInterval, McNemar, ResampledT, holm, mcnemar, resampled_t_test

__all__ = ["Accuracy", "Comparison", "Split", "Verdict", "compare"]

LEVEL = 0.05  # family-wise error rate over all pairs
_BLOCK = 500  # resamples in memory at a time


@dataclass(frozen=True)
class Split:
    """The test images of one split, the same for every recipe.

    Attributes
    ----------
    images : tuple of N str
        One name for each test image, the same in every split that tests it.
    true : tuple of N str
        The class of each.
    n_train : int
        Training images of the split.
    """

    images: tuple[str, ...]
    true: tuple[str, ...]
    n_train: int

    def __post_init__(self) -> None:
        if len(self.images) != len(self.true):
            raise ValueError(f"{len(self.images)} images have {len(self.true)} classes; there must be one for each")
        if not self.images:
            raise NotEnoughDataError("a split has no test image; keep some images of each class for testing")
        if len(set(self.images)) != len(self.images):
            raise ValueError("a split tests an image twice; name each of its test images once")
        if self.n_train < 1:
            raise ValueError(f"a split has {self.n_train} training images; it must have at least 1")


@dataclass(frozen=True, eq=False)
class Accuracy:
    """The accuracy of one recipe.

    Attributes
    ----------
    mean : ConfidenceInterval
        Mean per-class accuracy, averaged over the splits. The interval is 95 %, bootstrap over images within each
        class; an image that several splits test is drawn with all its predictions. It does not include the variation
        from the choice of training images.
    per_split : (J,) float64
        Mean per-class accuracy of each split.
    """

    mean: ConfidenceInterval
    per_split: NDArray[np.float64]

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the splits; None for a single one."""
        return float(self.per_split.std(ddof=1)) if len(self.per_split) > 1 else None


@dataclass(frozen=True)
class Verdict:
    """The comparison of two recipes.

    Attributes
    ----------
    a, b : str
        Their names.
    better : str or None
        The better one; None if the difference is not significant.
    difference : ConfidenceInterval
        Mean per-class accuracy of a minus that of b, averaged over the splits; the interval as for `Accuracy.mean`.
    per_image : McNemar
        Each image has one vote, for the recipe that is correct on it in more of the splits that test it; with one test
        per image this is McNemar's test. It is exact.
    per_split : ResampledT or None
        None for a single split.
    p : float
        The larger p-value of both tests, so that both must agree.
    adjusted_p : float
        The same after Holm's correction for all pairs.
    level : float
        Largest `adjusted_p` at which a winner is named.
    """

    a: str
    b: str
    better: str | None
    difference: ConfidenceInterval
    per_image: McNemar
    per_split: ResampledT | None
    p: float
    adjusted_p: float
    level: float

    @property
    def sentence(self) -> str:
        """The verdict in words, with the numbers behind it."""
        value, low, high = (100 * x for x in (self.difference.value, self.difference.low, self.difference.high))
        n_a, n_b = self.per_image.n_only_a, self.per_image.n_only_b
        if self.better is None:
            text = f"No difference between {self.a} and {self.b} is shown: {value:+.1f} points"
        else:
            other, sign = (self.b, 1) if self.better == self.a else (self.a, -1)
            value, low, high = sign * value, *sorted((sign * low, sign * high))
            n_a, n_b = (n_a, n_b)[::sign]
            text = f"{self.better} is better than {other} by {value:.1f} points"
        tests = f"per image {n_a} against {n_b}, {_p(self.per_image.p)}"
        if self.per_split is None:
            tests += "; one split, so nothing is known about other training images"
        else:
            tests += f"; per split ({self.per_split.n_splits}) {_p(self.per_split.p)}"
        return f"{text} (95 % interval {low:+.1f} to {high:+.1f}; {tests}; corrected {_p(self.adjusted_p)})."


@dataclass(frozen=True, eq=False)
class Comparison:
    """The comparison of several recipes by their predictions.

    Attributes
    ----------
    accuracies : mapping from recipe to Accuracy
        In the order of the predictions.
    verdicts : tuple of Verdict
        One for each pair of recipes, in the same order.
    """

    accuracies: Mapping[str, Accuracy]
    verdicts: tuple[Verdict, ...]


def compare(
    splits: Sequence[Split],
    predictions: Mapping[str, Sequence[Sequence[str]]],
    *,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """Compare recipes that were tested on the same images.

    Parameters
    ----------
    splits : sequence of J Split
        The folds of K-fold cross-validation, or random splits.
    predictions : mapping from recipe to J sequences of str
        The predicted class of each test image of each split.
    level : float
        Share of benchmarks of equal recipes in which any winner may be named.
    seed : int
        Random seed of the bootstrap.

    Raises
    ------
    NotEnoughDataError
        If there is no split or no recipe.
    ValueError
        If the predictions do not fit the splits, or an image has another class in another split.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must be above 0 and below 1")
    _check(splits, predictions)
    names = list(predictions)
    table = _Table.of(splits, predictions)
    per_split = _mean_per_class(table)
    resampled = _resampled(table, np.random.default_rng(seed))
    accuracies = {
        name: Accuracy(_interval(float(per_split[:, r].mean()), resampled[:, r]), per_split[:, r])
        for r, name in enumerate(names)
    }
    # Where splits are unequal, the correction takes their mean share.
    test_over_train = float(np.mean([len(split.images) / split.n_train for split in splits]))
    pairs = list(combinations(range(len(names)), 2))
    tests = [_tests(table, per_split, pair, test_over_train) for pair in pairs]
    p_values = [max(per_image.p, of_splits.p if of_splits else 0.0) for per_image, of_splits in tests]
    verdicts = []
    for (a, b), (per_image, of_splits), p, adjusted in zip(pairs, tests, p_values, holm(p_values), strict=True):
        apart = float((per_split[:, a] - per_split[:, b]).mean())
        difference = _interval(apart, resampled[:, a] - resampled[:, b])
        is_shown = adjusted <= level and _is_one_way(apart, per_image)
        better = names[a if apart > 0 else b] if is_shown else None
        verdicts.append(Verdict(names[a], names[b], better, difference, per_image, of_splits, p, adjusted, level))
    return Comparison(accuracies, tuple(verdicts))


@dataclass(frozen=True, eq=False)
class _Table:
    """The predictions by image: N images that some split tests, J splits, R recipes."""

    labels: NDArray[np.intp]  # (N,) class of each image
    tested: NDArray[np.bool_]  # (N, J)
    right: NDArray[np.bool_]  # (N, J, R); False where not tested

    @classmethod
    def of(cls, splits: Sequence[Split], predictions: Mapping[str, Sequence[Sequence[str]]]) -> _Table:
        true = {image: label for split in splits for image, label in zip(split.images, split.true, strict=True)}
        rows = {image: row for row, image in enumerate(true)}
        labels = np.unique(list(true.values()), return_inverse=True)[1]
        tested = np.zeros((len(rows), len(splits)), bool)
        right = np.zeros((len(rows), len(splits), len(predictions)), bool)
        for j, split in enumerate(splits):
            here = [rows[image] for image in split.images]
            tested[here, j] = True
            for r, answers in enumerate(predictions.values()):
                right[here, j, r] = [p == t for p, t in zip(answers[j], split.true, strict=True)]
        return cls(labels, tested, right)


def _check(splits: Sequence[Split], predictions: Mapping[str, Sequence[Sequence[str]]]) -> None:
    if not splits or not predictions:
        raise NotEnoughDataError(f"{len(splits)} splits and {len(predictions)} recipes; at least one of each is needed")
    for name, answers in predictions.items():
        found, expected = [len(one) for one in answers], [len(split.images) for split in splits]
        if found != expected:
            raise ValueError(f"{name!r} has {found} predictions; the splits have {expected} test images")
    true: dict[str, str] = {}
    for image, label in ((i, t) for split in splits for i, t in zip(split.images, split.true, strict=True)):
        if true.setdefault(image, label) != label:
            raise ValueError(f"{image} is of class {true[image]!r} in one split and of {label!r} in another")


def _mean_per_class(table: _Table) -> NDArray[np.float64]:
    """Return the mean per-class accuracies (J, R) of splits and recipes."""
    mean: NDArray[np.float64] = _weighted(table, lambda rows: np.ones((1, len(rows))))[0]
    return mean


def _resampled(table: _Table, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the mean over splits of the mean per-class accuracies (B, R), of images resampled within each class."""

    def draw(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how often each of n images is drawn, (_BLOCK, n)."""
        n = len(rows)
        drawn = rng.integers(n, size=(_BLOCK, n)) + n * np.arange(_BLOCK)[:, None]
        counts: NDArray[np.float64] = np.bincount(drawn.ravel(), minlength=_BLOCK * n).astype(np.float64)
        return counts.reshape(_BLOCK, n)

    blocks = [np.nanmean(_weighted(table, draw), axis=1) for _ in range(N_RESAMPLES // _BLOCK)]
    return np.concatenate(blocks)


def _weighted(table: _Table, weights_of: Callable[[NDArray[np.intp]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean over classes of the weighted share of correct predictions, (B, J, R).

    A class without a test image in a split is excluded there; a split without any is NaN.
    """
    _, n_splits, n_recipes = table.right.shape
    total: Any = 0.0
    n_defined: Any = 0
    for label in np.unique(table.labels):
        rows = np.flatnonzero(table.labels == label)
        weights = weights_of(rows)
        n_right = weights @ table.right[rows].reshape(len(rows), -1).astype(np.float64)
        n_tested = weights @ table.tested[rows].astype(np.float64)
        is_defined = n_tested > 0
        share = n_right.reshape(-1, n_splits, n_recipes) / np.where(is_defined, n_tested, 1)[:, :, None]
        total, n_defined = total + share, n_defined + is_defined
    mean: NDArray[np.float64] = total / np.where(n_defined, n_defined, np.nan)[:, :, None]
    return mean


def _tests(
    table: _Table, per_split: NDArray[np.float64], pair: tuple[int, int], test_over_train: float
) -> tuple[McNemar, ResampledT | None]:
    a, b = pair
    votes = table.right[:, :, a].sum(axis=1) - table.right[:, :, b].sum(axis=1, dtype=np.intp)
    per_image = mcnemar(int((votes > 0).sum()), int((votes < 0).sum()))
    if len(per_split) == 1:
        return per_image, None
    return per_image, resampled_t_test(per_split[:, a] - per_split[:, b], test_over_train=test_over_train)


def _is_one_way(apart: float, per_image: McNemar) -> bool:
    """Return whether the votes of the images favour the same recipe as the mean over classes."""
    return apart * (per_image.n_only_a - per_image.n_only_b) > 0


def _interval(value: float, resampled: NDArray[np.float64]) -> ConfidenceInterval:
    """Return the 95 % percentile interval (Efron and Tibshirani 1993, section 13.3)."""
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return ConfidenceInterval(value, float(low), float(high))


def _p(value: float) -> str:
    return "p below 0.0001" if value < 1e-4 else f"p = {value:.2g}"
