"""ORB and AKAZE, by OpenCV: keypoints whose descriptors are strings of bits. Nothing here uses them but comparisons.

ORB is after Rublee et al. (2011, doi:10.1109/ICCV.2011.6126544), AKAZE after Alcantarilla, Nuevo and Bartoli (2013,
doi:10.5244/C.27.13). OpenCV 5 keeps AKAZE among its extra modules, which not every installation has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.errors import SettingsError
from classicvision.images import Image, to_gray

__all__ = ["Akaze", "BinaryFeatures", "Orb"]


@dataclass(frozen=True, eq=False)
class BinaryFeatures:
    """The keypoints of one image that have bits for a descriptor, as columns of one length N, strongest first.

    Attributes
    ----------
    xy : (N, 2) float32
        Positions in pixels: x right, y down, integers at pixel centres.
    scale : (N,) float32
        Half of the diameter that the detector looked at, in pixels.
    response : (N,) float32
        Its strength, in the detector's own unit.
    descriptors : (N, D) uint8
        Eight bits in each number. D is 32 for ORB and 61 for AKAZE, and 0 where nothing was found.
    image_size : (height, width)
    """

    xy: NDArray[np.float32]
    scale: NDArray[np.float32]
    response: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    image_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.xy)

    def strongest(self, n: int) -> BinaryFeatures:
        """Return the n keypoints of largest response."""
        return BinaryFeatures(self.xy[:n], self.scale[:n], self.response[:n], self.descriptors[:n], self.image_size)


@dataclass(frozen=True)
class Orb:
    """Settings of ORB; called with a picture, it returns `BinaryFeatures`."""

    kind: ClassVar[str] = "orb"
    version: ClassVar[int] = 1

    max_features: int = 2000  # ORB shares them out among the octaves when it looks for them

    def __post_init__(self) -> None:
        validate(self)
        require(self.max_features >= 1, "max_features", self.max_features, "at least 1")

    def __call__(self, image: Image) -> BinaryFeatures:
        """Find the keypoints of an (H, W, 3) uint8 picture."""
        return _detect(cv2.ORB_create(self.max_features), image)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Akaze:
    """Settings of AKAZE; called with a picture, it returns `BinaryFeatures`."""

    kind: ClassVar[str] = "akaze"
    version: ClassVar[int] = 1

    threshold: float = 0.001  # least response

    def __post_init__(self) -> None:
        validate(self)
        require(self.threshold > 0, "threshold", self.threshold, "above 0")

    @staticmethod
    def is_available() -> bool:
        """Tell whether the installed OpenCV has AKAZE."""
        return _make_akaze() is not None

    def __call__(self, image: Image) -> BinaryFeatures:
        """Find the keypoints of an (H, W, 3) uint8 picture; a SettingsError is raised where OpenCV has no AKAZE."""
        make = _make_akaze()
        if make is None:
            raise SettingsError(
                f"OpenCV {cv2.__version__} has no AKAZE as it is installed here; "
                "opencv-python-headless 4 has it, and opencv-contrib-python-headless 5"
            )
        return _detect(make(threshold=self.threshold), image)


def _make_akaze() -> Callable[..., Any] | None:
    for place in (cv2, getattr(cv2, "xfeatures2d", None)):
        if (make := getattr(place, "AKAZE_create", None)) is not None:
            found: Callable[..., Any] = make
            return found
    return None


def _detect(detector: Any, image: Image) -> BinaryFeatures:
    keypoints, descriptors = detector.detectAndCompute(to_gray(image), None)
    columns = np.array([(*k.pt, k.size / 2, k.response) for k in keypoints], np.float32).reshape(-1, 4)
    bits = np.zeros((0, 0), np.uint8) if descriptors is None else np.asarray(descriptors, np.uint8)
    x, y, scale, response = columns.T
    # Equal responses by place and size, so that the order does not hang on OpenCV's threads.
    order = np.lexsort((scale, y, x, -response))
    columns = columns[order]
    height, width = image.shape[:2]
    return BinaryFeatures(columns[:, :2], columns[:, 2], columns[:, 3], bits[order], (height, width))
