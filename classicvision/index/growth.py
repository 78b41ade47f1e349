"""How many words an index deserves: its vocabulary is learned from different images, and again when it has grown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.index.settings import IndexSettings
from classicvision.index.vocabulary import Vocabulary, learn_vocabulary, words_for
from classicvision.index.writer import IndexWriter
from classicvision.items import Items

__all__ = ["GROWTH", "learn_from", "relearn_if_grown"]

GROWTH: Final = 4
"""An index learns its words again when it has enough descriptors for this many times as many words."""


def learn_from(
    items: Items[LocalFeatures], contents: Sequence[str], settings: IndexSettings, *, n_threads: int
) -> Vocabulary:
    """Learn the vocabulary of a new index from the features of its images; equal files are used once."""
    rng = np.random.default_rng(settings.seed)
    different = items[_first_of_each(np.array(contents))]
    return learn_vocabulary(different, settings.n_words, settings.n_samples, rng, n_threads=n_threads)


def relearn_if_grown(writer: IndexWriter, *, n_threads: int) -> bool:
    """Learn the words of an index again if it has grown far beyond the images that they were learned from."""
    index, settings = writer.index, writer.index.settings
    columns = [np.zeros(0, np.int32), *(segment.catalogue.n_keypoints for segment in index.segments)]
    n_keypoints = np.concatenate(columns)[np.isin(index.all_ids, index.ids)]
    different = _first_of_each(index.contents)
    enough_for = words_for(min(int(n_keypoints[different].sum()), settings.n_samples), settings.n_words)
    if not index.manifest.learned or enough_for < GROWTH * len(index.vocabulary):
        return False
    items = (index.features(image_id) for image_id in index.ids[different].tolist())
    rng = np.random.default_rng(settings.seed)
    writer.relearn(learn_vocabulary(items, settings.n_words, settings.n_samples, rng, n_threads=n_threads))
    return True


def _first_of_each(contents: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rows of the images that have no equal before them."""
    return np.sort(np.unique(contents, return_index=True)[1])
