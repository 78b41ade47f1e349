"""The bag of visual words: an image as a histogram of the words nearest to its descriptors (Csurka et al. 2004)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.codebook import frozen_array
from classicvision.encoding.nearest import PreparedWords, label_points, nearest_words
from classicvision.encoding.normalize import additive_chi2_map, hellinger, idf, l1, l2
from classicvision.encoding.pyramid import join_cells, mirrored_sum, n_cells, parse_cells, pool, pooled_names
from classicvision.encoding.vocabulary import as_compared, learn_image_words, word_names
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["BovwCodebook", "BovwSettings", "learn_bovw"]

_BLOCK_ROWS = 16_384  # descriptors that are compared with the words at a time
_CHI2_PARTS = ("", "_cos", "_sin")  # what the chi-squared map makes of each word


def _chi2(codes: NDArray[Any]) -> NDArray[np.float32]:
    return additive_chi2_map(l1(codes), n_samples=2)


_NORMALIZATIONS = {"hellinger": hellinger, "l2": l2, "l1": l1, "chi2": _chi2}
_OF_SUMS = {"hellinger": l2, "l2": l2, "l1": l1, "chi2": l2}  # what keeps the norm of codes that were put together
_WHOLE_IMAGE = ("1x1",)


@dataclass(frozen=True)
class BovwSettings:
    """How words are learned and counted.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.
    """

    kind: ClassVar[str] = "bovw"
    version: ClassVar[int] = 1

    n_words: int = 1000  # size of the vocabulary
    n_samples: int = 100_000  # descriptors to learn it from; 128 bytes each
    assignment: Literal["hard", "soft"] = "hard"  # one vote for the nearest word, or shared (Philbin et al. 2008)
    n_neighbors: int = 3  # words that share a soft vote
    softness: float = 0.15  # sigma of a soft vote exp(-d^2 / (2 sigma^2)), for descriptors of length 1
    tf_idf: bool = False  # weigh words by their rarity (Sivic and Zisserman 2003)
    normalization: Literal["hellinger", "l2", "l1", "chi2"] = "hellinger"
    root_sift: bool = True  # compare descriptors by Hellinger's distance (Arandjelovic and Zisserman 2012)
    cells: tuple[str, ...] = _WHOLE_IMAGE  # grids, rows x columns, with a histogram a cell (Lazebnik et al. 2006)
    mirror: bool = False  # add the code of the mirror image: both then have the same code

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_words >= 1, "n_words", self.n_words, "at least 1")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        most = self.n_words if self.assignment == "soft" else math.inf
        require(1 <= self.n_neighbors <= most, "n_neighbors", self.n_neighbors, f"from 1 to n_words, {self.n_words}")
        require(1e-3 <= self.softness <= 1e3, "softness", self.softness, "from 0.001 to 1000")
        parse_cells(self.cells)

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> BovwCodebook:
        """Learn a vocabulary from the items of training images: `learn_bovw`."""
        return learn_bovw(items, self, rng)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> BovwCodebook:
        """Rebuild a codebook: `BovwCodebook.from_arrays`."""
        return BovwCodebook.from_arrays(arrays, self)


@dataclass(frozen=True, eq=False)
class BovwCodebook:
    """A learned vocabulary, and the code of an image by it. Read-only arrays.

    Attributes
    ----------
    words : (n_words, 128) float32
        In the space of RootSIFT, or of SIFT divided by 512, as the settings say.
    idf : (n_words,) float32 or None
        Weight of each word; None without tf-idf.
    settings : BovwSettings

    Raises
    ------
    ValueError
        If the arrays do not fit the settings.
    """

    words: NDArray[np.float32]
    idf: NDArray[np.float32] | None
    settings: BovwSettings

    def __post_init__(self) -> None:
        n_words = self.settings.n_words
        object.__setattr__(self, "words", frozen_array("words", self.words, (n_words, DESCRIPTOR_SIZE)))
        if (self.idf is not None) != self.settings.tf_idf:
            raise ValueError(
                f"tf_idf is {self.settings.tf_idf}, but idf is {'missing' if self.idf is None else 'given'}"
            )
        if self.idf is not None:
            object.__setattr__(self, "idf", frozen_array("idf", self.idf, (n_words,)))

    @property
    def n_outputs(self) -> int:
        """Numbers in a code."""
        n_parts = len(_CHI2_PARTS) if self.settings.normalization == "chi2" else 1
        return n_cells(self.settings.cells) * n_parts * self.settings.n_words

    def feature_names(self) -> list[str]:
        """Return a name for each number of a code: ``word_0042``, and ``word_0042_cos`` for parts of it.

        With several cells the cell stands before: ``cell_2x2_0_1_word_0042``.
        """
        parts = _CHI2_PARTS if self.settings.normalization == "chi2" else ("",)
        names = word_names(self.settings.n_words)
        return pooled_names(self.settings.cells, [name + part for part in parts for name in names])

    def count(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Count the votes of an image's descriptors for each word, (n_words,); each descriptor has one vote in all."""
        (counts,) = _count(features, self._prepared, self.settings, _WHOLE_IMAGE)
        return np.asarray(counts)

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        if self.settings.mirror:
            return mirrored_sum(features, self._encode_cells, _OF_SUMS[self.settings.normalization])
        return self._encode_cells(features)

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); the images are looked at one by one."""
        codes = np.empty((len(items), self.n_outputs), np.float32)
        for row, features in enumerate(items):
            codes[row] = self.encode(features)
        return codes

    def _encode_cells(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image as it is, without its mirror image."""
        counts = _count(features, self._prepared, self.settings, self.settings.cells)
        weighted = counts if self.idf is None else counts * self.idf
        normalization = self.settings.normalization
        return join_cells(_NORMALIZATIONS[normalization](weighted), _OF_SUMS[normalization])

    @cached_property
    def _prepared(self) -> PreparedWords:
        return PreparedWords.of(self.words)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as plain arrays."""
        return {"words": self.words} if self.idf is None else {"words": self.words, "idf": self.idf}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], settings: BovwSettings) -> Self:
        """Rebuild a codebook from what `to_arrays` returned; a ValueError says what does not fit the settings."""
        if "words" not in arrays:
            raise ValueError("a codebook needs the array 'words'")
        return cls(arrays["words"], arrays.get("idf"), settings)


def learn_bovw(items: Sequence[LocalFeatures], settings: BovwSettings, rng: np.random.Generator) -> BovwCodebook:
    """Learn a vocabulary, and with tf-idf the rarity of its words, from the images of a training set.

    Parameters
    ----------
    items : sequence of LocalFeatures
        Looked at one by one: once for the sample, once more with tf-idf.
    settings : BovwSettings
    rng : numpy.random.Generator

    Raises
    ------
    NotEnoughDataError
        If the images have fewer different descriptors than the settings ask for words.
    """
    words = learn_image_words(
        items, settings.n_words, rng, n_samples=settings.n_samples, as_root_sift=settings.root_sift
    )
    weights = _rarity(items, words, settings) if settings.tf_idf else None
    return BovwCodebook(words, weights, settings)


def _count(
    features: LocalFeatures, words: PreparedWords, settings: BovwSettings, cells: tuple[str, ...]
) -> NDArray[np.float32]:
    """Return the votes for each word, (n_cells, n_words); in blocks, since a grid may have a million descriptors."""
    counts = np.zeros((n_cells(cells), settings.n_words))
    for start in range(0, len(features), _BLOCK_ROWS):
        block = features[start : start + _BLOCK_ROWS]
        chosen, votes = _vote(block.descriptors, words, settings)
        counts += pool(block, cells, partial(_histogram, chosen, votes, settings.n_words))
    return counts.astype(np.float32)


def _histogram(
    chosen: NDArray[np.int32], votes: NDArray[np.float64], n_words: int, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the votes of some rows for each word, (n_words,)."""
    counts: NDArray[Any] = np.bincount(chosen[rows].ravel(), votes[rows].ravel(), minlength=n_words)
    return counts


