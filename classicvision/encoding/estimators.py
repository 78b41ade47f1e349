"""Encoders with scikit-learn's API, for pipelines, cross-validation and grid search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from classicvision.config import require
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.codebook import Codebook, EncoderSettings
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.llc import LlcSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import NotEnoughDataError
from classicvision.features.local import LocalFeatures

__all__ = ["BagOfVisualWords", "FisherVector", "LocalityConstrainedCoding", "Vlad"]

RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None


class _Encoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """An encoder whose parameters are the fields of its settings and `random_state`; `fit` learns the codebook."""

    _settings: ClassVar[Callable[..., EncoderSettings]]
    codebook_: Codebook

    def fit(self, X: Sequence[LocalFeatures] | NDArray[np.object_], y: object = None) -> Self:
        """Learn the codebook from the features of N images; `y` is ignored."""
        parameters = self.get_params(deep=False)
        random_state = parameters.pop("random_state")
        items = _require_items(X)
        if not len(items):
            raise NotEnoughDataError("X is empty; pass the features of at least one image")
        self.codebook_ = self._settings(**parameters).learn(items, _generator(random_state))
        return self

    def transform(self, X: Sequence[LocalFeatures] | NDArray[np.object_]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs) float32."""
        check_is_fitted(self)
        return self.codebook_.encode_all(_require_items(X))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the name of each component of a code; `input_features` is ignored."""
        check_is_fitted(self)
        return np.array(self.codebook_.feature_names(), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []  # codes are always float32
        return tags


class BagOfVisualWords(_Encoder):
    """Encode the local features of images as histograms of visual words.

    Samples are images: X is a list, a NumPy array of objects, or any lazy sequence of `LocalFeatures`. The parameters
    are those of `BovwSettings` and are checked by `fit`.

    Parameters
    ----------
    n_words : int, default 1000
        Size of the vocabulary. Larger vocabularies are more discriminative, and slower to learn and assign.
    n_samples : int, default 100_000
        Descriptors that the vocabulary is learned from, at 128 bytes each. More give slightly better words and take
        proportionally longer.
    assignment : {"hard", "soft"}, default "hard"
        One vote for the nearest word, or a vote shared by the `n_neighbors` nearest.
    n_neighbors : int, default 3
        Words that share a soft vote.
    softness : float, default 0.15
        Sigma of the weights ``exp(-d^2 / (2 sigma^2))`` of a soft vote, for descriptors of norm 1. Larger values share
        votes more evenly; towards 0 it becomes hard assignment.
    tf_idf : bool, default False
        Weight each word by its inverse document frequency, so that rare words count more.
    normalization : {"hellinger", "l2", "l1", "chi2"}, default "hellinger"
        Normalisation of the histogram. With "hellinger" (square root of the L1-normalised histogram) and "chi2" (a code
        of three times the length) a linear classifier approximates the kernel of that name.
    root_sift : bool, default True
        Compare descriptors as RootSIFT instead of by Euclidean distance.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one histogram per cell. More cells encode the layout of the
        image in a proportionally longer code.
    normalize_cells : bool, default False
        Normalise each cell separately, so that a cell with few keypoints weighs as much as one with many.
    mirror : bool, default False
        Add the code of the mirrored image, so that an image and its mirror image have the same code.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        An int makes `fit` reproducible; None uses NumPy's global state, as in scikit-learn.

    Attributes
    ----------
    codebook_ : BovwCodebook
        The learned codebook, independent of scikit-learn.

    Examples
    --------
    >>> from classicvision import BagOfVisualWords, Sift, read_image
    >>> items = [Sift()(read_image(f"data/held-out/brick/0{i}.jpg")) for i in range(3)]
    >>> BagOfVisualWords(n_words=20, random_state=0).fit_transform(items).shape
    (3, 20)
    """

    _settings = BovwSettings

    def __init__(
        self,
        n_words: int = 1000,
        *,
        n_samples: int = 100_000,
        assignment: Literal["hard", "soft"] = "hard",
        n_neighbors: int = 3,
        softness: float = 0.15,
        tf_idf: bool = False,
        normalization: Literal["hellinger", "l2", "l1", "chi2"] = "hellinger",
        root_sift: bool = True,
        cells: tuple[str, ...] = ("1x1",),
        normalize_cells: bool = False,
        mirror: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.n_words = n_words
        self.n_samples = n_samples
        self.assignment = assignment
        self.n_neighbors = n_neighbors
        self.softness = softness
        self.tf_idf = tf_idf
        self.normalization = normalization
        self.root_sift = root_sift
        self.cells = cells
        self.normalize_cells = normalize_cells
        self.mirror = mirror
        self.random_state = random_state


class LocalityConstrainedCoding(_Encoder):
    """Encode the local features of images as linear combinations of their nearest visual words (Wang et al. 2010).

    Samples are images, as for `BagOfVisualWords`. The parameters are those of `LlcSettings` and are checked by `fit`.

    Parameters
    ----------
    n_words : int, default 1024
        Size of the vocabulary, at most 8192. Larger vocabularies are more discriminative and slower.
    n_samples : int, default 100_000
        Descriptors that the vocabulary is learned from, at 128 bytes each.
    n_neighbors : int, default 5
        Words that approximate a descriptor, at most 64; 5 is the published choice. More approximate it better but less
        locally, and take longer.
    regularization : float, default 1e-4
        Regularisation of the weights, relative to the squared distances of the words. Larger values make the weights
        more equal; 1e-4 is that of the authors' code.
    pooling : {"max", "sum"}, default "max"
        How the weights of a word are pooled over an image. "max", as published, is robust to frequent patterns.
    root_sift : bool, default True
        Compare descriptors as RootSIFT instead of by Euclidean distance.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one code per cell. More cells encode the layout of the image
        in a proportionally longer code.
    normalize_cells : bool, default False
        Normalise each cell separately, so that a cell with few keypoints weighs as much as one with many.
    mirror : bool, default False
        Add the code of the mirrored image, so that an image and its mirror image have the same code.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        An int makes `fit` reproducible; None uses NumPy's global state, as in scikit-learn.

    Attributes
    ----------
    codebook_ : LlcCodebook
        The learned codebook, independent of scikit-learn.

    Examples
    --------
    >>> from classicvision import DenseSift, LocalityConstrainedCoding, read_image
    >>> items = [DenseSift(step=8)(read_image(f"data/held-out/brick/0{i}.jpg")) for i in range(3)]
    >>> encoder = LocalityConstrainedCoding(n_words=50, cells=("1x1", "2x2"), random_state=0)
    >>> encoder.fit_transform(items).shape
    (3, 250)
    """

    _settings = LlcSettings

    def __init__(
        self,
        n_words: int = 1024,
        *,
        n_samples: int = 100_000,
        n_neighbors: int = 5,
        regularization: float = 1e-4,
        pooling: Literal["max", "sum"] = "max",
        root_sift: bool = True,
        cells: tuple[str, ...] = ("1x1",),
        normalize_cells: bool = False,
        mirror: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.n_words = n_words
        self.n_samples = n_samples
        self.n_neighbors = n_neighbors
        self.regularization = regularization
        self.pooling = pooling
        self.root_sift = root_sift
        self.cells = cells
        self.normalize_cells = normalize_cells
        self.mirror = mirror
        self.random_state = random_state


class Vlad(_Encoder):
    """Encode the local features of images as sums of their differences from visual words (Jegou et al. 2010).

    Samples are images: X is a list, a NumPy array of objects, or any lazy sequence of `LocalFeatures`. The parameters
    are those of `VladSettings` and are checked by `fit`.

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
        L2-normalise the sum of each word, so that frequent patterns do not dominate.
    power : float, default 0.5
        Exponent of the power normalisation ``sign(z) |z|^power`` that follows; 1 has no effect.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one VLAD per cell.
    mirror : bool, default False
        Add the code of the mirrored image, so that an image and its mirror image have the same code.
    root_sift : bool, default True
        Convert descriptors to RootSIFT first.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        An int makes `fit` reproducible; None uses NumPy's global state, as in scikit-learn.

    Attributes
    ----------
    codebook_ : VladCodebook
        The learned codebook, independent of scikit-learn.

    Examples
    --------
    >>> from classicvision import DenseSift, Vlad, read_image
    >>> items = [DenseSift(step=8)(read_image(f"data/held-out/grass/0{i}.jpg")) for i in range(3)]
    >>> Vlad(n_words=4, n_dims=16, random_state=0).fit_transform(items).shape  # 4 words of 16 + 2 dimensions
    (3, 72)
    """

    _settings = VladSettings

    def __init__(
        self,
        n_words: int = 256,
        *,
        n_dims: int = 80,
        n_samples: int = 250_000,
        xy: bool = True,
        whiten: bool = False,
        intra_norm: bool = True,
        power: float = 0.5,
        cells: tuple[str, ...] = ("1x1",),
        mirror: bool = False,
        root_sift: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.n_words = n_words
        self.n_dims = n_dims
        self.n_samples = n_samples
        self.xy = xy
        self.whiten = whiten
        self.intra_norm = intra_norm
        self.power = power
        self.cells = cells
        self.mirror = mirror
        self.root_sift = root_sift
        self.random_state = random_state


class FisherVector(_Encoder):
    """Encode the local features of images as Fisher vectors of a Gaussian mixture (Perronnin et al. 2010).

    Samples are images: X is a list, a NumPy array of objects, or any lazy sequence of `LocalFeatures`. The parameters
    are those of `FisherSettings` and are checked by `fit`.

    Parameters
    ----------
    n_components : int, default 256
        Gaussians of the mixture. More are more discriminative; time and code length grow in proportion.
    n_dims : int, default 80
        Principal components of the descriptors to keep, from 1 to 128. Fewer make shorter, faster codes and discard
        noise as well as detail.
    n_samples : int, default 250_000
        Descriptors to learn from, at about 500 bytes each.
    n_iterations : int, default 15
        Iterations of EM; 0 keeps the k-means initialisation. More fit the mixture better, with diminishing returns.
    xy : bool, default True
        Append the position in the image to each descriptor, a short alternative to a spatial pyramid.
    whiten : bool, default False
        Scale all principal components to equal variance before learning the mixture.
    power : float, default 0.5
        Exponent of the power normalisation ``sign(z) |z|^power``. Smaller values flatten bursts of similar descriptors
        more; 1 has no effect.
    intra_norm : bool, default False
        L2-normalise the part of each component, so that frequent patterns do not dominate.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one Fisher vector per cell.
    mirror : bool, default False
        Add the code of the mirrored image, so that an image and its mirror image have the same code.
    root_sift : bool, default True
        Convert descriptors to RootSIFT first.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        An int makes `fit` reproducible; None uses NumPy's global state, as in scikit-learn.

    Attributes
    ----------
    codebook_ : FisherCodebook
        The learned codebook, independent of scikit-learn.

    Examples
    --------
    >>> from classicvision import DenseSift, FisherVector, read_image
    >>> items = [DenseSift(step=8)(read_image(f"data/held-out/grass/0{i}.jpg")) for i in range(3)]
    >>> FisherVector(n_components=4, n_dims=16, random_state=0).fit_transform(items).shape  # 2 * 4 * (16 + 2)
    (3, 144)
    """

    _settings = FisherSettings

    def __init__(
        self,
        n_components: int = 256,
        *,
        n_dims: int = 80,
        n_samples: int = 250_000,
        n_iterations: int = 15,
        xy: bool = True,
        whiten: bool = False,
        power: float = 0.5,
        intra_norm: bool = False,
        cells: tuple[str, ...] = ("1x1",),
        mirror: bool = False,
        root_sift: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.n_dims = n_dims
        self.n_samples = n_samples
        self.n_iterations = n_iterations
        self.xy = xy
        self.whiten = whiten
        self.power = power
        self.intra_norm = intra_norm
        self.cells = cells
        self.mirror = mirror
        self.root_sift = root_sift
        self.random_state = random_state


def _require_items(X: Any) -> Sequence[LocalFeatures]:
    """Raise TypeError unless X is a sequence of local features; only the first item is read, since X may be lazy."""
    is_sequence = hasattr(X, "__len__") and hasattr(X, "__getitem__") and not isinstance(X, LocalFeatures | dict)
    if not is_sequence or (len(X) and not isinstance(X[0], LocalFeatures)):
        found = f"X[0] is of type {type(X[0]).__name__}" if is_sequence else f"X is of type {type(X).__name__}"
        raise TypeError(
            f"{found}; expected a sequence of LocalFeatures, one per image. For a single image use [features]."
        )
    items: Sequence[LocalFeatures] = X
    return items


def _generator(random_state: Any) -> np.random.Generator:
    """Return the generator for scikit-learn's `random_state`."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, int | np.integer):
        require(bool(random_state >= 0), "random_state", random_state, "at least 0")
        return np.random.default_rng(int(random_state))
    return np.random.default_rng(check_random_state(random_state).randint(2**31, size=4))
