"""Network features of an image under the eight symmetries of a rectangle: its flips and rotations by 90 degrees.

A network is not invariant to flips and rotations: the features change. Given the features of all eight versions of an
image, those of any version are a permutation of blocks, so one search finds flipped and rotated copies without
extracting any image again.

Images without keypoints are blurred, and on blurred images a network responds to compression artefacts and noise more
than to content. So the image is first downsampled to a few pixels by area averaging, and then upsampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.config import require, validate
from classicvision.images import Image, enlarge, shrink

__all__ = ["N_SYMMETRIES", "SymmetricBackbone", "symmetric_features", "symmetric_images"]

N_SYMMETRIES: Final = 8
MAX_SIDE: Final = 256  # longer side of the upsampled image in pixels, before the network's preprocessing


@dataclass(frozen=True)
class SymmetricBackbone:
    """Extracts the features of an image and its flipped and rotated versions.

    Parameters
    ----------
    extractor : OnnxBackbone
        The network.
    side : int
        Longer side, in pixels, to which the image is downsampled. Larger values keep more detail, and more noise and
        compression artefacts.

    Raises
    ------
    BackboneError, ValueError
        As from the network.
    """

    kind: ClassVar[str] = "symmetric-onnx"
    version: ClassVar[int] = 1

    extractor: OnnxBackbone
    side: int = 24  # pixels

    def __post_init__(self) -> None:
        validate(self)
        require(1 <= self.side <= MAX_SIDE, "side", self.side, f"from 1 to {MAX_SIDE} pixels")

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Extract the features of all eight versions of an image.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB.

        Returns
        -------
        (8 d,) float32
            The features of each version, in the order of `symmetric_images`, scaled to norm 1 / sqrt(8): the dot
            product for two images is the mean of eight cosine similarities. Zeros for a version without features.
        """
        coarse = enlarge(shrink(image, self.side), MAX_SIDE)
        features = np.stack([self.extractor(version) for version in symmetric_images(coarse)])
        norms = np.linalg.norm(features, axis=1, keepdims=True) * np.float32(np.sqrt(N_SYMMETRIES))
        unit: NDArray[np.float32] = np.divide(features, norms, out=np.zeros_like(features), where=norms > 0)
        return unit.ravel()


def symmetric_images(image: Image) -> list[Image]:
    """Return the eight flipped and rotated versions of an image, the image itself first.

    The order is that of `SYMMETRIES` in `features.phash`: of the image and then of its transpose, the original, the
    horizontal flip, the vertical flip, and the rotation by 180 degrees.
    """
    return [
        np.ascontiguousarray(version[::down, ::across])
        for version in (image, image.swapaxes(0, 1))
        for down in (1, -1)
        for across in (1, -1)
    ]


def symmetric_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (8, 8 d) features of all eight versions of an image from its features (8 d,), in the same order."""
    blocks = features.reshape(N_SYMMETRIES, -1)
    versions: NDArray[np.float32] = blocks[_SEEN_AS].reshape(N_SYMMETRIES, -1)
    return versions


def _composed() -> NDArray[np.intp]:
    """Return the (8, 8) composition table: entry (k, h) is the version that version h of version k is."""
    versions = symmetric_images(np.arange(6, dtype=np.uint8).reshape(2, 3))
    place = {(version.shape, version.tobytes()): number for number, version in enumerate(versions)}
    return np.array([[place[seen.shape, seen.tobytes()] for seen in symmetric_images(v)] for v in versions], np.intp)


_SEEN_AS: Final = _composed()
