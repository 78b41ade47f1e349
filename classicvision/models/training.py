"""Learning a classifier from items and labels, and an honest estimate of how good it is.

The vocabulary is learned inside each fold, so no fold's images help to make the words that they are judged by.
Copies of one image always share a fold. scikit-learn is imported here, inside functions, and nowhere on the way to a
prediction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.encoding.bovw import BovwCodebook, BovwSettings, learn_bovw
from classicvision.errors import NotEnoughDataError
from classicvision.extraction import Items
from classicvision.features.local import LocalFeatures
from classicvision.models.head import LinearHead
from classicvision.models.recipe import Recipe, SvmSettings
from classicvision.store import Store

__all__ = ["CrossValidation", "Training", "split_folds", "train"]


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

    codebook: BovwCodebook
    head: LinearHead
    validation: CrossValidation


def train(
    items: Items[LocalFeatures],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    store: Store | None = None,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Learn a codebook and a linear head, and cross-validate both together.

    Parameters
    ----------
    items : lazy sequence of N LocalFeatures
    labels : N labels
    recipe : Recipe
    store : Store, optional
        Where learned codebooks and codes are kept, so that the same items need not be encoded twice.
    n_jobs : int
        Threads, each at a fold of its own; -1 for one a core. The result does not depend on it.
    progress : callable(done, total), optional
        Told after each fold, and after the last model.

    Raises
    ------
    NotEnoughDataError
        For fewer than two classes, a class with fewer than two different images, or too few descriptors.
    """
    classes, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    folds = split_folds(y, items.keys, classes, recipe.classifier.folds, recipe.seed)
    n_folds = int(folds.max()) + 1
    tell = progress or (lambda done, total: None)
    learn = partial(_learn_codes, items, settings=recipe.encoder, seed=recipe.seed, store=store)

    def judge(fold: int) -> list[NDArray[np.intp]]:
        held_out = folds == fold
        _, codes = learn(np.flatnonzero(~held_out))
        heads = [_fit_head(codes[~held_out], y[~held_out], classes, cost, recipe) for cost in recipe.classifier.costs]
        return [head.predict(codes[held_out]) for head in heads]

    predicted = np.empty((len(recipe.classifier.costs), len(y)), np.intp)
    with _threads(n_jobs) as pool:
        for fold, answers in enumerate(pool.map(judge, range(n_folds))):
            predicted[:, folds == fold] = answers
            tell(fold + 1, n_folds + 1)
    validation = _choose_cost(predicted, y, folds, recipe.classifier)
    codebook, codes = learn(np.arange(len(y)))
    head = _fit_head(codes, y, classes, validation.cost, recipe)
    tell(n_folds + 1, n_folds + 1)
    return Training(codebook, head, validation)


def split_folds(
    y: NDArray[np.intp], keys: Sequence[str], classes: Sequence[str] | NDArray[Any], n_folds: int, seed: int
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
    from sklearn.model_selection import StratifiedKFold

    if len(classes) < 2:
        raise NotEnoughDataError(f"{len(classes)} class(es) have readable images; a classifier needs at least 2")
    _, first, group = np.unique(np.asarray(keys, dtype=str), return_index=True, return_inverse=True)
    order = np.sort(first)  # the first of each group of copies, in the order of the images
    count = np.bincount(y[order], minlength=len(classes))
    if count.min() < 2:
        label = classes[int(count.argmin())]
        raise NotEnoughDataError(
            f"class {label!r} has {count.min()} different readable image(s); cross-validation needs at least 2. "
            "Add images or leave the class out."
        )
    splitter = StratifiedKFold(min(n_folds, int(count.min())), shuffle=True, random_state=seed)
    fold_of_group = np.empty(len(first), np.intp)
    for fold, (_, held_out) in enumerate(splitter.split(order, y[order])):
        fold_of_group[group[order[held_out]]] = fold
    return fold_of_group[group]


def _learn_codes(
    items: Items[LocalFeatures], rows: NDArray[np.intp], *, settings: BovwSettings, seed: int, store: Store | None
) -> tuple[BovwCodebook, NDArray[np.float32]]:
    """Learn a codebook from some rows and encode all items with it; remembered in the store."""
    question = [config.fingerprint(settings), seed, list(items.keys), rows.tolist()]
    key = hashlib.sha256(config.canonical_json(question).encode()).hexdigest()
    known = store.get(key) if store else None
    if known is None:
        codebook = learn_bovw(items[rows], settings, np.random.default_rng(seed))
        known = {"codes": codebook.encode_all(items), **codebook.to_arrays()}
        if store:
            store.put(key, known)
    arrays = dict(known)
    codes = arrays.pop("codes")
    return BovwCodebook.from_arrays(arrays, settings), codes


@contextmanager
def _threads(n_jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads. They suffice: k-means, products and the solver release the interpreter's lock."""
    from joblib import effective_n_jobs
    from threadpoolctl import threadpool_limits

    # One thread inside each task. The limit is the process's own, so it is set once and outside of the tasks.
    with threadpool_limits(1):
        pool = ThreadPoolExecutor(effective_n_jobs(n_jobs))
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _fit_head(
    codes: NDArray[np.float32], y: NDArray[np.intp], classes: NDArray[Any], cost: float, recipe: Recipe
) -> LinearHead:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    svm = LinearSVC(
        C=cost,
        dual=True,
        class_weight="balanced" if recipe.classifier.balanced else None,
        max_iter=2000,
        random_state=recipe.seed,
    )
    with warnings.catch_warnings():
        # At a large cost the last digits of the weights take long to settle and change no prediction.
        warnings.simplefilter("ignore", ConvergenceWarning)
        svm.fit(codes, y)
    return LinearHead(tuple(str(label) for label in classes), svm.coef_, svm.intercept_, cost)


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
