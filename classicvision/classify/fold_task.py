"""What is learned in one fold: codebook, codes and heads, remembered in the cache of the items."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.classify.code_cache import get_codes, put_codes
from classicvision.classify.coding import encode_in_workers
from classicvision.classify.head import LinearHead
from classicvision.classify.logistic import fit_log_odds
from classicvision.classify.recipe import LogisticSettings, Recipe
from classicvision.classify.svm import fit_hyperplanes
from classicvision.encoding.codebook import Codebook
from classicvision.encoding.fusion import Weighing, n_weighings, weighings_of
from classicvision.items import Items

__all__ = ["Lesson"]

MAX_KEPT_BYTES = 64 * 2**20  # of the codes of a fold that are kept in the cache


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is to be learned; a worker process gets it whole, the items stay in their cache."""

    items: Items[Any]
    y: NDArray[np.intp]
    folds: NDArray[np.intp]
    classes: tuple[str, ...]
    recipe: Recipe
    share_codebook: bool = False
    variants: tuple[Items[Any], ...] = ()  # of the same images, to learn from beside them

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.folds.max()) + 1

    @property
    def n_code_bytes(self) -> int:
        """What the codes of one fold hold, as far as the settings tell."""
        return 4 * self.recipe.encoder.n_outputs * len(self.y) * (1 + len(self.variants))

    def judge(self, fold: int, n_jobs: int = 1) -> NDArray[np.intp]:
        """Predict the images of a fold with models of all others, one for each candidate: (n_candidates, n_held_out).

        The candidates are all costs with the first weighing of the codes, then all costs with the next.
        """
        held_out = self.folds == fold
        codebook, codes = self.learn_codes(self._learned_from(fold), n_jobs)
        weighings = weighings_of(codebook) if held_out.any() else []
        costs = self.recipe.classifier.costs
        answers = np.empty((n_weighings(self.recipe.encoder) * len(costs), np.count_nonzero(held_out)), np.intp)
        for i, weighing in enumerate(weighings):
            for row, head in enumerate(self.fit_heads(codes, ~held_out, costs, weighing), start=i * len(costs)):
                answers[row] = head.predict(codes[: len(self.y)], np.flatnonzero(held_out))
        self.items.cache.put(self._answers_key(fold), {"answers": answers})
        return answers

    def fit_heads(
        self, codes: NDArray[np.float32], chosen: NDArray[np.bool_], costs: Sequence[float], weighing: Weighing
    ) -> list[LinearHead]:
        """Fit a head for each cost on the chosen images and their variants; it takes codes that are not weighed."""
        n_views = 1 + len(self.variants)
        rows = None if chosen.all() else np.flatnonzero(np.tile(chosen, n_views))
        y = np.tile(self.y[chosen], n_views)
        settings = self.recipe.classifier
        fit = fit_log_odds if isinstance(settings, LogisticSettings) else fit_hyperplanes
        found = fit(codes, y, costs, rows=rows, weighing=weighing, balanced=settings.balanced)
        return [LinearHead(self.classes, *plane, cost) for plane, cost in zip(found, costs, strict=True)]

    def recall(self, fold: int) -> NDArray[np.intp] | None:
        """Return what `judge` answered in an earlier run, if the cache still has it."""
        known = self.items.cache.get(self._answers_key(fold))
        return None if known is None else known["answers"]

    def learn_codes(self, rows: NDArray[np.intp], n_jobs: int = 1) -> tuple[Codebook, NDArray[np.float32]]:
        """Learn a codebook from some rows and encode everything with it; remembered in the cache of the items.

        The codes are those of all items, then those of their variants, in the same order. Variants do not help to make
        the codebook.
        """
        settings, cache, key = self.recipe.encoder, self.items.cache, _key(self._codes_question(rows))
        known = get_codes(cache, key)
        if known is None:
            codebook = settings.learn(self.items[rows], np.random.default_rng(self.recipe.seed))
            views = (self.items, *self.variants)
            codes = np.empty((len(views) * len(self.y), codebook.n_outputs), np.float32)
            for items, own in zip(views, np.split(codes, len(views)), strict=True):
                encode_in_workers(codebook, items, n_jobs, out=own)
            # The answers of a fold are kept too, so of wide codes only the last need be: they wait for the last model.
            if codes.nbytes <= MAX_KEPT_BYTES or len(rows) == len(self.y):
                put_codes(cache, key, codes, _prefixed("codebook", codebook.to_arrays()))
            return codebook, codes
        codes, learned = known
        return settings.restore({name.removeprefix("codebook/"): array for name, array in learned.items()}), codes

    def _learned_from(self, fold: int) -> NDArray[np.intp]:
        """Return the rows from which the codebook of a fold is learned."""
        return np.arange(len(self.y)) if self.share_codebook else np.flatnonzero(self.folds != fold)

    def _codes_question(self, rows: NDArray[np.intp]) -> list[Any]:
        keys = [list(items.keys) for items in (self.items, *self.variants)]
        return [config.fingerprint(self.recipe.encoder), self.recipe.seed, *keys, rows.tolist()]

    def _answers_key(self, fold: int) -> str:
        codes = [self._codes_question(self._learned_from(fold)), np.flatnonzero(self.folds != fold).tolist()]
        return _key([codes, config.fingerprint(self.recipe.classifier), self.y.tolist()])


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _key(question: list[Any]) -> str:
    """Return the key under which a cache remembers the answer to a question in plain values."""
    return hashlib.sha256(config.canonical_json(question).encode()).hexdigest()
