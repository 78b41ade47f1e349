"""The visual words of an index: the word nearest to a descriptor, and 64 bits for its place within the word.

The words are closed under mirroring: word K/2 + w is the mirror image of word w. So the words of a mirrored query need
no second nearest-word search. The 64 bits are a Hamming embedding (Jegou, Douze and Schmid 2008, section 3.1): signs of
projections against the median of the word. Descriptors are RootSIFT in bytes and projections are integers, so the bits
are exact on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.encoding.nearest import PreparedWords, label_points
from classicvision.encoding.vocabulary import learn_words, sample_descriptors
from classicvision.features.local import DESCRIPTOR_SIZE, MIRRORED_BINS, LocalFeatures
from classicvision.features.rootsift import root_sift_bytes

__all__ = ["N_BITS", "QuantizedFeatures", "Vocabulary", "learn_vocabulary", "words_for"]

N_BITS = 64
DESCRIPTORS_PER_WORD = 40  # of the sample; fewer give words and medians that follow single descriptors
N_PASSES = 6  # of k-means; more passes move the words very little

_BLOCK_ROWS = 8192


@dataclass(frozen=True, eq=False)
class QuantizedFeatures:
    """N descriptors as the index stores them to search for them: words and signatures.

    Attributes
    ----------
    words : (N,) int32
    signatures : (N,) uint64
    """

    words: NDArray[np.int32]
    signatures: NDArray[np.uint64]

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """Return those chosen by a mask, a slice or an index array."""
        return type(self)(self.words[rows], self.signatures[rows])


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """K words and the medians of their projections.

    Attributes
    ----------
    words : (K, 128) float32
        In the space of RootSIFT bytes; the second half is the mirror image of the first.
    medians : (K, 64) float32
        Of the projections of each word's descriptors.
    projection : (64, 128) int8
        Orthogonal rows, up to rounding.

    Raises
    ------
    ValueError
        If the shapes are inconsistent, or the words are not closed under mirroring.
    """

    words: NDArray[np.float32]
    medians: NDArray[np.float32]
    projection: NDArray[np.int8]

    def __post_init__(self) -> None:
        n = len(self.words)
        wanted = {
            "words": (np.float32, (n, DESCRIPTOR_SIZE)),
            "medians": (np.float32, (n, N_BITS)),
            "projection": (np.int8, (N_BITS, DESCRIPTOR_SIZE)),
        }
        for name, (dtype, shape) in wanted.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} is {array.dtype} {array.shape}; expected finite {np.dtype(dtype)} {shape}")
        if n < 2 or n % 2 or not np.array_equal(self.words[n // 2 :], self.words[: n // 2, MIRRORED_BINS]):
            raise ValueError("the second half of the words is not the mirror image of the first half")

    def __len__(self) -> int:
        return len(self.words)

    def quantize(self, descriptors: NDArray[np.uint8], *, n_threads: int = 1) -> QuantizedFeatures:
        """Return the word and the signature of each SIFT descriptor (N, 128)."""
        descriptors = root_sift_bytes(descriptors)
        words = _label(descriptors, self._prepared, n_threads)
        return QuantizedFeatures(words, self._signatures(descriptors, words))

    def quantize_mirrored(self, descriptors: NDArray[np.uint8], upright: QuantizedFeatures) -> QuantizedFeatures:
        """Return what `quantize` returns for the mirrored descriptors, given its result for them upright."""
        words = self.mirrored_words(upright.words)
        return QuantizedFeatures(words, self._signatures(root_sift_bytes(descriptors)[:, MIRRORED_BINS], words))

    def mirrored_words(self, words: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the words of the mirrored descriptors of these words."""
        return (words + np.int32(len(self) // 2)) % np.int32(len(self))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as plain arrays, with the first half of the words only."""
        return {"words": self.words[: len(self) // 2], "medians": self.medians, "projection": self.projection}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a vocabulary from the arrays of `to_arrays`; a ValueError names what is wrong with them."""
        if lacking := {"words", "medians", "projection"} - arrays.keys():
            raise ValueError(f"a vocabulary needs the array(s) {', '.join(sorted(lacking))}")
        half = arrays["words"]
        if half.ndim != 2 or half.shape[1] != DESCRIPTOR_SIZE:
            raise ValueError(f"words are {half.shape}; expected (K/2, {DESCRIPTOR_SIZE})")
        words = np.concatenate([half, half[:, MIRRORED_BINS]])
        return cls(words, arrays["medians"], arrays["projection"])

    def _signatures(self, descriptors: NDArray[np.uint8], words: NDArray[np.int32]) -> NDArray[np.uint64]:
        signatures = np.empty(len(descriptors), np.uint64)
        for start in range(0, len(descriptors), _BLOCK_ROWS):
            here = slice(start, start + _BLOCK_ROWS)
            bits = _project(descriptors[here], self.projection) > self.medians[words[here]]
            signatures[here] = np.packbits(bits, axis=1, bitorder="little").view("<u8")[:, 0]
        return signatures

    @cached_property
    def _prepared(self) -> PreparedWords:
        return PreparedWords.of(self.words)


def learn_vocabulary(
    items: Iterable[LocalFeatures], n_words: int, n_samples: int, rng: np.random.Generator, *, n_threads: int = 1
) -> Vocabulary:
    """Learn words from a sample of the descriptors of a library.

    The sample has at least 40 descriptors per word, and no more words than distinct descriptors. So a small library
    gets fewer words than `n_words`, but at least 2.

    Parameters
    ----------
    items : iterable of LocalFeatures
        Read one by one.
    n_words : int
        At most, an even number.
    n_samples : int
        Descriptors that are sampled; more give better words and take longer.
    rng : numpy.random.Generator
    n_threads : int
        More are faster; the result is the same.
    """
    sample = root_sift_bytes(sample_descriptors(items, n_samples, rng))
    projection = _draw_projection(rng)
    upright = _folded(sample)
    half = words_for(len(sample), n_words) // 2
    half = _count_different(upright, half)  # equal or flat images have few
    if half == 0:
        words = np.zeros((1, DESCRIPTOR_SIZE), np.float32)
    else:
        words = learn_words(upright, half, rng, max_iterations=N_PASSES, n_threads=n_threads)
    words = np.concatenate([words, words[:, MIRRORED_BINS]])
    labels = _label(sample, PreparedWords.of(words), n_threads)
    return Vocabulary(words, _medians(sample, labels, words, projection), projection)


def words_for(n_descriptors: int, n_words: int) -> int:
    """Return how many words a sample of descriptors is enough for: one per 40 descriptors, at most `n_words`."""
    return max(min(n_words, n_descriptors // DESCRIPTORS_PER_WORD) // 2, 1) * 2


def _count_different(descriptors: NDArray[np.uint8], most: int) -> int:
    """Return how many descriptors are distinct, or `most` if there are more; mostly the first few thousand decide."""
    seen: set[bytes] = set()
    for block in _blocks(descriptors):
        seen.update(map(bytes, block))
        if len(seen) >= most:
            return most
    return len(seen)


def _folded(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return each descriptor or its mirror image, whichever is on one fixed side of a plane between the two.

    Words are learned on that side; mirrored they cover the other. The plane is orthogonal to the direction in which
    descriptors and their mirror images differ most, so that few are near it.
    """
    covariance = np.zeros((DESCRIPTOR_SIZE, DESCRIPTOR_SIZE))
    for block in _blocks(descriptors):
        difference = block.astype(np.float64) - block[:, MIRRORED_BINS]
        covariance += difference.T @ difference
    axis = np.rint(np.linalg.eigh(covariance)[1][:, -1] * 2**10)  # integers: the same side on every machine
    side = [block @ axis - block[:, MIRRORED_BINS] @ axis for block in _blocks(descriptors)]
    keep = np.concatenate([*side, np.zeros(0)]) >= 0
    return np.where(keep[:, np.newaxis], descriptors, descriptors[:, MIRRORED_BINS])


def _draw_projection(rng: np.random.Generator) -> NDArray[np.int8]:
    """Return orthogonal directions (64, 128), rounded to bytes (Jegou, Douze and Schmid 2008, section 3.1)."""
    orthogonal = np.linalg.qr(rng.normal(size=(DESCRIPTOR_SIZE, N_BITS)))[0].T
    rounded = np.rint(orthogonal * 400)  # an element of a direction is about 0.09
    projection: NDArray[np.int8] = np.clip(rounded, -127, 127).astype(np.int8)
    return projection


def _project(descriptors: NDArray[np.uint8], projection: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the projections (N, 64): integers below 128 * 127 * 255 < 2^24, so float32 represents them exactly."""
    product: NDArray[np.float32] = descriptors.astype(np.float32) @ projection.T.astype(np.float32)
    return product


def _medians(
    sample: NDArray[np.uint8], labels: NDArray[np.int32], words: NDArray[np.float32], projection: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Return the medians of the projections of each word's descriptors, (K, 64).

    A word counts as one of its descriptors, so each has at least one. By symmetry the mirrored descriptors of a word
    are those of its mirror image: each pair of words is computed from both sets together.
    """
    half = len(words) // 2
    medians = words @ projection.T.astype(np.float32)
    order = np.argsort(labels % half, kind="stable")
    ends = np.cumsum(np.bincount(labels % half, minlength=half))
    for word, rows in enumerate(np.split(order, ends[:-1])):
        upright = sample[rows]
        upright = np.where((labels[rows] < half)[:, np.newaxis], upright, upright[:, MIRRORED_BINS])
        for row, members in ((word, upright), (word + half, upright[:, MIRRORED_BINS])):
            medians[row] = np.median(np.vstack([medians[row], _project(members, projection)]), axis=0)
    return medians


def _label(descriptors: NDArray[np.uint8], words: PreparedWords, n_threads: int) -> NDArray[np.int32]:
    """Return the nearest word of each descriptor, (N,)."""
    blocks = _blocks(descriptors)
    if n_threads == 1:  # starting a thread can cost as much as a query's search
        return np.concatenate([np.zeros(0, np.int32), *(label_points(b.astype(np.float32), words) for b in blocks)])
    with ThreadPoolExecutor(n_threads) as pool:
        found = pool.map(lambda block: label_points(block.astype(np.float32), words), blocks)
        return np.concatenate([np.zeros(0, np.int32), *found])


def _blocks(descriptors: NDArray[np.uint8]) -> Iterable[NDArray[np.uint8]]:
    return (descriptors[start : start + _BLOCK_ROWS] for start in range(0, len(descriptors), _BLOCK_ROWS))
