"""One recipe on one split: learned, tested, and remembered, so that a run that was interrupted goes on where it was."""

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

__all__ = ["Contestant", "Course", "Trial", "predict_rows", "try_out"]


@dataclass(frozen=True, eq=False)
class Contestant:
    """A recipe, and what its extractor made of all images of the benchmark.

    Attributes
    ----------
    name : str
    recipe : Recipe
    items : Items
        To learn from.
    variants : tuple of Items
        Augmented images.
    seen : Items
        To be tested on: the same items, or several views of each image.
    """

    name: str
    recipe: Recipe
    items: Items[Any]
    variants: tuple[Items[Any], ...]
    seen: Items[Any]

    @property
    def has_views(self) -> bool:
        """Whether each of `seen` is a tuple of views."""
        return self.recipe.tta != "none"


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of one split.

    Attributes
    ----------
    predicted : (M,) intp
        Class index of each test image.
    cost : float
        C, chosen by cross-validation on the training images.
    weights : tuple of float
        Shares of a fusion's parts, chosen likewise.
    seconds : float
        Wall time of learning when it was done; extraction apart.
    n_outputs : int
        Numbers in a code.
    n_bytes : int
        Of codebook and hyperplanes.
    """

    predicted: NDArray[np.intp]
    cost: float
    weights: tuple[float, ...]
    seconds: float
    n_outputs: int
    n_bytes: int


@dataclass(frozen=True, eq=False)
class Course:
    """Some images for a recipe to learn from; it does so once, when that is asked for.

    Attributes
    ----------
    contestant : Contestant
    labels : N labels, of all images
    rows : (L,) intp
        What is learned from.
    seed : int
        Replaces the recipe's.
    cache : FeatureCache
        Where codebooks, codes and predictions are stored.
    n_jobs : int
        Worker processes; no result depends on them.
    """

    contestant: Contestant
    labels: Sequence[str]
    rows: NDArray[np.intp]
    seed: int
    cache: FeatureCache
    n_jobs: int

    @cached_property
    def training(self) -> Training:
        """What was learned. C is chosen with one codebook for all folds: the test images say how good it is."""
        contestant, rows = self.contestant, self.rows
        return train(
            contestant.items[rows],
            [self.labels[row] for row in rows],
            replace(contestant.recipe, seed=self.seed),
            cache=self.cache,
            n_jobs=self.n_jobs,
            share_codebook=True,
            variants=[variant[rows] for variant in contestant.variants],
        )

    def question(self, *facts: Any) -> str:
        """Return the key of an answer that follows from this course and some plain facts."""
        contestant = self.contestant
        keys = [items[self.rows].keys for items in (contestant.items, *contestant.variants)]
        question = [
            "trial 1",
            config.fingerprint(replace(contestant.recipe, seed=self.seed)),
            [list(some) for some in keys],
            [self.labels[row] for row in self.rows],
            sorted(set(self.labels)),
            list(facts),
        ]
        return hashlib.sha256(config.canonical_json(question).encode()).hexdigest()

    def predict(self, items: Items[Any]) -> NDArray[np.intp]:
        """Return the class index of each item."""
        return predict_rows(self.contestant, self.training.codebook, self.training.head, items, self.n_jobs)


def try_out(course: Course, tested: NDArray[np.intp]) -> Trial:
    """Learn, and predict the images in some rows; answered from the cache if the same was asked before."""
    contestant = course.contestant
    cache, items = course.cache, contestant.seen[tested]
    key = course.question("split", list(items.keys))
    known = cache.get(key)
    if known is None:
        start = time.perf_counter()
        training = course.training
        seconds = time.perf_counter() - start
        known = {
            "predicted": course.predict(items),
            "weights": np.array(training.validation.weights, np.float64),
            "facts": np.array(
                [training.head.cost, seconds, training.codebook.n_outputs, _n_bytes(training)], np.float64
            ),
        }
        cache.put(key, known)
    cost, seconds, n_outputs, n_bytes = known["facts"].tolist()
    return Trial(known["predicted"], cost, tuple(known["weights"].tolist()), seconds, int(n_outputs), int(n_bytes))


def predict_rows(
    contestant: Contestant, codebook: Codebook, head: LinearHead, items: Items[Any], n_jobs: int
) -> NDArray[np.intp]:
    """Return the class index of each item, by several processes."""
    answer = _Answer(codebook, head, items, contestant.has_views)
    predicted = in_order(answer, range(len(items)), count_workers(n_jobs, len(items)))
    return np.array(predicted, np.intp)


@dataclass(frozen=True)
class _Answer:
    """Predicts the image in a row; each worker has one."""

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
