"""Learning a classifier from items and labels, and an honest estimate of how good it is.

The vocabulary is learned inside each fold, so no fold's images help to make the words that they are judged by.
Copies of one image always share a fold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.encoding.codebook import Codebook
from classicvision.errors import ClassicVisionError, NotEnoughDataError
from classicvision.items import Items
from classicvision.models.head import LinearHead
from classicvision.models.recipe import Recipe, SvmSettings
from classicvision.models.svm import fit_hyperplanes
from classicvision.workers import Workers

__all__ = ["CrossValidation", "Training", "split_folds", "train"]

MAX_KEPT_BYTES = 64 * 2**20  # of the codes of a fold that are kept in the store


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What cross-validation inside the training set found.

    Each fold is predicted with the cost that was best on the *other* folds, so that `accuracy` is not the accuracy of
    the luckiest cost.

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
    """

    predicted: NDArray[np.intp]
    fold_accuracy: NDArray[np.float64]
    mean_per_class_accuracy: float
    cost: float


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
) -> Training:
    """Learn a codebook and a linear head, and cross-validate both together.

    Codebooks, codes and the answers of each fold are kept in the store of the items: a run that was interrupted goes on
    where it was, and the same question is not answered twice.

    Parameters
    ----------
    items : lazy sequence of N items, as the recipe's extractor makes them
    labels : N labels
    recipe : Recipe
    n_jobs : int
        Worker processes, each at a fold of its own; -1 for one a core. The result does not depend on it.
    progress : callable(done, total), optional
        Told after each fold, and after the last model.

    Raises
    ------
    NotEnoughDataError
        For fewer than two classes, a class with fewer than two different images, or too few descriptors.
    """
    from threadpoolctl import threadpool_limits

    classes, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    folds = split_folds(y, items.keys, classes, recipe.classifier.folds, recipe.seed)
    lesson = _Lesson(items, y, folds, tuple(classes.tolist()), recipe)
    predicted = np.empty((len(recipe.classifier.costs), len(y)), np.intp)
    n_tasks = lesson.n_folds + 1  # the last holds no image out: its codebook is the one to keep
    with threadpool_limits(1):  # sums of floats depend on how threads divide them
        for n_done, (fold, answers) in enumerate(_in_turn_or_workers(lesson, n_tasks, n_jobs), start=1):
            predicted[:, folds == fold] = answers
            if progress:
                progress(n_done, n_tasks)
        validation = _choose_cost(predicted, y, folds, recipe.classifier)
        codebook, codes = lesson.learn_codes(np.arange(len(y)))
        (head,) = lesson.fit_heads(codes, y, [validation.cost])
    return Training(codebook, head, validation)


def split_folds(
    y: NDArray[np.intp], keys: Sequence[str], classes: Sequence[str] | NDArray[np.str_], n_folds: int, seed: int
) -> NDArray[np.intp]:
    """Return the fold of each image: stratified, shuffled by the seed, copies of an image together.

    Parameters
    ----------
    y : (N,) class indices
    keys : N strings
        Equal for equal images.
    classes : K labels, for messages
    n_folds : int
        At most; a class with fewer different images lowers it.

    Raises
    ------
    NotEnoughDataError
        For fewer than two classes, or a class with fewer than two different images.
    """
    if len(classes) < 2:
        raise NotEnoughDataError(f"{len(classes)} class(es) have readable images; a classifier needs at least 2")
    _, first, group = np.unique(np.asarray(keys, dtype=str), return_index=True, return_inverse=True)
    order = np.sort(first)  # the first of each group of copies, in the order of the images
    count = np.bincount(y[order], minlength=len(classes))
    if count.min() < 2:
        label, n_images = str(classes[int(count.argmin())]), int(np.sum(y == count.argmin()))
        copies = f" Its {n_images} readable images are copies of each other, or of other classes'." * (n_images > 1)
        raise NotEnoughDataError(
            f"class {label!r} has {count.min()} different readable image(s) of its own; "
            f"cross-validation needs at least 2.{copies} Add images or leave the class out."
        )
    fold_of_group = np.empty(len(first), np.intp)
    fold_of_group[group[order]] = _stratified(y[order], min(n_folds, int(count.min())), seed)
    return fold_of_group[group]


