"""Cross-validation of codebook and classifier together: what is learned and predicted in one fold.

Each fold learns its codebook from the other folds only, so no image helps to make the words by which it is judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.classify.code_cache import get_codes, put_codes
from classicvision.classify.coding import encode_in_workers
from classicvision.classify.head import LinearHead
from classicvision.classify.logistic import fit_log_odds
from classicvision.classify.recipe import LogisticSettings, Recipe
from classicvision.classify.svm import fit_hyperplanes
from classicvision.encoding.codebook import Codebook
from classicvision.encoding.fusion import Weighing, n_weighings, weighings_of
from classicvision.items import Items

__all__ = ["CrossValidationTask"]

MAX_KEPT_BYTES = 64 * 2**20  # codes of one fold that are still stored in the cache


@dataclass(frozen=True, eq=False)
class CrossValidationTask:
    """Items, labels, folds and recipe of a cross-validation. Worker processes get a copy of all of it.

    Attributes
    ----------
    items : Items
        N images to learn from.
    y : (N,) intp
        Class index of each.
    folds : (N,) intp
        Fold of each, from 0.
    classes : tuple of K str
    recipe : Recipe
    cache : FeatureCache
        Where codebooks, codes and the predictions of each fold are stored.
    share_codebook : bool
        Whether all folds use the codebook that is learned from all images.
    variants : tuple of Items
        Augmented versions of the same images, learned from in addition.
    """

    items: Items[Any]
    y: NDArray[np.intp]
    folds: NDArray[np.intp]
    classes: tuple[str, ...]
    recipe: Recipe
    cache: FeatureCache
    share_codebook: bool = False
    variants: tuple[Items[Any], ...] = ()

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    @property
    def n_code_bytes(self) -> int:
        """Bytes of the codes of one fold, as far as the settings determine them."""
        return 4 * self.recipe.encoder.n_outputs * len(self.y) * (1 + len(self.variants))

    def predict_fold(self, fold: int, n_jobs: int = 1) -> NDArray[np.intp]:
        """Predict the images of a fold with models of the other folds, one per candidate: (n_candidates, n_held_out).

        The candidates are all values of C with the first weighing of the codes, then all values with the next.
        """
        held_out = self.folds == fold
        codebook, codes = self.learn_codes(self._training_rows(fold), n_jobs)
        weighings = weighings_of(codebook) if held_out.any() else []
        costs = self.recipe.classifier.costs
        predicted = np.empty((n_weighings(self.recipe.encoder) * len(costs), np.count_nonzero(held_out)), np.intp)
        for i, weighing in enumerate(weighings):
            for row, head in enumerate(self.fit_heads(codes, ~held_out, costs, weighing), start=i * len(costs)):
                predicted[row] = head.predict(codes[: len(self.y)], np.flatnonzero(held_out))
        self.cache.put(self._predictions_key(fold), {"answers": predicted})
        return predicted

    def cached_predictions(self, fold: int) -> NDArray[np.intp] | None:
        """Return the predictions of a fold from an earlier run, or None if the cache lacks them."""
        cached = self.cache.get(self._predictions_key(fold))
        return None if cached is None else cached["answers"]

    def fit_heads(
        self, codes: NDArray[np.float32], chosen: NDArray[np.bool_], costs: Sequence[float], weighing: Weighing
    ) -> list[LinearHead]:
        """Fit a head per value of C on the chosen images and their variants; the heads take codes without weighing."""
        n_views = 1 + len(self.variants)
        rows = None if chosen.all() else np.flatnonzero(np.tile(chosen, n_views))
        y = np.tile(self.y[chosen], n_views)
        settings = self.recipe.classifier
        fit = fit_log_odds if isinstance(settings, LogisticSettings) else fit_hyperplanes
        found = fit(codes, y, costs, rows=rows, weighing=weighing, balanced=settings.balanced)
        return [LinearHead(self.classes, *plane, cost) for plane, cost in zip(found, costs, strict=True)]

    def learn_codes(self, rows: NDArray[np.intp], n_jobs: int = 1) -> tuple[Codebook, NDArray[np.float32]]:
        """Learn a codebook from some rows and encode everything with it, or load both from the cache.

        The codes are those of all items, then those of their variants, in the same order. The codebook is learned
        without the variants.
        """
        settings, key = self.recipe.encoder, _key(self._codes_question(rows))
        cached = get_codes(self.cache, key)
        if cached is not None:
            codes, learned = cached
            return settings.restore({name.removeprefix("codebook/"): array for name, array in learned.items()}), codes
        codebook = settings.learn(self.items[rows], np.random.default_rng(self.recipe.seed))
        views = (self.items, *self.variants)
        codes = np.empty((len(views) * len(self.y), codebook.n_outputs), np.float32)
        for items, own in zip(views, np.split(codes, len(views)), strict=True):
            encode_in_workers(codebook, items, n_jobs, out=own)
        # The predictions of each fold are stored too, so wide codes are needed again for the final model only.
        if codes.nbytes <= MAX_KEPT_BYTES or len(rows) == len(self.y):
            put_codes(self.cache, key, codes, _prefixed("codebook", codebook.to_arrays()))
        return codebook, codes

    def _training_rows(self, fold: int) -> NDArray[np.intp]:
        """Return the rows from which the codebook of a fold is learned."""
        return np.arange(len(self.y)) if self.share_codebook else np.flatnonzero(self.folds != fold)

    def _codes_question(self, rows: NDArray[np.intp]) -> list[Any]:
        keys = [list(items.keys) for items in (self.items, *self.variants)]
        return [config.fingerprint(self.recipe.encoder), self.recipe.seed, *keys, rows.tolist()]

    def _predictions_key(self, fold: int) -> str:
        codes = [self._codes_question(self._training_rows(fold)), np.flatnonzero(self.folds != fold).tolist()]
        return _key([codes, config.fingerprint(self.recipe.classifier), self.y.tolist()])


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _key(question: list[Any]) -> str:
    """Return the cache key of the answer to a question in plain values."""
    return hashlib.sha256(config.canonical_json(question).encode()).hexdigest()
