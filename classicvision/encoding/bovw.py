"""The bag of visual words: an image as a histogram of the words nearest to its descriptors (Csurka et al. 2004)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.codebook import frozen_array
from classicvision.encoding.nearest import PreparedWords, label_points, nearest_words
from classicvision.encoding.normalize import additive_chi2_map, idf, l1, l2
from classicvision.encoding.pyramid import join_cells, n_cells, parse_cells, pool, pooled_names
from classicvision.encoding.vocabulary import as_compared, learn_image_words, word_names
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["BovwCodebook", "BovwSettings"]

_BLOCK_ROWS = 16_384  # descriptors compared with the words per block
_BLOCK_NUMBERS = 2**20  # values of codes per group of images
_CHI2_PARTS = ("", "_cos", "_sin")  # components of the chi-squared map of each word


_Step: TypeAlias = Callable[[NDArray[Any]], NDArray[np.float32]]


def _identity(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    return shares


# The norm of a histogram, the map of its normalised values, and the norm of a sum of codes.
_NORMALIZATIONS: dict[str, tuple[_Step, _Step, _Step]] = {
    "hellinger": (l1, np.sqrt, l2),
    "l2": (l2, _identity, l2),
    "l1": (l1, _identity, l1),
    "chi2": (l1, additive_chi2_map, l2),
}
_WHOLE_IMAGE = ("1x1",)


@dataclass(frozen=True)
class BovwSettings:
    """Settings of the bag of visual words: how the vocabulary is learned and images are encoded.

    Parameters
    ----------
    n_words : int, default 1000
        Size of the vocabulary. Larger vocabularies are more discriminative, and slower to learn and assign.
    n_samples : int, default 100_000
        Descriptors that the vocabulary is learned from, at 128 bytes each. More give slightly better words and take
        proportionally longer.
    assignment : {"hard", "soft"}, default "hard"
        One vote for the nearest word, or a vote shared by the `n_neighbors` nearest ([2]_).
    n_neighbors : int, default 3
        Words that share a soft vote.
    softness : float, default 0.15
        Sigma of the weights ``exp(-d^2 / (2 sigma^2))`` of a soft vote, for descriptors of norm 1. Larger values share
        votes more evenly; towards 0 it becomes hard assignment.
    tf_idf : bool, default False
        Weight each word by its inverse document frequency, so that rare words count more ([3]_).
    normalization : {"hellinger", "l2", "l1", "chi2"}, default "hellinger"
        Normalisation of the histogram. With "hellinger" (square root of the L1-normalised histogram) and "chi2" (a code
        of three times the length) a linear classifier approximates the kernel of that name.
    root_sift : bool, default True
        Compare descriptors as RootSIFT ([4]_) instead of by Euclidean distance.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one histogram per cell ([5]_). More cells encode the layout
        of the image in a proportionally longer code.
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
    .. [1] G. Csurka et al., "Visual categorization with bags of keypoints", ECCV workshop on statistical learning in
           computer vision, 2004.
    .. [2] J. Philbin et al., "Lost in quantization", CVPR 2008, section 3.1. :DOI:`10.1109/CVPR.2008.4587635`
    .. [3] J. Sivic and A. Zisserman, "Video Google", ICCV 2003, section 4. :DOI:`10.1109/ICCV.2003.1238663`
    .. [4] R. Arandjelovic and A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
           :DOI:`10.1109/CVPR.2012.6248018`
    .. [5] S. Lazebnik, C. Schmid and J. Ponce, "Beyond bags of features", CVPR 2006. :DOI:`10.1109/CVPR.2006.68`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import BovwSettings, Sift, read_image
    >>> items = [Sift()(read_image(f"data/held-out/{name}/00.jpg")) for name in ("brick", "coins", "grass")]
    >>> codebook = BovwSettings(n_words=50, cells=("1x1", "2x2")).learn(items, np.random.default_rng(0))
    >>> codebook.encode_all(items).shape  # 50 words in 1 + 4 cells
    (3, 250)
    """

    kind: ClassVar[str] = "bovw"
    version: ClassVar[int] = 1

    n_words: int = 1000
    n_samples: int = 100_000
    assignment: Literal["hard", "soft"] = "hard"
    n_neighbors: int = 3
    softness: float = 0.15
    tf_idf: bool = False
    normalization: Literal["hellinger", "l2", "l1", "chi2"] = "hellinger"
    root_sift: bool = True
    cells: tuple[str, ...] = _WHOLE_IMAGE
    normalize_cells: bool = False
    mirror: bool = False

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_words >= 1, "n_words", self.n_words, "at least 1")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        most = self.n_words if self.assignment == "soft" else math.inf
        require(1 <= self.n_neighbors <= most, "n_neighbors", self.n_neighbors, f"from 1 to n_words, {self.n_words}")
        require(1e-3 <= self.softness <= 1e3, "softness", self.softness, "from 0.001 to 1000")
        parse_cells(self.cells)

    @property
    def n_outputs(self) -> int:
        """Length of a code."""
        n_parts = len(_CHI2_PARTS) if self.normalization == "chi2" else 1
        return n_cells(self.cells) * n_parts * self.n_words

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> BovwCodebook:
        """Learn a vocabulary, and with tf-idf the weights of its words, from training images.

        Parameters
        ----------
        items : sequence of LocalFeatures
            Read one at a time, in one pass, or two with tf-idf.
        rng : numpy.random.Generator
            Draws the sample and the initial words; the same state gives the same codebook.

        Raises
        ------
        NotEnoughDataError
            If the images have fewer distinct descriptors than `n_words`.
        """
        words = learn_image_words(items, self.n_words, rng, n_samples=self.n_samples, as_root_sift=self.root_sift)
        return BovwCodebook(words, _rarity(items, words, self) if self.tf_idf else None, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> BovwCodebook:
        """Return a codebook from the result of its `to_arrays`; a ValueError says what does not fit."""
        if "words" not in arrays:
            raise ValueError("a codebook needs the array 'words'")
        return BovwCodebook(arrays["words"], arrays.get("idf"), self)


@dataclass(frozen=True, eq=False)
class BovwCodebook:
    """A learned vocabulary, which encodes images as histograms of its words. Arrays are read-only.

    Parameters
    ----------
    words : (n_words, 128) float32
        In the space of RootSIFT or, with ``root_sift=False``, of SIFT divided by 512.
    idf : (n_words,) float32 or None
        Inverse document frequency of each word; None without tf-idf.
    settings : BovwSettings

    Raises
    ------
    ValueError
        If the arrays do not fit the settings.

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import BovwSettings, Sift, read_image
    >>> features = Sift()(read_image("data/held-out/coins/00.jpg"))
    >>> codebook = BovwSettings(n_words=20).learn([features], np.random.default_rng(0))
    >>> int(codebook.count(features).sum()) == len(features)  # one vote per descriptor
    True
    >>> bool(np.isclose(np.linalg.norm(codebook.encode(features)), 1))
    True
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
        """Length of a code."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each component of a code: ``word_0042``, or ``word_0042_cos`` with "chi2".

        With several cells the name starts with the cell: ``cell_2x2_0_1_word_0042``.
        """
        parts = _CHI2_PARTS if self.settings.normalization == "chi2" else ("",)
        names = word_names(self.settings.n_words)
        return pooled_names(self.settings.cells, [name + part for part in parts for name in names])

    def count(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the number of votes for each word, (n_words,); each descriptor has one vote in total."""
        ((counts,),) = _count([features], self._prepared, self.settings, _WHOLE_IMAGE)
        return np.asarray(counts)

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        return self._encode_group([features])[0]

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); small groups of items are read together."""
        codes = np.empty((len(items), self.n_outputs), np.float32)
        n_done = 0
        for group in _groups(items, max(1, _BLOCK_NUMBERS // self.n_outputs)):
            for code in self._encode_group(group):
                codes[n_done] = code
                n_done += 1
        return codes

    def _encode_group(self, group: Sequence[LocalFeatures]) -> list[NDArray[np.float32]]:
        """Return the code of each image of a group."""
        codes = self._encode_cells(group)
        if not self.settings.mirror:
            return codes
        divide_sum = _NORMALIZATIONS[self.settings.normalization][2]
        mirrored = self._encode_cells([features.mirrored() for features in group])
        return [divide_sum(code + of_mirror) for code, of_mirror in zip(codes, mirrored, strict=True)]

    def _encode_cells(self, group: Sequence[LocalFeatures]) -> list[NDArray[np.float32]]:
        """Return the codes of images without those of their mirror images."""
        counts = _count(group, self._prepared, self.settings, self.settings.cells)
        return [self._weigh(of_cells) for of_cells in counts]

    def _weigh(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the code of an image, given its votes (n_cells, n_words)."""
        weighted = counts if self.idf is None else counts * self.idf
        divide, convert, divide_sum = _NORMALIZATIONS[self.settings.normalization]
        if self.settings.normalize_cells:
            return join_cells(convert(divide(weighted)), divide_sum)
        shares = divide(weighted.reshape(-1)).reshape(weighted.shape)
        return convert(shares).reshape(-1)

    @cached_property
    def _prepared(self) -> PreparedWords:
        return PreparedWords.of(self.words)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the learned arrays by name."""
        return {"words": self.words} if self.idf is None else {"words": self.words, "idf": self.idf}


def _groups(items: Iterable[LocalFeatures], n_most: int) -> Iterator[list[LocalFeatures]]:
    """Yield groups of at most `n_most` consecutive images whose descriptors fit into a block."""
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


def _count(
    group: Sequence[LocalFeatures], words: PreparedWords, settings: BovwSettings, cells: tuple[str, ...]
) -> list[NDArray[np.float32]]:
    """Return the votes of each image for each word, (n_cells, n_words).

    Small images are processed together, since a search costs about as much for a few images as for one. Large ones are
    processed in blocks, since a dense grid may have a million descriptors.
    """
    stored = group[0].descriptors if len(group) == 1 else np.concatenate([one.descriptors for one in group])
    blocks = [
        _vote(stored[at : at + _BLOCK_ROWS], words, settings) for at in range(0, max(len(stored), 1), _BLOCK_ROWS)
    ]
    chosen, votes = (
        np.concatenate(columns) if len(blocks) > 1 else columns[0] for columns in zip(*blocks, strict=True)
    )
    counts, first = [], 0
    for features in group:
        own = slice(first, first := first + len(features))
        histogram = partial(_histogram, chosen[own], votes[own], settings.n_words)
        # For a single cell, sorting the descriptors into cells would take longer than counting.
        of_cells = histogram(slice(None))[np.newaxis] if cells == _WHOLE_IMAGE else pool(features, cells, histogram)
        counts.append(of_cells.astype(np.float32))
    return counts


def _histogram(
    chosen: NDArray[np.int32], votes: NDArray[np.float64], n_words: int, rows: NDArray[np.intp] | slice
) -> NDArray[np.float64]:
    """Return the votes of the given rows for each word, (n_words,)."""
    counts: NDArray[Any] = np.bincount(chosen[rows].ravel(), votes[rows].ravel(), minlength=n_words)
    return counts


def _vote(
    stored: NDArray[np.uint8], words: PreparedWords, settings: BovwSettings
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the words that descriptors (N, 128) vote for, (N, m), and the weights of these votes."""
    descriptors = as_compared(stored, as_root_sift=settings.root_sift)
    if settings.assignment == "hard":
        labels = label_points(descriptors, words, as_root_sift=settings.root_sift)
        return labels[:, np.newaxis], np.ones((len(labels), 1))
    nearest, squared_distances = nearest_words(
        descriptors, words, settings.n_neighbors, as_root_sift=settings.root_sift
    )
    return nearest, _share_votes(squared_distances.astype(np.float64), settings.softness)


def _share_votes(squared_distances: NDArray[np.float64], softness: float) -> NDArray[np.float64]:
    """Divide the vote of each row among its words, (N, m), nearest first (Philbin et al. 2008, section 3.1)."""
    # Relative to the nearest word, to avoid 0 / 0 for descriptors far from all words.
    votes: NDArray[np.float64] = np.exp((squared_distances[:, :1] - squared_distances) / (2 * softness**2))
    votes /= votes.sum(axis=1, keepdims=True)
    return votes


def _rarity(items: Sequence[LocalFeatures], words: NDArray[np.float32], settings: BovwSettings) -> NDArray[np.float32]:
    n_images = np.zeros(settings.n_words, np.int64)
    prepared = PreparedWords.of(words)
    for features in items:
        n_images += _count([features], prepared, settings, _WHOLE_IMAGE)[0][0] > 0
    return idf(n_images, len(items))