def _stratified(y: NDArray[np.intp], n_folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each image, such that folds have the same share of each class but for one image.

    These are the folds of scikit-learn's StratifiedKFold with shuffling, whose import costs more than all of this.
    """
    # Classes in the order of their first images, and the images in the order of classes, dealt out like cards.
    _, first, inverse = np.unique(y, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[inverse]
    dealt = np.arange(len(y)) % n_folds
    by_class = np.sort(rank)
    chance = np.random.RandomState(seed)
    folds = np.empty(len(y), np.intp)
    for k in range(len(first)):
        hand = np.sort(dealt[by_class == k])
        chance.shuffle(hand)
        folds[rank == k] = hand
    return folds


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What is to be learned; a worker process gets it whole, the items stay in their store."""

    items: Items[Any]
    y: NDArray[np.intp]
    folds: NDArray[np.intp]
    classes: tuple[str, ...]
    recipe: Recipe

    @property
    def n_folds(self) -> int:
        return int(self.folds.max()) + 1

    def judge(self, fold: int) -> NDArray[np.intp]:
        """Predict the images of a fold with a model of all others, once for each cost: (n_costs, n_held_out)."""
        held_out = self.folds == fold
        costs = self.recipe.classifier.costs
        _, codes = self.learn_codes(np.flatnonzero(~held_out))
        answers = np.empty((len(costs), np.count_nonzero(held_out)), np.intp)
        if answers.size:
            for row, head in enumerate(self.fit_heads(codes[~held_out], self.y[~held_out], costs)):
                answers[row] = head.predict(codes[held_out])
        self.items.store.put(self._answers_key(fold), {"answers": answers})
        return answers

    def fit_heads(self, codes: NDArray[np.float32], y: NDArray[np.intp], costs: Sequence[float]) -> list[LinearHead]:
        """Fit a head for each cost."""
        found = fit_hyperplanes(codes, y, costs, balanced=self.recipe.classifier.balanced)
        return [LinearHead(self.classes, *planes, cost) for planes, cost in zip(found, costs, strict=True)]

    def recall(self, fold: int) -> NDArray[np.intp] | None:
        """Return what `judge` answered in an earlier run, if the store still has it."""
        known = self.items.store.get(self._answers_key(fold))
        return None if known is None else known["answers"]

    def learn_codes(self, rows: NDArray[np.intp]) -> tuple[Codebook, NDArray[np.float32]]:
        """Learn a codebook from some rows and encode all items with it; remembered in the store of the items."""
        settings, store, key = self.recipe.encoder, self.items.store, _key(self._codes_question(rows))
        known = store.get(key)
        if known is None:
            codebook = settings.learn(self.items[rows], np.random.default_rng(self.recipe.seed))
            codes = codebook.encode_all(self.items)
            # The answers of a fold are kept too, so of wide codes only the last need be: they wait for the last model.
            if codes.nbytes <= MAX_KEPT_BYTES or len(rows) == len(self.y):
                store.put(key, {"codes": codes, **_prefixed("codebook", codebook.to_arrays())})
            return codebook, codes
        learned = {name.removeprefix("codebook/"): array for name, array in known.items() if name != "codes"}
        return settings.restore(learned), known["codes"]

    def _codes_question(self, rows: NDArray[np.intp]) -> list[Any]:
        return [config.fingerprint(self.recipe.encoder), self.recipe.seed, list(self.items.keys), rows.tolist()]

    def _answers_key(self, fold: int) -> str:
        codes = self._codes_question(np.flatnonzero(self.folds != fold))
        return _key([codes, config.fingerprint(self.recipe.classifier), self.y.tolist()])


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _key(question: list[Any]) -> str:
    """Return the key under which a store remembers the answer to a question in plain values."""
    return hashlib.sha256(config.canonical_json(question).encode()).hexdigest()


def _in_turn_or_workers(lesson: _Lesson, n_tasks: int, n_jobs: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each fold with its answers, as they come; those of an earlier run first."""
    from joblib import effective_n_jobs

    recalled = {fold: answers for fold in range(n_tasks) if (answers := lesson.recall(fold)) is not None}
    yield from recalled.items()
    unknown = [fold for fold in range(n_tasks) if fold not in recalled]
    n_workers = min(int(effective_n_jobs(n_jobs)), len(unknown))
    if n_workers <= 1:
        yield from ((fold, lesson.judge(fold)) for fold in unknown)
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


def _choose_cost(
    predicted: NDArray[np.intp], y: NDArray[np.intp], folds: NDArray[np.intp], settings: SvmSettings
) -> CrossValidation:
    """Choose the cost from the predictions (n_costs, N) of models that did not see the image."""
    correct = predicted == y
    chosen = np.empty(len(y), np.intp)
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        chosen[here] = predicted[_best_cost(correct[:, ~here], settings.costs), here]
    right = chosen == y
    fold_accuracy = np.bincount(folds, weights=right) / np.bincount(folds)
    per_class = np.bincount(y, weights=right) / np.bincount(y)
    return CrossValidation(
        chosen, fold_accuracy, float(per_class.mean()), settings.costs[_best_cost(correct, settings.costs)]
    )


def _best_cost(correct: NDArray[np.bool_], costs: Sequence[float]) -> int:
    n_correct = correct.sum(axis=1)
    return min(range(len(costs)), key=lambda i: (-n_correct[i], costs[i]))