def _vote(
    stored: NDArray[np.uint8], words: PreparedWords, settings: BovwSettings
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the words that descriptors (N, 128) vote for, (N, m), and the shares of their votes."""
    descriptors = as_compared(stored, as_root_sift=settings.root_sift)
    if settings.assignment == "hard":
        labels = label_points(descriptors, words, as_root_sift=settings.root_sift)
        return labels[:, np.newaxis], np.ones((len(labels), 1))
    nearest, squared_distances = nearest_words(
        descriptors, words, settings.n_neighbors, as_root_sift=settings.root_sift
    )
    return nearest, _share_votes(squared_distances.astype(np.float64), settings.softness)


def _share_votes(squared_distances: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
    """Divide one vote a row among its words, (N, m), nearest first (Philbin et al. 2008, section 3.1)."""
    # Relative to the nearest word, so that a descriptor far from all words does not vote 0 / 0.
    votes: NDArray[np.float64] = np.exp((squared_distances[:, :1] - squared_distances) / (2 * softness**2))
    votes /= votes.sum(axis=1, keepdims=True)
    return votes


def _rarity(items: Sequence[LocalFeatures], words: NDArray[np.float32], settings: BovwSettings) -> NDArray[np.float32]:
    n_images = np.zeros(settings.n_words, np.int64)
    prepared = PreparedWords.of(words)
    for features in items:
        n_images += _count(features, prepared, settings, _WHOLE_IMAGE)[0] > 0
    return idf(n_images, len(items))
