"""VLAD: what the points of an image differ by from their visual words, added up (Jegou et al. 2010).

The residuals of the points of each word are added up; each sum is brought to length 1 (Arandjelovic and Zisserman 2013,
section 3.1), so that no repeated pattern outweighs the rest, and the whole gets a signed root and length 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.codebook import encode_each, frozen_array
from classicvision.encoding.nearest import PreparedWords, label_points
from classicvision.encoding.normalize import l2, signed_power
from classicvision.encoding.pca import Projection, learn_projection
from classicvision.encoding.pyramid import join_cells, mirrored_sum, n_cells, parse_cells, pool, pooled_names
from classicvision.encoding.vocabulary import learn_words, sample_places, word_names
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["VladCodebook", "VladSettings", "add_residuals"]


@dataclass(frozen=True)
class VladSettings:
    """How words are learned and residuals are added up.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.
    """

    kind: ClassVar[str] = "vlad"
    version: ClassVar[int] = 2

    n_words: int = 256  # size of the vocabulary
    n_dims: int = 80  # principal directions of the descriptors
    n_samples: int = 250_000  # descriptors to learn from; about 500 bytes each
    xy: bool = True  # append the place in the image to the descriptors
    whiten: bool = False  # give all directions the same deviation before words are learned
    intra_norm: bool = True  # bring the sum of each word to length 1
    power: float = 0.5  # exponent of each number's size after that; 1 leaves them
    cells: tuple[str, ...] = ("1x1",)  # grids of a spatial pyramid, rows x columns
    mirror: bool = False  # add the code of the mirror image
    root_sift: bool = True  # describe by RootSIFT (Arandjelovic and Zisserman 2012)

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_words >= 1, "n_words", self.n_words, "at least 1")
        require(1 <= self.n_dims <= DESCRIPTOR_SIZE, "n_dims", self.n_dims, f"from 1 to {DESCRIPTOR_SIZE}")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        require(0 < self.power <= 1, "power", self.power, "above 0 and at most 1")
        parse_cells(self.cells)

    @property
    def n_outputs(self) -> int:
        """Numbers in a code: those of a point for each word and cell."""
        return n_cells(self.cells) * self.n_words * (self.n_dims + 2 * self.xy)

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> VladCodebook:
        """Learn the principal directions and the words from the images of a training set.

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
        descriptors, places = sample_places(items, self.n_samples, rng)
        projection = learn_projection(
            descriptors, self.n_dims, whiten=self.whiten, xy=self.xy, as_root_sift=self.root_sift
        )
        words = learn_words(projection.points_of(descriptors, places), self.n_words, rng)
        return VladCodebook(projection, words, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VladCodebook:
        """Rebuild a codebook from what its `to_arrays` returned; a ValueError says what does not fit."""
        projection = Projection.from_arrays(arrays, self.n_dims, xy=self.xy, as_root_sift=self.root_sift)
        if "words" not in arrays:
            raise ValueError("a codebook needs the array 'words'")
        return VladCodebook(projection, arrays["words"], self)


@dataclass(frozen=True, eq=False)
class VladCodebook:
    """Learned words, and the VLAD of an image by them.

    Attributes
    ----------
    projection : Projection
        From descriptors to points of D numbers.
    words : (n_words, D) float32
    settings : VladSettings

    Raises
    ------
    ValueError
        If words, projection and settings do not fit each other.
    """

    projection: Projection
    words: NDArray[np.float32]
    settings: VladSettings

    def __post_init__(self) -> None:
        width = self.settings.n_dims + 2 * self.settings.xy
        if self.projection.n_outputs != width:
            raise ValueError(f"points of {self.projection.n_outputs} numbers do not fit these settings: {width}")
        object.__setattr__(self, "words", frozen_array("words", self.words, (self.settings.n_words, width)))

    @property
    def n_outputs(self) -> int:
        """Numbers in a code: those of the words for each cell."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each number: ``word_0017_003`` for number 3 of the residuals of word 17."""
        n_words, n_dims = self.words.shape
        names = [f"{word}_{number:03d}" for word in word_names(n_words) for number in range(n_dims)]
        return pooled_names(self.settings.cells, names)

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        return mirrored_sum(features, self._encode) if self.settings.mirror else self._encode(features)

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); the images are looked at one by one."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as plain arrays."""
        return self.projection.to_arrays() | {"words": self.words}

    @cached_property
    def _prepared(self) -> PreparedWords:
        return PreparedWords.of(self.words)

    def _encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        points = self.projection.points(features)
        labels = label_points(points, self._prepared)

        def encode_rows(rows: NDArray[np.intp]) -> NDArray[np.float32]:
            sums = add_residuals(points[rows], labels[rows], self.words)
            each = l2(sums) if self.settings.intra_norm else sums.astype(np.float32)
            return l2(signed_power(each.ravel(), self.settings.power))

        return join_cells(pool(features, self.settings.cells, encode_rows))


def add_residuals(
    points: NDArray[np.float32], labels: NDArray[np.int32], words: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the sum of point minus word over the points of each word, (K, D).

    Parameters
    ----------
    points : (N, D) float32
    labels : (N,) int32
        The word of each point.
    words : (K, D) float32
    """
    sums = np.zeros(words.shape)
    order = np.argsort(labels, kind="stable")
    here, begins = np.unique(labels[order], return_index=True)
    if len(here):
        residuals = points[order].astype(np.float64) - words[labels[order]]
        sums[here] = np.add.reduceat(residuals, begins)
    return sums
