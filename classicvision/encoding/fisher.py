"""The improved Fisher vector: how an image would move a mixture of Gaussians (Perronnin et al. 2010).

The mixture is learned on the points of many images. The code of one image is the gradient of the mean log likelihood of
its points by the means and the deviations of the components, each divided by the deviation that it has by chance
(Sanchez et al. 2013, section 2.3), then a signed root, where wanted length 1 for each component, and length 1.
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
from classicvision.encoding.vocabulary import relative_places, sample_places
from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["FisherCodebook", "FisherSettings", "fisher_gradient"]


_WHOLE = "1x1"  # the grid of a single cell: the picture


@dataclass(frozen=True)
class FisherSettings:
    """How a Fisher vector is learned and made.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.
    """

    kind: ClassVar[str] = "fisher"
    version: ClassVar[int] = 2

    n_components: int = 256  # Gaussians of the mixture; 64 take a quarter of the time and of the room
    n_dims: int = 80  # principal directions of the descriptors
    n_samples: int = 250_000  # descriptors to learn from; about 500 bytes each
    n_iterations: int = 15  # passes of expectation and maximisation
    xy: bool = True  # append the place in the image to the descriptors
    whiten: bool = False  # give all directions the same deviation before the mixture is learned
    power: float = 0.5  # exponent of each number's size; 1 leaves them
    intra_norm: bool = False  # bring the numbers of each component to length 1
    cells: tuple[str, ...] = ("1x1",)  # grids of a spatial pyramid, rows x columns
    mirror: bool = False  # add the code of the mirror image
    root_sift: bool = True  # describe by RootSIFT (Arandjelovic and Zisserman 2012)

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
        """Numbers in a code: 2 K D for each cell."""
        return n_cells(self.cells) * 2 * self.n_components * (self.n_dims + 2 * self.xy)

    def learn(self, items: Sequence[LocalFeatures], rng: np.random.Generator) -> FisherCodebook:
        """Learn the principal directions and the mixture from the images of a training set.

        Parameters
        ----------
        items : sequence of LocalFeatures
            Read one at a time, once.
        rng : numpy.random.Generator

        Raises
        ------
        NotEnoughDataError
            If the images have fewer different descriptors than `n_components`.
        """
        descriptors, places = sample_places(items, self.n_samples, rng)
        projection = learn_projection(
            descriptors, self.n_dims, whiten=self.whiten, xy=self.xy, as_root_sift=self.root_sift
        )
        points = projection.points_of(descriptors, places)
        mixture = learn_mixture(points, self.n_components, rng, n_iterations=self.n_iterations)
        return FisherCodebook(projection, mixture, self)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> FisherCodebook:
        """Rebuild a codebook from what its `to_arrays` returned; a ValueError says what does not fit."""
        projection = Projection.from_arrays(arrays, self.n_dims, xy=self.xy, as_root_sift=self.root_sift)
        shape = (self.n_components, projection.n_outputs)
        return FisherCodebook(projection, DiagonalMixture.from_arrays(arrays, shape), self)


@dataclass(frozen=True, eq=False)
class FisherCodebook:
    """A learned mixture, and the Fisher vector of an image by it.

    Attributes
    ----------
    projection : Projection
        From descriptors to points of D numbers.
    mixture : DiagonalMixture
        K components in D dimensions.
    settings : FisherSettings

    Raises
    ------
    ValueError
        If mixture, projection and settings do not fit each other.
    """

    projection: Projection
    mixture: DiagonalMixture
    settings: FisherSettings

    def __post_init__(self) -> None:
        expected = (self.settings.n_components, self.settings.n_dims + 2 * self.settings.xy)
        found = (len(self.mixture.weights), self.projection.n_outputs)
        if found != expected or self.mixture.means.shape != expected:
            raise ValueError(f"{found[0]} components of {found[1]} numbers do not fit these settings: {expected}")

    @property
    def n_outputs(self) -> int:
        """Numbers in a code: 2 K D for each cell."""
        return self.settings.n_outputs

    def feature_names(self) -> list[str]:
        """Return a name for each number: ``mean_017_003`` is by number 3 of the mean of component 17."""
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
        """Return the codes of N images, (N, n_outputs); the images are looked at one by one."""
        return encode_each(self, items)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned as plain arrays."""
        return self.projection.to_arrays() | self.mixture.to_arrays()

    def _encode(self, features: LocalFeatures) -> NDArray[np.float32]:
        codes = []
        for found in self._moments(features):
            code = signed_power(fisher_gradient(found, self.mixture), self.settings.power)
            codes.append(l2(self._intra_normalized(code) if self.settings.intra_norm else code))
        return join_cells(np.stack(codes))

    def _moments(self, features: LocalFeatures) -> list[Moments]:
        """Return the moments of each cell of the pyramid, grid by grid."""
        places = relative_places(features)

        def moments_of(descriptors: NDArray[np.uint8], places: NDArray[np.float32]) -> Moments:
            return descriptor_moments(descriptors, places, self.projection, self.mixture)

        of_grids = {
            cells: [moments_of(features.descriptors[rows], places[rows]) for rows in cell_rows(features, cells)]
            for cells in self.settings.cells
            if cells != _WHOLE
        }
        if _WHOLE in self.settings.cells:  # every point is in one cell of any grid
            some_grid = next(iter(of_grids.values()), None)
            whole = sum(some_grid[1:], some_grid[0]) if some_grid else moments_of(features.descriptors, places)
            of_grids[_WHOLE] = [whole]
        return [found for cells in self.settings.cells for found in of_grids[cells]]

    def _intra_normalized(self, code: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide what a component says, of its mean and of its deviations, by its norm.

        Arandjelovic and Zisserman (2013), section 3.1, for VLAD: a component that many points of an image are near to,
        all alike, then does not drown the others.
        """
        by_component = code.reshape(2, len(self.mixture.weights), -1).swapaxes(0, 1)
        return l2(by_component.reshape(len(by_component), -1)).reshape(by_component.shape).swapaxes(0, 1).ravel()


def fisher_gradient(found: Moments, mixture: DiagonalMixture) -> NDArray[np.float32]:
    """Return the normalised gradient of the mean log likelihood of points, (2 K D,).

    Parameters
    ----------
    found : Moments
        Of the points by this mixture.
    mixture : DiagonalMixture

    Returns
    -------
    (2 K D,) float32
        By the means, component after component, then by the deviations; zeros for no point.
    """
    factors = 1 / (max(found.n_points, 1) * np.sqrt(mixture.weights.astype(np.float64)[:, np.newaxis]))
    gradient = np.empty((2, *found.first.shape), np.float32)
    # Sanchez et al. (2013), equations 17 and 18; u is (x - mean) / deviation, g its posterior.
    np.multiply(found.first, factors, out=gradient[0], casting="same_kind")
    by_deviations = found.second - found.zeroth[:, np.newaxis]
    np.multiply(by_deviations, factors / np.sqrt(2), out=gradient[1], casting="same_kind")
    return gradient.reshape(-1)
