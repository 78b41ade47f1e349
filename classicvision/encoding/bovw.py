"""The bag of visual words: an image as a histogram of the words nearest to its descriptors (Csurka et al. 2004)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.nearest import PreparedWords, label_points, nearest_words
from classicvision.encoding.normalize import additive_chi2_map, hellinger, idf, l1, l2
from classicvision.encoding.vocabulary import learn_words, sample_descriptors
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["BovwCodebook", "BovwSettings", "learn_bovw"]

_BLOCK_ROWS = 16_384  # descriptors that are compared with the words at a time
_BLOCK_NUMBERS = 2**20  # of the codes of images that are counted at a time
_SIFT_NORM = 512  # of a descriptor as stored (Lowe 2004, section 6.1)
_CHI2_PARTS = ("", "_cos", "_sin")  # what the chi-squared map makes of each word


def _chi2(codes: NDArray[Any]) -> NDArray[np.float32]:
    return additive_chi2_map(l1(codes), n_samples=2)


_NORMALIZATIONS = {"hellinger": hellinger, "l2": l2, "l1": l1, "chi2": _chi2}


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

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_words >= 1, "n_words", self.n_words, "at least 1")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        most = self.n_words if self.assignment == "soft" else math.inf
        require(1 <= self.n_neighbors <= most, "n_neighbors", self.n_neighbors, f"from 1 to n_words, {self.n_words}")
        require(1e-3 <= self.softness <= 1e3, "softness", self.softness, "from 0.001 to 1000")

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
        object.__setattr__(self, "words", _frozen("words", self.words, (n_words, DESCRIPTOR_SIZE)))
        if (self.idf is not None) != self.settings.tf_idf:
            raise ValueError(
                f"tf_idf is {self.settings.tf_idf}, but idf is {'missing' if self.idf is None else 'given'}"
            )
        if self.idf is not None:
            object.__setattr__(self, "idf", _frozen("idf", self.idf, (n_words,)))

    @property
    def n_outputs(self) -> int:
        """Numbers in a code."""
        return self.settings.n_words * (len(_CHI2_PARTS) if self.settings.normalization == "chi2" else 1)

    def feature_names(self) -> list[str]:
        """Return a name for each number of a code: ``word_0042``, and ``word_0042_cos`` for parts of it."""
        digits = max(4, len(str(self.settings.n_words - 1)))
        parts = _CHI2_PARTS if self.settings.normalization == "chi2" else ("",)
        return [f"word_{word:0{digits}d}{part}" for part in parts for word in range(self.settings.n_words)]

    def count(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Count the votes of an image's descriptors for each word, (n_words,); each descriptor has one vote in all."""
        votes: NDArray[np.float32] = _count([features], self._prepared, self.settings)[0]
        return votes

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        return self._weigh(self.count(features))

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); a few images are looked at together."""
        codes = np.empty((len(items), self.n_outputs), np.float32)
        n_done = 0
        for group in _groups(items, max(1, _BLOCK_NUMBERS // self.n_outputs)):
            counts = _count(group, self._prepared, self.settings)
            codes[n_done : n_done + len(group)] = self._weigh(counts)
            n_done += len(group)
        return codes

    def _weigh(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the codes of counted votes, (n_words,) or (N, n_words)."""
        weighted = counts if self.idf is None else counts * self.idf
        return _NORMALIZATIONS[self.settings.normalization](weighted)

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
    sample = sample_descriptors(items, settings.n_samples, rng)
    words = learn_words(sample, settings.n_words, rng, as_root_sift=settings.root_sift)
    if not settings.root_sift:
        words /= _SIFT_NORM  # a power of two: exact
    weights = _rarity(items, words, settings) if settings.tf_idf else None
    return BovwCodebook(words, weights, settings)


def _groups(items: Iterable[LocalFeatures], n_most: int) -> Iterator[list[LocalFeatures]]:
    """Yield the images in order, in groups of at most `n_most` that fill a block with their descriptors."""
    group: list[LocalFeatures] = []
    n_rows = 0
    for features in items:
        if group and (len(group) == n_most or n_rows + len(features) > _BLOCK_ROWS):
            yield group
            group, n_rows = [], 0
        group.append(features)
        n_rows += len(features)
    if group:
        yield group


def _count(group: Sequence[LocalFeatures], words: PreparedWords, settings: BovwSettings) -> NDArray[np.float32]:
    """Return the votes of each image for each word, (n, n_words).

    A call for a few images costs as much as one for an image. In blocks, since a dense grid may have a million
    descriptors.
    """
    descriptors = group[0].descriptors if len(group) == 1 else np.concatenate([one.descriptors for one in group])
    image = np.repeat(np.arange(len(group)), [len(one) for one in group])
    counts = np.zeros(len(group) * settings.n_words)
    for start in range(0, len(descriptors), _BLOCK_ROWS):
        here = slice(start, start + _BLOCK_ROWS)
        block = descriptors[here] if settings.root_sift else np.divide(descriptors[here], _SIFT_NORM)
        first = image[here] * settings.n_words
        if settings.assignment == "hard":
            labels = label_points(block, words, as_root_sift=settings.root_sift)
            counts += np.bincount(first + labels, minlength=len(counts))
            continue
        nearest, squared_distances = nearest_words(block, words, settings.n_neighbors, as_root_sift=settings.root_sift)
        votes = _share_votes(squared_distances.astype(np.float64), settings.softness)
        counts += np.bincount((first[:, np.newaxis] + nearest).ravel(), votes.ravel(), minlength=len(counts))
    return counts.reshape(len(group), -1).astype(np.float32)


def _share_votes(squared_distances: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
    """Divide one vote a row among its words, (N, m), nearest first (Philbin et al. 2008, section 3.1)."""
    # Relative to the nearest word, so that a descriptor far from all words does not vote 0 / 0.
    votes: NDArray[np.float64] = np.exp((squared_distances[:, :1] - squared_distances) / (2 * softness**2))
    votes /= votes.sum(axis=1, keepdims=True)
    return votes


def _rarity(items: Sequence[LocalFeatures], words: NDArray[np.float32], settings: BovwSettings) -> NDArray[np.float32]:
    n_images = np.zeros(settings.n_words, np.int64)
    prepared = PreparedWords.of(words)
    for group in _groups(items, max(1, _BLOCK_NUMBERS // settings.n_words)):
        n_images += np.count_nonzero(_count(group, prepared, settings), axis=0)
    return idf(n_images, len(items))


def _frozen(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if array.dtype != np.float32 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; these settings need float32 {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
