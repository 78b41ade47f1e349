"""Locality-constrained linear coding: descriptors as linear combinations of their nearest words (Wang et al. 2010).

Instead of the nearest word, a descriptor votes for its k nearest words, with the weights of sum 1 that approximate it
best. The code of an image has the maximum or the sum of these weights for each word.
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

_BLOCK_ROWS = 2048  # descriptors per block of linear systems: a few hundred KiB
_BLOCK_WORDS = 512  # words per block of the distance table
_MOST_WORDS = 8192  # limits the table of their distances to 256 MiB


@dataclass(frozen=True)
class LlcSettings:
    """Settings of locality-constrained linear coding.

    Parameters
    ----------
    n_words : int, default 1024
        Size of the vocabulary, at most 8192. Larger vocabularies are more discriminative and slower.
    n_samples : int, default 100_000
        Descriptors that the vocabulary is learned from, at 128 bytes each.
    n_neighbors : int, default 5
        Words that approximate a descriptor, at most 64; 5 is the published choice ([1]_). More approximate it better
        but less locally, and take longer.
    regularization : float, default 1e-4
        Regularisation of the weights, relative to the squared distances of the words. Larger values make the weights
        more equal; 1e-4 is that of the authors' code.
    pooling : {"max", "sum"}, default "max"
        How the weights of a word are pooled over an image. "max", as published ([1]_), is robust to frequent patterns.
    root_sift : bool, default True
        Compare descriptors as RootSIFT instead of by Euclidean distance.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one code per cell. More cells encode the layout of the image
        in a proportionally longer code.
    normalize_cells : bool, default False
        Normalise each cell separately, so that a cell with few keypoints weighs as much as one with many.
    mirror : bool, default False
        Add the code of the mirrored image, so that an image and its mirror image have the same code.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.

    References
    ----------
    .. [1] J. Wang et al., "Locality-constrained linear coding for image classification", CVPR 2010.
           :DOI:`10.1109/CVPR.2010.5540018`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, LlcSettings, read_image
    >>> items = [DenseSift(step=8)(read_image(f"data/held-out/{name}/00.jpg")) for name in ("brick", "grass")]
    >>> codebook = LlcSettings(n_words=50).learn(items, np.random.default_rng(0))
    >>> codebook.encode_all(items).shape
    (2, 50)
    """

    kind: ClassVar[str] = "llc"
    version: ClassVar[int] = 1

    n_words: int = 1024
    n_samples: int = 100_000
    n_neighbors: int = 5
    regularization: float = 1e-4
    pooling: Literal["max", "sum"] = "max"
    root_sift: bool = True
    cells: tuple[str, ...] = ("1x1",)
    normalize_cells: bool = False
    mirror: bool = False

    def __post_init__(self) -> None:
        validate(self)
        require(1 <= self.n_words <= _MOST_WORDS, "n_words", self.n_words, f"from 1 to {_MOST_WORDS}")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        most = min(self.n_words, 64)
        require(1 <= self.n_neighbors <= most, "n_neighbors", self.n_neighbors, f"from 1 to {most}")
        # Below this, rounding errors of float32 dominate the solution.
        require(1e-5 <= self.regularization <= 1e5, "regularization", self.regularization, "from 0.00001 to 100000")
        parse_cells(self.cells)

    @property
    def n_outputs(self) -> int:
        """Length of a code."""
        return n_cells(self.cells) * self.n_words

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> LlcCodebook:
        """Learn a vocabulary from training images.

        Parameters
        ----------
        items : sequence of LocalFeatures
            Read one at a time, in a single pass.
        rng : numpy.random.Generator
            Draws the sample and the initial words; the same state gives the same codebook.

        Raises
        ------
        NotEnoughDataError
            If the images have fewer distinct descriptors than `n_words`.
        """
        words = learn_image_words(items, self.n_words, rng, n_samples=self.n_samples, as_root_sift=self.root_sift)
        return LlcCodebook(words, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> LlcCodebook:
        """Return a codebook from the result of its `to_arrays`; a ValueError says what does not fit."""
        if "words" not in arrays:
            raise ValueError("a codebook needs the array 'words'")
        return LlcCodebook(arrays["words"], self)


@dataclass(frozen=True, eq=False)
class LlcCodebook:
    """A learned vocabulary, which encodes images by locality-constrained linear coding. Arrays are read-only.

    Parameters
    ----------
    words : (n_words, 128) float32
        In the space of RootSIFT or, with ``root_sift=False``, of SIFT divided by 512.
    settings : LlcSettings

    Raises
    ------
    ValueError
        If the words do not fit the settings.

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, LlcSettings, read_image
    >>> features = DenseSift(step=8)(read_image("data/held-out/brick/00.jpg"))
    >>> codebook = LlcSettings(n_words=20, n_neighbors=3).learn([features], np.random.default_rng(0))
    >>> words, weights = codebook.mix(features)
    >>> words.shape == (len(features), 3), bool(np.allclose(weights.sum(axis=1), 1, atol=1e-5))
    (True, True)
    """

    words: NDArray[np.float32]
    settings: LlcSettings

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozen_array("words", self.words, (self.settings.n_words, DESCRIPTOR_SIZE)))

    @property
    def n_outputs(self) -> int:
        """Length of a code."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each component of a code: ``word_0042``, with several cells ``cell_2x2_0_1_word_0042``."""
        return pooled_names(self.settings.cells, word_names(self.settings.n_words))

    def mix(self, features: LocalFeatures) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the nearest words of N descriptors and their weights, both (N, n_neighbors), nearest first."""
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
        """Return the codes of N images, (N, n_outputs); items are read one at a time."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the learned arrays by name."""
        return {"words": self.words}

    def _encode_cells(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image without that of its mirror image."""
        pool_rows = partial(_POOLS[self.settings.pooling], *self.mix(features), self.settings.n_words)
        pooled = pool(features, self.settings.cells, pool_rows)
        return join_cells(l2(pooled)) if self.settings.normalize_cells else l2(pooled.reshape(-1))

    @cached_property
    def _prepared(self) -> PreparedWords:
        return PreparedWords.of(self.words)

    @cached_property
    def _between(self) -> NDArray[np.float32]:
        """Squared distances between the words, (K, K)."""
        from threadpoolctl import threadpool_limits

        words = self.words.astype(np.float64)
        squared_norms = np.einsum("ij,ij->i", words, words)
        table = np.empty((len(words), len(words)), np.float32)
        with threadpool_limits(1):  # the rounding of sums depends on the number of threads
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
        Between each descriptor x and its words b.
    between : (k, k, N) array
        Squared distances between the words of each descriptor.
    regularization : float
        Lambda of Wang et al. (2010); their code uses 1e-4.

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
    """Solve N symmetric positive definite systems (k, k, N) for a right-hand side of ones, in place; return (k, N).

    Gaussian elimination without pivoting (Golub and Van Loan 2013, section 4.1), vectorised over the N systems.
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
    """Return the largest weight of each word in the given rows, (n_words,); 0 for words that no row uses."""
    largest = np.zeros(n_words, np.float32)
    np.maximum.at(largest, chosen[rows].ravel(), weights[rows].ravel())
    return largest


def _pool_sum(
    chosen: NDArray[np.int32], weights: NDArray[np.float32], n_words: int, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the sum of the weights of each word in the given rows, (n_words,)."""
    return np.bincount(chosen[rows].ravel(), weights[rows].ravel(), minlength=n_words).astype(np.float32)


_POOLS = {"max": _pool_max, "sum": _pool_sum}
