"""Learning a classifier from items and labels, and an honest estimate of how good it is.

The vocabulary is learned inside each fold, so no fold's images help to make the words that they are judged by.
Copies of one image always share a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.classify.fold_task import Lesson
from classicvision.classify.folds import split_folds
from classicvision.classify.head import LinearHead
from classicvision.classify.recipe import Recipe
from classicvision.encoding.codebook import Codebook
from classicvision.encoding.fusion import FusionSettings, n_weighings, weighings_of
from classicvision.errors import ClassicVisionError
from classicvision.items import Items
from classicvision.workers import Workers

__all__ = ["CrossValidation", "Training", "train"]

MAX_CODE_BYTES = 2**30  # of the codes of folds that are learned at the same time


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What cross-validation inside the training set found.

    Each fold is predicted with the cost, and the weights of a fusion, that were best on the *other* folds, so that
    `accuracy` is not the accuracy of the luckiest ones.

    Attributes
    ----------
    predicted : (N,) intp
        Class index of each image, from a model that did not see it.
    fold_accuracy : (F,) float64
        Share of correct images, a fold.
    mean_per_class_accuracy : float
        Of `predicted`, over all images.
    cost : float
        The cost that was best on all folds together; the smallest of equals.
    weights : tuple of float
        The shares of a fusion's parts that were best; empty for other encoders.
    """

    predicted: NDArray[np.intp]
    fold_accuracy: NDArray[np.float64]
    mean_per_class_accuracy: float
    cost: float
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Training:
    """What was learned: the codebook, the head, and the estimate of their quality."""

    codebook: Codebook
    head: LinearHead
    validation: CrossValidation


def train(
    items: Items[Any],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    share_codebook: bool = False,
    variants: Sequence[Items[Any]] = (),
) -> Training:
    """Learn a codebook and a linear head, and cross-validate both together.

    Codebooks, codes and the answers of each fold are kept in the cache of the items: a run that was interrupted goes on
    where it was, and the same question is not answered twice.

    Parameters
    ----------
    items : lazy sequence of N items, as the recipe's extractor makes them
    labels : N labels
    recipe : Recipe
    n_jobs : int
        Worker processes, -1 for one a core: each at a fold of its own, or, where codes are wide, all at the images of
        one fold. The result does not depend on it.
    progress : callable(done, total), optional
        Told after each fold, and after the last model.
    share_codebook : bool
        Learn one codebook from all items, and in the folds the classifier alone. It costs a fraction and serves to
        choose C; the estimate is then of a classifier whose words have seen all images, though not their labels: only
        for where a test set apart says how good the classifier is.
    variants : sequence of Items
        Augmented images: each has N items, in the same order. The classifier learns from them too, and is judged by the
        images as they are; no variant of an image that is held out is learned from.

    Raises
    ------
    NotEnoughDataError
        For fewer than two classes, a class with fewer than two different images, or too few descriptors.
    """
    from threadpoolctl import threadpool_limits

    classes, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    folds = split_folds(y, items.keys, classes, recipe.classifier.folds, recipe.seed)
    lesson = Lesson(items, y, folds, tuple(classes.tolist()), recipe, share_codebook, tuple(variants))
    everything = np.arange(len(y))
    predicted = np.empty((n_weighings(recipe.encoder) * len(recipe.classifier.costs), len(y)), np.intp)
    n_tasks = lesson.n_folds + 1  # the last holds no image out: its codebook is the one to keep
    with threadpool_limits(1):  # sums of floats depend on how threads divide them
        if share_codebook:
            lesson.learn_codes(everything, n_jobs)
        for n_done, (fold, answers) in enumerate(_in_turn_or_workers(lesson, n_tasks, n_jobs), start=1):
            predicted[:, folds == fold] = answers
            if progress:
                progress(n_done, n_tasks)
        validation, weighing = _choose(predicted, y, folds, recipe)
        codebook, codes = lesson.learn_codes(everything)
        (head,) = lesson.fit_heads(codes, np.ones(len(y), bool), [validation.cost], weighings_of(codebook)[weighing])
    return Training(codebook, head, validation)


def _in_turn_or_workers(lesson: Lesson, n_tasks: int, n_jobs: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each fold with its answers, as they come; those of an earlier run first."""
    from joblib import effective_n_jobs

    recalled = {fold: answers for fold in range(n_tasks) if (answers := lesson.recall(fold)) is not None}
    yield from recalled.items()
    unknown = [fold for fold in range(n_tasks) if fold not in recalled]
    n_workers = min(int(effective_n_jobs(n_jobs)), len(unknown))
    if n_workers <= 1 or n_workers * lesson.n_code_bytes > MAX_CODE_BYTES:
        yield from ((fold, lesson.judge(fold, n_jobs)) for fold in unknown)
        return
    with Workers(lesson.judge, n_workers) as workers:
        for fold in unknown:
            workers.send([fold])
            yield from _alive(workers.finished(n_left=workers.capacity))
        yield from _alive(workers.finished(n_left=0))


def _alive(results: Iterator[tuple[int, NDArray[np.intp] | None]]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    for fold, answers in results:
        if answers is None:
            raise ClassicVisionError(
                "a worker process died twice while it learned, most likely for want of memory. Use one job, "
                "or fewer words or samples (encoder.n_words, encoder.n_samples)."
            )
        yield fold, answers


def _choose(
    predicted: NDArray[np.intp], y: NDArray[np.intp], folds: NDArray[np.intp], recipe: Recipe
) -> tuple[CrossValidation, int]:
    """Choose cost and weighing from the predictions (n_candidates, N) of models that did not see the image."""
    costs = recipe.classifier.costs
    correct = predicted == y
    chosen = np.empty(len(y), np.intp)
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        chosen[here] = predicted[_best(correct[:, ~here], costs), here]
    right = chosen == y
    fold_accuracy = np.bincount(folds, weights=right) / np.bincount(folds)
    per_class = np.bincount(y, weights=right) / np.bincount(y)
    weighing, cost = divmod(_best(correct, costs), len(costs))
    weights = recipe.encoder.shares()[weighing] if isinstance(recipe.encoder, FusionSettings) else ()
    return CrossValidation(chosen, fold_accuracy, float(per_class.mean()), costs[cost], weights), weighing


def _best(correct: NDArray[np.bool_], costs: Sequence[float]) -> int:
    """Return the candidate with most correct predictions; of equals the first weighing, and of it the smallest cost."""
    n_correct = correct.sum(axis=1)
    return min(range(len(correct)), key=lambda i: (-n_correct[i], i // len(costs), costs[i % len(costs)]))
