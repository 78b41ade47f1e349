"""Scores of predicted labels: accuracy, per-class measures, the confusion matrix, and confidence intervals.

A measure with denominator zero is NaN: the recall of a class without a test image, the precision of a class that was
never predicted. A mean excludes such a class instead of counting it as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classicvision.errors import NotEnoughDataError

__all__ = ["Confusion", "Scores", "score", "wilson_interval"]

Z_95 = 1.959963984540054  # two-sided 95 % point of the normal distribution
N_RESAMPLES = 10_000  # another seed then moves the ends of the interval by about 0.1 of its width


class Confusion(NamedTuple):
    """How often one class was predicted as another."""

    true: str
    predicted: str
    n_images: int
    support: int  # test images of the true class, correct or not


@dataclass(frozen=True, eq=False)
class Scores:
    """The measures of one set of predictions over K classes.

    Attributes
    ----------
    classes : tuple of K str
    confusion : (K, K) int64
        Number of images; the row is the true class, the column the predicted one.
    accuracy : float
        Share of correct images.
    accuracy_interval : (low, high)
        95 %, after Wilson; see `wilson_interval`.
    mean_per_class_accuracy : float
        Mean of `recall` over the classes that have a test image.
    mean_per_class_interval : (low, high)
        95 %, bootstrap over images within each class. It does not include the variation from the choice of training
        images, and has zero width if every class is all correct or all wrong.
    precision, recall, f1 : (K,) float64
        NaN where the denominator is zero.
    support : (K,) int64
        Test images of each class.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: float
    accuracy_interval: tuple[float, float]
    mean_per_class_accuracy: float
    mean_per_class_interval: tuple[float, float]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]

    @property
    def n_images(self) -> int:
        """Number of images that were scored."""
        return int(self.support.sum())

    @property
    def n_tested_classes(self) -> int:
        """Number of classes that have a test image."""
        return int(np.count_nonzero(self.support))

    @property
    def majority_share(self) -> float:
        """Accuracy of always predicting the largest class: the baseline of a model."""
        return float(self.support.max() / self.n_images)

    def confusions(self, n: int | None = None) -> tuple[Confusion, ...]:
        """Return the n most frequent confusions (all by default), the most frequent first."""
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)][:n]
        rows, columns = np.unravel_index(order, wrong.shape)
        return tuple(
            Confusion(self.classes[row], self.classes[column], int(wrong[row, column]), int(self.support[row]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        )


def score(true: ArrayLike, predicted: ArrayLike, classes: Sequence[str], *, seed: int = 0) -> Scores:
    """Compare predicted with true classes.

    Parameters
    ----------
    true, predicted : (N,) int
        Indices into `classes`.
    classes : sequence of K str
    seed : int
        Random seed of the bootstrap behind `Scores.mean_per_class_interval`.

    Raises
    ------
    NotEnoughDataError
        If there is no image.
    ValueError
        If the two differ in length, or an index is not that of a class.

    Examples
    --------
    >>> score([0, 0, 1, 1], [0, 1, 1, 1], ["cat", "dog"]).accuracy
    0.75
    """
    rows = _as_indices(true, "true", len(classes))
    columns = _as_indices(predicted, "predicted", len(classes))
    if len(rows) != len(columns):
        raise ValueError(f"{len(rows)} true and {len(columns)} predicted classes; there must be one of each per image")
    if not len(rows):
        raise NotEnoughDataError("no image to score; at least one readable image with a known class is needed")
    confusion = np.bincount(rows * len(classes) + columns, minlength=len(classes) ** 2)
    return _summarise(confusion.reshape(len(classes), -1).astype(np.int64), tuple(classes), seed)


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share, given n_right successes out of n.

    Unlike the usual mean plus or minus two deviations it lies in [0, 1] and has positive width at 0 and at n
    (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4, doi:10.1214/ss/1009213286).
    """
    share = n_right / n
    centre = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _as_indices(values: ArrayLike, name: str, n_classes: int) -> NDArray[np.int64]:
    indices = np.asarray(values)
    if indices.size == 0:
        return np.zeros(0, np.int64)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            f"{name} has shape {indices.shape} and type {indices.dtype}; a list of class indices is needed"
        )
    if indices.min() < 0 or indices.max() >= n_classes:
        raise ValueError(f"{name} has indices from {indices.min()} to {indices.max()}; there are {n_classes} classes")
    return indices.astype(np.int64)


def _summarise(confusion: NDArray[np.int64], classes: tuple[str, ...], seed: int) -> Scores:
    support = confusion.sum(axis=1)
    n_predicted = confusion.sum(axis=0)
    right = np.diagonal(confusion)
    recall = _share(right, support)
    return Scores(
        classes=classes,
        confusion=confusion,
        accuracy=float(right.sum() / support.sum()),
        accuracy_interval=wilson_interval(int(right.sum()), int(support.sum())),
        mean_per_class_accuracy=float(np.nanmean(recall)),
        mean_per_class_interval=_bootstrap_mean_recall(right, support, np.random.default_rng(seed)),
        precision=_share(right, n_predicted),
        recall=recall,
        # Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN), which needs neither to be defined.
        f1=_share(2 * right, support + n_predicted),
        support=support,
    )


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return share


def _bootstrap_mean_recall(
    right: NDArray[np.int64], support: NDArray[np.int64], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean recall (Efron and Tibshirani 1993, section 13.3)."""
    tested = support > 0
    n = support[tested]
    # Drawing n images with replacement from a class with `right` correct ones of n gives a binomial count of correct
    # ones, so no image has to be drawn.
    resampled = rng.binomial(n, right[tested] / n, size=(N_RESAMPLES, len(n))) / n
    low, high = np.quantile(resampled.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
