"""The improved Fisher vector of a Gaussian mixture (Perronnin et al. 2010).

The mixture is learned on the points of many images. The code of an image is the gradient of the mean log-likelihood of
its points with respect to the means and standard deviations of the components, normalised by the Fisher information
(Sanchez et al. 2013, section 2.3), followed by a signed root, optional intra-normalisation, and L2 normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.encoding.codebook import encode_each
from classicvision.encoding.gmm import learn_mixture
from classicvision.encoding.mixture import DiagonalMixture, Moments, descriptor_moments
from classicvision.encoding.normalize import l2, signed_power
from classicvision.encoding.pca import Projection, learn_projection
from classicvision.encoding.pyramid import cell_rows, join_cells, mirrored_sum, n_cells, parse_cells, pooled_names
from classicvision.encoding.vocabulary import relative_positions, sample_positions
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["FisherCodebook", "FisherSettings", "fisher_gradient"]


_WHOLE = "1x1"  # the grid of a single cell: the whole image


@dataclass(frozen=True)
class FisherSettings:
    """Settings of the Fisher vector: how the mixture is learned and images are encoded.

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
        Append the position in the image to each descriptor ([3]_), a short alternative to a spatial pyramid.
    whiten : bool, default False
        Scale all principal components to equal variance before learning the mixture.
    power : float, default 0.5
        Exponent of the power normalisation ``sign(z) |z|^power`` ([1]_, section 3.2). Smaller values flatten bursts of
        similar descriptors more; 1 has no effect.
    intra_norm : bool, default False
        L2-normalise the part of each component ([4]_, section 3.1), so that frequent patterns do not dominate.
    cells : tuple of str, default ("1x1",)
        Grids of the spatial pyramid, rows x columns, with one Fisher vector per cell.
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
    .. [1] F. Perronnin, J. Sanchez and T. Mensink, "Improving the Fisher kernel for large-scale image classification",
           ECCV 2010. :DOI:`10.1007/978-3-642-15561-1_11`
    .. [2] J. Sanchez et al., "Image classification with the Fisher vector: theory and practice", IJCV 105, 2013.
           :DOI:`10.1007/s11263-013-0636-x`
    .. [3] J. Sanchez, F. Perronnin and T. de Campos, "Modeling the spatial layout of images beyond spatial pyramids",
           Pattern Recognition Letters 33, 2012. :DOI:`10.1016/j.patrec.2012.07.019`
    .. [4] R. Arandjelovic and A. Zisserman, "All about VLAD", CVPR 2013. :DOI:`10.1109/CVPR.2013.207`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, FisherSettings, read_image
    >>> items = [DenseSift(step=8)(read_image(f"data/held-out/{name}/00.jpg")) for name in ("brick", "grass")]
    >>> codebook = FisherSettings(n_components=4, n_dims=16).learn(items, np.random.default_rng(0))
    >>> codebook.encode(items[0]).shape  # 2 gradients of 4 components of 16 + 2 dimensions
    (144,)
    """

    kind: ClassVar[str] = "fisher"
    version: ClassVar[int] = 2

    n_components: int = 256
    n_dims: int = 80
    n_samples: int = 250_000
    n_iterations: int = 15
    xy: bool = True
    whiten: bool = False
    power: float = 0.5
    intra_norm: bool = False
    cells: tuple[str, ...] = ("1x1",)
    mirror: bool = False
    root_sift: bool = True

    def __post_init__(self) -> None:
        validate(self)
        require(self.n_components >= 1, "n_components", self.n_components, "at least 1")
        require(1 <= self.n_dims <= DESCRIPTOR_SIZE, "n_dims", self.n_dims, f"from 1 to {DESCRIPTOR_SIZE}")
        require(
            self.n_samples >= self.n_components,
            "n_samples",
            self.n_samples,
            f"at least n_components, {self.n_components}",
        )
        require(self.n_iterations >= 0, "n_iterations", self.n_iterations, "at least 0")
        require(0 < self.power <= 1, "power", self.power, "above 0 and at most 1")
        parse_cells(self.cells)

    @property
    def n_outputs(self) -> int:
        """Length of a code: 2 K D per cell."""
        return n_cells(self.cells) * 2 * self.n_components * (self.n_dims + 2 * self.xy)

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> FisherCodebook:
        """Learn the principal components and the mixture from training images.

        Parameters
        ----------
        items : sequence of LocalFeatures
            Read one at a time, in a single pass.
        rng : numpy.random.Generator
            Draws the sample and the initial words; the same state gives the same codebook.

        Raises
        ------
        NotEnoughDataError
            If the images have fewer distinct descriptors than `n_components`.
        """
        descriptors, positions = sample_positions(items, self.n_samples, rng)
        projection = learn_projection(
            descriptors, self.n_dims, whiten=self.whiten, xy=self.xy, as_root_sift=self.root_sift
        )
        points = projection.points_of(descriptors, positions)
        mixture = learn_mixture(points, self.n_components, rng, n_iterations=self.n_iterations)
        return FisherCodebook(projection, mixture, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> FisherCodebook:
        """Return a codebook from the result of its `to_arrays`; a ValueError says what does not fit."""
        projection = Projection.from_arrays(arrays, self.n_dims, xy=self.xy, as_root_sift=self.root_sift)
        shape = (self.n_components, projection.n_outputs)
        return FisherCodebook(projection, DiagonalMixture.from_arrays(arrays, shape), self)


@dataclass(frozen=True, eq=False)
class FisherCodebook:
    """A learned mixture, which encodes images as Fisher vectors.

    Parameters
    ----------
    projection : Projection
        From descriptors to points in D dimensions.
    mixture : DiagonalMixture
        K components in D dimensions.
    settings : FisherSettings

    Raises
    ------
    ValueError
        If mixture, projection and settings do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, FisherSettings, read_image
    >>> features = DenseSift(step=8)(read_image("data/held-out/brick/00.jpg"))
    >>> codebook = FisherSettings(n_components=3, n_dims=8).learn([features], np.random.default_rng(0))
    >>> codebook.feature_names()[0], len(codebook.encode(features))
    ('mean_000_000', 60)
    """

    projection: Projection
    mixture: DiagonalMixture
    settings: FisherSettings

    def __post_init__(self) -> None:
        expected = (self.settings.n_components, self.settings.n_dims + 2 * self.settings.xy)
        found = (len(self.mixture.weights), self.projection.n_outputs)
        if found != expected or self.mixture.means.shape != expected:
            raise ValueError(
                f"{found[0]} components in {found[1]} dimensions do not fit these settings; expected {expected}"
            )

    @property
    def n_outputs(self) -> int:
        """Length of a code: 2 K D per cell."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each value: ``mean_017_003`` for dimension 3 of the mean of component 17."""
        n_components, n_dims = self.mixture.means.shape
        names = [
            f"{part}_{component:03d}_{number:03d}"
            for part in ("mean", "deviation")
            for component in range(n_components)
            for number in range(n_dims)
        ]
        return pooled_names(self.settings.cells, names)

    def encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        """Return the code of one image, (n_outputs,); zeros if it has no keypoints."""
        return mirrored_sum(features, self._encode) if self.settings.mirror else self._encode(features)

    def encode_all(self, items: Sequence[LocalFeatures]) -> NDArray[np.float32]:
        """Return the codes of N images, (N, n_outputs); items are read one at a time."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the learned arrays by name."""
        return self.projection.to_arrays() | self.mixture.to_arrays()

    def _encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        codes = []
        for found in self._moments(features):
            code = signed_power(fisher_gradient(found, self.mixture), self.settings.power)
            codes.append(l2(self._intra_normalized(code) if self.settings.intra_norm else code))
        return join_cells(np.stack(codes))

    def _moments(self, features: LocalFeatures) -> list[Moments]:
        """Return the moments of each cell of the pyramid, grid by grid."""
        positions = relative_positions(features)

        def moments_of(descriptors: NDArray[np.uint8], positions: NDArray[np.float32]) -> Moments:
            return descriptor_moments(descriptors, positions, self.projection, self.mixture)

        of_grids = {
            cells: [moments_of(features.descriptors[rows], positions[rows]) for rows in cell_rows(features, cells)]
            for cells in self.settings.cells
            if cells != _WHOLE
        }
        if _WHOLE in self.settings.cells:  # every point is in one cell of any grid
            some_grid = next(iter(of_grids.values()), None)
            whole = sum(some_grid[1:], some_grid[0]) if some_grid else moments_of(features.descriptors, positions)
            of_grids[_WHOLE] = [whole]
        return [found for cells in self.settings.cells for found in of_grids[cells]]

    def _intra_normalized(self, code: NDArray[np.float32]) -> NDArray[np.float32]:
        """L2-normalise the gradients of each component, with respect to its mean and deviations together.

        Arandjelovic and Zisserman (2013), section 3.1, for VLAD: a component with many similar points then does not
        dominate the others.
        """
        by_component = code.reshape(2, len(self.mixture.weights), -1).swapaxes(0, 1)
        return l2(by_component.reshape(len(by_component), -1)).reshape(by_component.shape).swapaxes(0, 1).ravel()


def fisher_gradient(found: Moments, mixture: DiagonalMixture) -> NDArray[np.float32]:
    """Return the normalised gradient of the mean log-likelihood of points, (2 K D,).

    Parameters
    ----------
    found : Moments
        Moments of the points under this mixture.
    mixture : DiagonalMixture

    Returns
    -------
    (2 K D,) float32
        With respect to the means, component by component, then to the deviations; zeros without points.
    """
    factors = 1 / (max(found.n_points, 1) * np.sqrt(mixture.weights.astype(np.float64)[:, np.newaxis]))
    gradient = np.empty((2, *found.first.shape), np.float32)
    # Sanchez et al. (2013), equations 17 and 18; u is (x - mean) / deviation, g its posterior.
    np.multiply(found.first, factors, out=gradient[0], casting="same_kind")
    by_deviations = found.second - found.zeroth[:, np.newaxis]
    np.multiply(by_deviations, factors / np.sqrt(2), out=gradient[1], casting="same_kind")
    return gradient.reshape(-1)
