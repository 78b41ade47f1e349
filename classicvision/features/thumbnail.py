"""Thumbnails as vectors, so that the images that are compared as a whole are decoded once and then cached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.images import Image, shrink

__all__ = ["Thumbnail", "image_of_vector"]


@dataclass(frozen=True)
class Thumbnail:
    """Settings of a thumbnail; calling them with an image returns its bytes.

    Parameters
    ----------
    max_side : int, default 96
        Longer side in pixels, at most 255; a smaller image stays as it is.
    """

    kind: ClassVar[str] = "thumbnail"
    version: ClassVar[int] = 1

    max_side: int = 96

    def __post_init__(self) -> None:
        validate(self)
        require(1 <= self.max_side <= 255, "max_side", self.max_side, "from 1 to 255 pixels")

    def __call__(self, image: Image) -> NDArray[np.uint8]:
        """Return the height and the width of the thumbnail of an (H, W, 3) image, and then its pixels, as bytes."""
        small = shrink(image, self.max_side)
        return np.concatenate([np.array(small.shape[:2], np.uint8), small.ravel()])


def image_of_vector(vector: NDArray[np.uint8]) -> Image:
    """Return the (h, w, 3) thumbnail whose vector `Thumbnail` returned."""
    height, width = vector[:2].tolist()
    return vector[2:].reshape(height, width, 3)
