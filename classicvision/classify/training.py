"""Training a classifier on items and labels, with an honest estimate of its accuracy by cross-validation.

Codebook, C and, in a fusion, the weights of its parts are chosen inside the training set. Copies of one image always
share a fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.classify.cross_validation import CrossValidationTask
from classicvision.classify.folds import split_folds
from classicvision.classify.head import LinearHead
from classicvision.classify.recipe import Recipe
from classicvision.encoding.codebook import Codebook
from classicvision.encoding.fusion import FusionSettings, n_weighings, weighings_of
from classicvision.errors import ClassicVisionError
from classicvision.items import Items
from classicvision.progress import StageProgress
from classicvision.workers import Workers

__all__ = ["CrossValidation", "Training", "train"]

MAX_CODE_BYTES = 2**30  # codes of all folds that are learned at the same time


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The result of cross-validation inside the training set.

    Each fold is predicted with the C, and the weights of a fusion, that were best on the *other* folds, so `accuracy`
    is not that of the luckiest candidate.

    Attributes
    ----------
    predicted : (N,) intp
        Class index of each image, predicted by a model that did not see it.
    fold_accuracy : (F,) float64
        Share of correct images per fold.
    mean_per_class_accuracy : float
        Of `predicted`, over all images.
    cost : float
        The C that was best on all folds together; of equals the smallest.
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
    """The codebook and the head that were learned, and the estimate of their accuracy."""

    codebook: Codebook
    head: LinearHead
    validation: CrossValidation


def train(
    items: Items[Any],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: StageProgress | None = None,
    share_codebook: bool = False,
    variants: Sequence[Items[Any]] = (),
) -> Training:
    """Learn a codebook and a linear head, and cross-validate both together.

    Parameters
    ----------
    items : lazy sequence of N items
        As the recipe's extractor makes them.
    labels : N labels
    recipe : Recipe
    cache : FeatureCache, optional
        Where codebooks, codes and the predictions of each fold are stored, so that an interrupted run resumes and
        nothing is learned twice. Without one, a temporary cache is used.
    n_jobs : int
        Worker processes, -1 for one per core: each at its own fold, or, where codes are wide, all at the images of one
        fold. The result does not depend on it.
    progress : callable(done, total), optional
        Called after each fold, and after the final model.
    share_codebook : bool
        Learn one codebook from all items, and in each fold only the classifier. It takes a fraction of the time and
        serves to choose C. The estimate is then optimistic, since the words have seen all images, though not their
        labels: use it only where a separate test set measures the classifier.
    variants : sequence of Items
        Augmented images: each has N items, in the same order. The classifier is trained on them too and tested on the
        images as they are; variants of a held-out image are never trained on.

    Raises
    ------
    NotEnoughDataError
        For fewer than two classes, a class with fewer than two different images, or too few descriptors.
    """
    from threadpoolctl import threadpool_limits

    classes, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    folds = split_folds(y, items.keys, classes, recipe.classifier.folds, recipe.seed)
    task = CrossValidationTask(
        items,
        y,
        folds,
        tuple(classes.tolist()),
        recipe,
        cache or FeatureCache.temporary(),
        share_codebook,
        tuple(variants),
    )
    everything = np.arange(len(y))
    predicted = np.empty((n_weighings(recipe.encoder) * len(recipe.classifier.costs), len(y)), np.intp)
    n_tasks = task.n_folds + 1  # the last fold holds out no image: it learns the final codebook
    with threadpool_limits(1):  # sums of floats depend on how threads divide them
        if share_codebook:
            task.learn_codes(everything, n_jobs)
        for n_done, (fold, of_fold) in enumerate(_predict_folds(task, n_tasks, n_jobs), start=1):
            predicted[:, folds == fold] = of_fold
            if progress:
                progress(n_done, n_tasks)
        validation, weighing = _choose(predicted, y, folds, recipe)
        codebook, codes = task.learn_codes(everything)
        (head,) = task.fit_heads(codes, np.ones(len(y), bool), [validation.cost], weighings_of(codebook)[weighing])
    return Training(codebook, head, validation)


def _predict_folds(task: CrossValidationTask, n_tasks: int, n_jobs: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each fold with its predictions as they arrive; those from an earlier run first."""
    from joblib import effective_n_jobs

    cached = {fold: found for fold in range(n_tasks) if (found := task.cached_predictions(fold)) is not None}
    yield from cached.items()
    missing = [fold for fold in range(n_tasks) if fold not in cached]
    n_workers = min(int(effective_n_jobs(n_jobs)), len(missing))
    if n_workers <= 1 or n_workers * task.n_code_bytes > MAX_CODE_BYTES:
        yield from ((fold, task.predict_fold(fold, n_jobs)) for fold in missing)
        return
    with Workers(task.predict_fold, n_workers) as workers:
        for fold in missing:
            workers.send([fold])
            yield from _alive(workers.finished(n_left=workers.capacity))
        yield from _alive(workers.finished(n_left=0))


def _alive(results: Iterator[tuple[int, NDArray[np.intp] | None]]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    for fold, predicted in results:
        if predicted is None:
            raise ClassicVisionError(
                "a worker process died twice during training, most likely because memory ran out. Use one job, "
                "or fewer words or samples (encoder.n_words, encoder.n_samples)."
            )
        yield fold, predicted


def _choose(
    predicted: NDArray[np.intp], y: NDArray[np.intp], folds: NDArray[np.intp], recipe: Recipe
) -> tuple[CrossValidation, int]:
    """Choose C and weighing from the predictions (n_candidates, N) of models that did not see the image."""
    costs = recipe.classifier.costs
    correct = predicted == y
    chosen = np.empty(len(y), np.intp)
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        chosen[here] = predicted[_best(correct[:, ~here], costs), here]
    is_correct = chosen == y
    fold_accuracy = np.bincount(folds, weights=is_correct) / np.bincount(folds)
    per_class = np.bincount(y, weights=is_correct) / np.bincount(y)
    weighing, cost = divmod(_best(correct, costs), len(costs))
    weights = recipe.encoder.shares()[weighing] if isinstance(recipe.encoder, FusionSettings) else ()
    return CrossValidation(chosen, fold_accuracy, float(per_class.mean()), costs[cost], weights), weighing


def _best(correct: NDArray[np.bool_], costs: Sequence[float]) -> int:
    """Return the candidate with the most correct predictions; of equals the first weighing, then the smallest C."""
    n_correct = correct.sum(axis=1)
    return min(range(len(correct)), key=lambda i: (-n_correct[i], i // len(costs), costs[i % len(costs)]))
