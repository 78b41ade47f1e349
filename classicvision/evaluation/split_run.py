"""One recipe trained and tested on one split. Results are cached, so an interrupted benchmark resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.classify.coding import decide
from classicvision.classify.head import LinearHead
from classicvision.classify.recipe import Recipe
from classicvision.classify.training import Training, train
from classicvision.encoding.codebook import Codebook
from classicvision.items import Items
from classicvision.workers import count_workers, in_order

__all__ = ["Candidate", "SplitResult", "TrainingRun", "predict_rows", "run_split"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A recipe, and the items that its extractor made of all images of the benchmark.

    Attributes
    ----------
    name : str
    recipe : Recipe
    items : Items
        To train on.
    variants : tuple of Items
        Augmented images, also to train on.
    test_items : Items
        To test on: the same items, or several views of each image.
    """

    name: str
    recipe: Recipe
    items: Items[Any]
    variants: tuple[Items[Any], ...]
    test_items: Items[Any]

    @property
    def has_views(self) -> bool:
        """Whether each of `test_items` is a tuple of views."""
        return self.recipe.tta != "none"


@dataclass(frozen=True, eq=False)
class SplitResult:
    """The result of a recipe on one split.

    Attributes
    ----------
    predicted : (M,) intp
        Class index of each test image.
    cost : float
        C, chosen by cross-validation on the training images.
    weights : tuple of float
        Shares of a fusion's parts, chosen in the same way.
    seconds : float
        Wall time of training, without extraction, when it was done.
    n_outputs : int
        Length of a code.
    n_bytes : int
        Size of codebook and hyperplanes.
    """

    predicted: NDArray[np.intp]
    cost: float
    weights: tuple[float, ...]
    seconds: float
    n_outputs: int
    n_bytes: int


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """The training of a recipe on some images. It happens once, when `training` is first read.

    Attributes
    ----------
    candidate : Candidate
    labels : N labels, of all images
    rows : (L,) intp
        The images to train on.
    seed : int
        Replaces that of the recipe.
    cache : FeatureCache
        Where codebooks, codes and predictions are stored.
    n_jobs : int
        Worker processes; no result depends on them.
    """

    candidate: Candidate
    labels: Sequence[str]
    rows: NDArray[np.intp]
    seed: int
    cache: FeatureCache
    n_jobs: int

    @cached_property
    def training(self) -> Training:
        """The trained classifier. C is chosen with one codebook for all folds, as a test set measures accuracy."""
        candidate, rows = self.candidate, self.rows
        return train(
            candidate.items[rows],
            [self.labels[row] for row in rows],
            replace(candidate.recipe, seed=self.seed),
            cache=self.cache,
            n_jobs=self.n_jobs,
            share_codebook=True,
            variants=[variant[rows] for variant in candidate.variants],
        )

    def cache_key(self, *facts: Any) -> str:
        """Return the cache key of a result that follows from this training and some plain facts."""
        candidate = self.candidate
        keys = [items[self.rows].keys for items in (candidate.items, *candidate.variants)]
        question = [
            "trial 1",
            config.fingerprint(replace(candidate.recipe, seed=self.seed)),
            [list(some) for some in keys],
            [self.labels[row] for row in self.rows],
            sorted(set(self.labels)),
            list(facts),
        ]
        return hashlib.sha256(config.canonical_json(question).encode()).hexdigest()

    def predict(self, items: Items[Any]) -> NDArray[np.intp]:
        """Return the class index of each item."""
        return predict_rows(self.candidate, self.training.codebook, self.training.head, items, self.n_jobs)


def run_split(run: TrainingRun, tested: NDArray[np.intp]) -> SplitResult:
    """Train, and predict the images in some rows; or return the cached result."""
    items = run.candidate.test_items[tested]
    key = run.cache_key("split", list(items.keys))
    known = run.cache.get(key)
    if known is None:
        start = time.perf_counter()
        training = run.training
        seconds = time.perf_counter() - start
        known = {
            "predicted": run.predict(items),
            "weights": np.array(training.validation.weights, np.float64),
            "facts": np.array(
                [training.head.cost, seconds, training.codebook.n_outputs, _n_bytes(training)], np.float64
            ),
        }
        run.cache.put(key, known)
    cost, seconds, n_outputs, n_bytes = known["facts"].tolist()
    return SplitResult(
        known["predicted"], cost, tuple(known["weights"].tolist()), seconds, int(n_outputs), int(n_bytes)
    )


def predict_rows(
    candidate: Candidate, codebook: Codebook, head: LinearHead, items: Items[Any], n_jobs: int
) -> NDArray[np.intp]:
    """Return the class index of each item, by several processes."""
    predict = _Predicting(codebook, head, items, candidate.has_views)
    predicted = in_order(predict, range(len(items)), count_workers(n_jobs, len(items)))
    return np.array(predicted, np.intp)


@dataclass(frozen=True)
class _Predicting:
    """Predicts the image in one row; each worker has a copy."""

    codebook: Codebook
    head: LinearHead
    items: Items[Any]
    has_views: bool

    def __call__(self, row: int) -> int:
        item = self.items[row]
        return int(decide(self.codebook, self.head, item if self.has_views else (item,)).argmax())


def _n_bytes(training: Training) -> int:
    arrays = [*training.codebook.to_arrays().values(), training.head.weights, training.head.bias]
    return sum(array.nbytes for array in arrays)
