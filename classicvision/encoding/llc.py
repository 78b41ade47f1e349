"""Locality-constrained linear coding: a descriptor as a mixture of its nearest words (Wang et al. 2010).

Where a bag of words says which word is nearest, this code says with which weights, of sum 1, the k nearest words
approximate the descriptor best. Of each word an image keeps the largest weight, or the sum of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.codebook import encode_each, frozen_array
from classicvision.encoding.nearest import PreparedWords, nearest_words
from classicvision.encoding.normalize import l2
from classicvision.encoding.pyramid import join_cells, mirrored_sum, n_cells, parse_cells, pool, pooled_names
from classicvision.encoding.vocabulary import as_compared, learn_image_words, word_names
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["LlcCodebook", "LlcSettings", "mix_words"]

_BLOCK_ROWS = 2048  # descriptors whose equations are solved at a time: some hundred KiB
_BLOCK_WORDS = 512  # words whose distances to all others are computed at a time
_MOST_WORDS = 8192  # their distances to each other are held: 256 MiB


@dataclass(frozen=True)
class LlcSettings:
    """How words are learned and mixed.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.
    """

    kind: ClassVar[str] = "llc"
    version: ClassVar[int] = 1

    n_words: int = 1024  # size of the vocabulary
    n_samples: int = 100_000  # descriptors to learn it from; 128 bytes each
    n_neighbors: int = 5  # words that are mixed
    regularization: float = 1e-4  # of the weights, relative to the squared distances of the words mixed
    pooling: Literal["max", "sum"] = "max"  # what remains of the weights that a word has in an image
    root_sift: bool = True  # compare descriptors by Hellinger's distance (Arandjelovic and Zisserman 2012)
    cells: tuple[str, ...] = ("1x1",)  # grids, rows x columns, with a code a cell (Lazebnik et al. 2006)
    normalize_cells: bool = False  # each cell by itself first: a bare one then weighs as much as a full one
    mirror: bool = False  # add the code of the mirror image: both then have the same code

    def __post_init__(self) -> None:
        validate(self)
        require(1 <= self.n_words <= _MOST_WORDS, "n_words", self.n_words, f"from 1 to {_MOST_WORDS}")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        most = min(self.n_words, 64)
        require(1 <= self.n_neighbors <= most, "n_neighbors", self.n_neighbors, f"from 1 to {most}")
        # Below, the digits of float32 decide and not the equations.
        require(1e-5 <= self.regularization <= 1e5, "regularization", self.regularization, "from 0.00001 to 100000")
        parse_cells(self.cells)

    @property
    def n_outputs(self) -> int:
        """Numbers in a code."""
        return n_cells(self.cells) * self.n_words

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> LlcCodebook:
        """Learn a vocabulary from the images of a training set.

        Parameters
        ----------
        items : sequence of LocalFeatures
            Read one at a time, once.
        rng : numpy.random.Generator

        Raises
        ------
        NotEnoughDataError
            If the images have fewer different descriptors than `n_words`.
        """
        words = learn_image_words(items, self.n_words, rng, n_samples=self.n_samples, as_root_sift=self.root_sift)
        return LlcCodebook(words, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> LlcCodebook:
        """Rebuild a codebook from the result of its `to_arrays`; a ValueError says what does not fit."""
        if "words" not in arrays:
            raise ValueError("a codebook needs the array 'words'")
        return LlcCodebook(arrays["words"], self)


@dataclass(frozen=True, eq=False)
class LlcCodebook:
    """A learned vocabulary, and the code of an image by it. Read-only arrays.

    Attributes
    ----------
    words : (n_words, 128) float32
        In the space of RootSIFT, or of SIFT divided by 512, as the settings say.
    settings : LlcSettings

    Raises
    ------
    ValueError
        If the words do not fit the settings.
    """

    words: NDArray[np.float32]
    settings: LlcSettings

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozen_array("words", self.words, (self.settings.n_words, DESCRIPTOR_SIZE)))

    @property
    def n_outputs(self) -> int:
        """Numbers in a code."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each number of a code: ``word_0042``, with several cells ``cell_2x2_0_1_word_0042``."""
        return pooled_names(self.settings.cells, word_names(self.settings.n_words))

    def mix(self, features: LocalFeatures) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the words nearest to each of N descriptors and their weights, (N, n_neighbors) each, nearest first."""
        n_neighbors, as_root_sift = self.settings.n_neighbors, self.settings.root_sift
        chosen = np.empty((len(features), n_neighbors), np.int32)
        weights = np.empty((len(features), n_neighbors), np.float32)
        for start in range(0, len(features), _BLOCK_ROWS):
            here = slice(start, start + _BLOCK_ROWS)
            descriptors = as_compared(features.descriptors[here], as_root_sift=as_root_sift)
            chosen[here], squared = nearest_words(descriptors, self._prepared, n_neighbors, as_root_sift=as_root_sift)
            between = self._between[chosen[here].T[:, np.newaxis], chosen[here].T]
            weights[here] = mix_words(squared.T, between, self.settings.regularization).T
        return chosen, weights

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        return mirrored_sum(features, self._encode_cells) if self.settings.mirror else self._encode_cells(features)

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); the images are looked at one by one."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as plain arrays."""
        return {"words": self.words}

    def _encode_cells(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image as it is, without its mirror image."""
        pool_rows = partial(_POOLS[self.settings.pooling], *self.mix(features), self.settings.n_words)
        pooled = pool(features, self.settings.cells, pool_rows)
        return join_cells(l2(pooled)) if self.settings.normalize_cells else l2(pooled.reshape(-1))

    @cached_property
    def _prepared(self) -> PreparedWords:
        return PreparedWords.of(self.words)

    @cached_property
    def _between(self) -> NDArray[np.float32]:
        """Squared distances of the words from each other, (K, K)."""
        from threadpoolctl import threadpool_limits

        words = self.words.astype(np.float64)
        squared_norms = np.einsum("ij,ij->i", words, words)
        table = np.empty((len(words), len(words)), np.float32)
        with threadpool_limits(1):  # sums of floats depend on how threads divide them
            for start in range(0, len(words), _BLOCK_WORDS):
                rows = slice(start, start + _BLOCK_WORDS)
                squared = squared_norms[rows, np.newaxis] + squared_norms - 2 * (words[rows] @ words.T)
                table[rows] = np.maximum(squared, 0)
        np.fill_diagonal(table, 0)
        return table


def mix_words(
    squared_distances: NDArray[np.floating], between: NDArray[np.floating], regularization: float
) -> NDArray[np.float64]:
    """Return the weights of sum 1 with which k words approximate each of N descriptors best.

    Parameters
    ----------
    squared_distances : (k, N) array
        Of each descriptor x from its words b.
    between : (k, k, N) array
        Squared distances of its words from each other.
    regularization : float
        Wang et al. (2010) call it lambda; their programs have 1e-4.

    Returns
    -------
    (k, N) float64
        Equal weights for a descriptor that equals all its words.
    """
    squared = squared_distances.astype(np.float64)
    # Wang et al. (2010), equation 7: the covariances (b_i - x) . (b_j - x), here by the law of cosines.
    covariances = (squared[:, np.newaxis] + squared - between) / 2
    trace = squared.sum(axis=0)
    diagonal = np.arange(len(squared))
    covariances[diagonal, diagonal] += np.where(trace > 0, regularization * trace, 1.0)
    weights = _solve_for_ones(covariances)
    weights /= weights.sum(axis=0)
    return weights


def _solve_for_ones(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve N symmetric positive definite systems (k, k, N) with ones at the right, in place; returns (k, N).

    Elimination without exchanges (Golub and Van Loan 2013, section 4.1), all systems abreast: N is large and k small.
    """
    k = len(matrices)
    solution = np.ones((k, matrices.shape[2]))
    for j in range(k):
        for i in range(j + 1, k):
            factor = matrices[i, j] / matrices[j, j]
            matrices[i, j + 1 :] -= factor * matrices[j, j + 1 :]
            solution[i] -= factor * solution[j]
    for j in reversed(range(k)):
        solution[j] -= np.einsum("in,in->n", matrices[j, j + 1 :], solution[j + 1 :])
        solution[j] /= matrices[j, j]
    return solution


def _pool_max(
    chosen: NDArray[np.int32], weights: NDArray[np.float32], n_words: int, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the largest weight of each word in some rows, (n_words,); a word that was not chosen has the weight 0."""
    largest = np.zeros(n_words, np.float32)
    np.maximum.at(largest, chosen[rows].ravel(), weights[rows].ravel())
    return largest


def _pool_sum(
    chosen: NDArray[np.int32], weights: NDArray[np.float32], n_words: int, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the sum of the weights of each word in some rows, (n_words,)."""
    return np.bincount(chosen[rows].ravel(), weights[rows].ravel(), minlength=n_words).astype(np.float32)


_POOLS = {"max": _pool_max, "sum": _pool_sum}
