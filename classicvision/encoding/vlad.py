"""VLAD, the vector of locally aggregated descriptors: sums of residuals from visual words (Jegou et al. 2010).

The residuals of the points assigned to each word are summed, and each sum is L2-normalised (Arandjelovic and Zisserman
2013, section 3.1) so that repeated patterns do not dominate. The whole is then power- and L2-normalised.
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
from classicvision.encoding.vocabulary import learn_words, sample_positions, word_names
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["VladCodebook", "VladSettings", "add_residuals"]


@dataclass(frozen=True)
class VladSettings:
    """Settings of VLAD: how the words are learned and residuals are aggregated.

    Parameters
    ----------
    n_words : int, default 256
        Size of the vocabulary. More words are more discriminative; time and code length grow in proportion.
    n_dims : int, default 80
        Principal components of the descriptors to keep, from 1 to 128. Fewer make shorter, faster codes.
    n_samples : int, default 250_000
        Descriptors to learn from, at about 500 bytes each.
    xy : bool, default True
        Append the position in the image to each descriptor, a short alternative to a spatial pyramid.
    whiten : bool, default False
        Scale all principal components to equal variance before learning the words.
    intra_norm : bool, default True
        L2-normalise the sum of each word ([2]_, section 3.1), so that frequent patterns do not dominate.
    power : float, default 0.5
        Exponent of the power normalisation ``sign(z) |z|^power`` that follows; 1 has no effect.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one VLAD per cell.
    mirror : bool, default False
        Add the code of the mirrored image, so that an image and its mirror image have the same code.
    root_sift : bool, default True
        Convert descriptors to RootSIFT first.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.

    References
    ----------
    .. [1] H. Jegou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010.
           :DOI:`10.1109/CVPR.2010.5540039`
    .. [2] R. Arandjelovic and A. Zisserman, "All about VLAD", CVPR 2013. :DOI:`10.1109/CVPR.2013.207`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, VladSettings, read_image
    >>> items = [DenseSift(step=8)(read_image(f"data/held-out/{name}/00.jpg")) for name in ("brick", "grass")]
    >>> codebook = VladSettings(n_words=4, n_dims=16).learn(items, np.random.default_rng(0))
    >>> codebook.encode(items[0]).shape  # 4 words of 16 + 2 dimensions
    (72,)
    """

    kind: ClassVar[str] = "vlad"
    version: ClassVar[int] = 2

    n_words: int = 256
    n_dims: int = 80
    n_samples: int = 250_000
    xy: bool = True
    whiten: bool = False
    intra_norm: bool = True
    power: float = 0.5
    cells: tuple[str, ...] = ("1x1",)
    mirror: bool = False
    root_sift: bool = True

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_words >= 1, "n_words", self.n_words, "at least 1")
        require(1 <= self.n_dims <= DESCRIPTOR_SIZE, "n_dims", self.n_dims, f"from 1 to {DESCRIPTOR_SIZE}")
        require(self.n_samples >= self.n_words, "n_samples", self.n_samples, f"at least n_words, {self.n_words}")
        require(0 < self.power <= 1, "power", self.power, "above 0 and at most 1")
        parse_cells(self.cells)

    @property
    def n_outputs(self) -> int:
        """Length of a code: the dimensions of a point per word and cell."""
        return n_cells(self.cells) * self.n_words * (self.n_dims + 2 * self.xy)

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> VladCodebook:
        """Learn the principal components and the words from training images.

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
        descriptors, positions = sample_positions(items, self.n_samples, rng)
        projection = learn_projection(
            descriptors, self.n_dims, whiten=self.whiten, xy=self.xy, as_root_sift=self.root_sift
        )
        words = learn_words(projection.points_of(descriptors, positions), self.n_words, rng)
        return VladCodebook(projection, words, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VladCodebook:
        """Return a codebook from the result of its `to_arrays`; a ValueError says what does not fit."""
        projection = Projection.from_arrays(arrays, self.n_dims, xy=self.xy, as_root_sift=self.root_sift)
        if "words" not in arrays:
            raise ValueError("a codebook needs the array 'words'")
        return VladCodebook(projection, arrays["words"], self)


@dataclass(frozen=True, eq=False)
class VladCodebook:
    """Learned words, which encode images as VLAD.

    Parameters
    ----------
    projection : Projection
        From descriptors to points in D dimensions.
    words : (n_words, D) float32
    settings : VladSettings

    Raises
    ------
    ValueError
        If words, projection and settings do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, VladSettings, read_image
    >>> features = DenseSift(step=8)(read_image("data/held-out/brick/00.jpg"))
    >>> codebook = VladSettings(n_words=3, n_dims=8).learn([features], np.random.default_rng(0))
    >>> codebook.feature_names()[0], len(codebook.encode(features))
    ('word_0000_000', 30)
    """

    projection: Projection
    words: NDArray[np.float32]
    settings: VladSettings

    def __post_init__(self) -> None:
        width = self.settings.n_dims + 2 * self.settings.xy
        if self.projection.n_outputs != width:
            raise ValueError(
                f"points in {self.projection.n_outputs} dimensions do not fit these settings; expected {width}"
            )
        object.__setattr__(self, "words", frozen_array("words", self.words, (self.settings.n_words, width)))

    @property
    def n_outputs(self) -> int:
        """Length of a code: the dimensions of the words per cell."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each value: ``word_0017_003`` for dimension 3 of the residuals of word 17."""
        n_words, n_dims = self.words.shape
        names = [f"{word}_{number:03d}" for word in word_names(n_words) for number in range(n_dims)]
        return pooled_names(self.settings.cells, names)

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        return mirrored_sum(features, self._encode) if self.settings.mirror else self._encode(features)

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); items are read one at a time."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the learned arrays by name."""
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
    """Return the sum of the residuals, point minus word, over the points of each word, (K, D).

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
