"""A picture as a network sees it in the eight ways in which a rectangle can be mirrored and turned.

A network knows no symmetry: mirrored or turned, a picture has other features. With the features of all eight versions
at hand, those of any version of the picture are a permutation of blocks, and no picture needs to be looked at again to
find out whether it is a mirrored or turned copy of another.

Pictures without keypoints are soft, and on soft pictures a network sees the marks of compression and noise more than
what they show. So a picture is first reduced to few pixels, each the mean of what it covers, and then magnified.
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
MAX_SIDE: Final = 256  # pixels of the longer side of what the network's preprocessing is given


@dataclass(frozen=True)
class SymmetricBackbone:
    """Settings of the features of a whole picture; called with one, it returns those of its eight versions.

    Raises
    ------
    BackboneError, ValueError
        As the network itself.
    """

    kind: ClassVar[str] = "symmetric-onnx"
    version: ClassVar[int] = 1

    extractor: OnnxBackbone
    side: int = 24  # pixels of the longer side that a picture is reduced to before the network sees it

    def __post_init__(self) -> None:
        validate(self)
        require(1 <= self.side <= MAX_SIDE, "side", self.side, f"from 1 to {MAX_SIDE} pixels")

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Take the features of a picture.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB.

        Returns
        -------
        (8 d,) float32
            Those of each version, in the order of `symmetric_images`, with norm 1 / sqrt(8): of two pictures the
            product is the mean of eight cosines. All 0 for a version without features.
        """
        coarse = enlarge(shrink(image, self.side), MAX_SIDE)
        features = np.stack([self.extractor(version) for version in symmetric_images(coarse)])
        norms = np.linalg.norm(features, axis=1, keepdims=True) * np.float32(np.sqrt(N_SYMMETRIES))
        unit: NDArray[np.float32] = np.divide(features, norms, out=np.zeros_like(features), where=norms > 0)
        return unit.ravel()


def symmetric_images(image: Image) -> list[Image]:
    """Return a picture mirrored and turned in all eight ways, itself first.

    The order is that of `SYMMETRIES` in `features.signature`: first as it is, then with rows and columns exchanged; of
    each the picture, mirrored, upside down and mirrored, and turned by half.
    """
    return [
        np.ascontiguousarray(version[::down, ::across])
        for version in (image, image.swapaxes(0, 1))
        for down in (1, -1)
        for across in (1, -1)
    ]


def symmetric_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (8, 8 d) features of a picture mirrored and turned, from its own (8 d,), in the same order."""
    blocks = features.reshape(N_SYMMETRIES, -1)
    versions: NDArray[np.float32] = blocks[_SEEN_AS].reshape(N_SYMMETRIES, -1)
    return versions


def _composed() -> NDArray[np.intp]:
    """Return the (8, 8) table of the version of a picture that version h of its version k is."""
    versions = symmetric_images(np.arange(6, dtype=np.uint8).reshape(2, 3))
    place = {(version.shape, version.tobytes()): number for number, version in enumerate(versions)}
    return np.array([[place[seen.shape, seen.tobytes()] for seen in symmetric_images(v)] for v in versions], np.intp)


_SEEN_AS: Final = _composed()
