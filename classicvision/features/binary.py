"""ORB and AKAZE, by OpenCV: keypoints with binary descriptors. Only the matching benchmarks use them.

ORB is after Rublee et al. (2011, doi:10.1109/ICCV.2011.6126544), AKAZE after Alcantarilla, Nuevo and Bartoli (2013,
doi:10.5244/C.27.13). OpenCV 5 moved AKAZE to its extra modules, which not every installation has.
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
    """The keypoints of one image and their binary descriptors, as columns of equal length N, strongest first.

    Attributes
    ----------
    xy : (N, 2) float32
        Positions in pixels: x right, y down, integers at pixel centres.
    scale : (N,) float32
        Half the diameter of the neighbourhood, in pixels.
    response : (N,) float32
        Strength in the unit of the detector.
    descriptors : (N, D) uint8
        Eight bits per byte. D is 32 for ORB and 61 for AKAZE, and 0 without keypoints.
    image_size : (height, width)
        Size of the image in pixels.
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
    """Settings of ORB; calling them with an image returns `BinaryFeatures`."""

    kind: ClassVar[str] = "orb"
    version: ClassVar[int] = 1

    max_features: int = 2000  # distributed over the octaves during detection

    def __post_init__(self) -> None:
        validate(self)
        require(self.max_features >= 1, "max_features", self.max_features, "at least 1")

    def __call__(self, image: Image) -> BinaryFeatures:
        """Detect and describe the keypoints of an (H, W, 3) uint8 image."""
        return _detect(cv2.ORB_create(self.max_features), image)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Akaze:
    """Settings of AKAZE; calling them with an image returns `BinaryFeatures`."""

    kind: ClassVar[str] = "akaze"
    version: ClassVar[int] = 1

    threshold: float = 0.001  # on the response; larger keeps fewer keypoints

    def __post_init__(self) -> None:
        validate(self)
        require(self.threshold > 0, "threshold", self.threshold, "above 0")

    @staticmethod
    def is_available() -> bool:
        """Return whether the installed OpenCV has AKAZE."""
        return _make_akaze() is not None

    def __call__(self, image: Image) -> BinaryFeatures:
        """Detect and describe the keypoints of an (H, W, 3) uint8 image; SettingsError if OpenCV lacks AKAZE."""
        make = _make_akaze()
        if make is None:
            raise SettingsError(
                f"this installation of OpenCV {cv2.__version__} has no AKAZE; install opencv-python-headless 4 or "
                "opencv-contrib-python-headless 5"
            )
        return _detect(make(threshold=self.threshold), image)


def _make_akaze() -> Callable[..., Any] | None:
    for module in (cv2, getattr(cv2, "xfeatures2d", None)):
        if (make := getattr(module, "AKAZE_create", None)) is not None:
            create: Callable[..., Any] = make
            return create
    return None


def _detect(detector: Any, image: Image) -> BinaryFeatures:
    keypoints, descriptors = detector.detectAndCompute(to_gray(image), None)
    columns = np.array([(*k.pt, k.size / 2, k.response) for k in keypoints], np.float32).reshape(-1, 4)
    bits = np.zeros((0, 0), np.uint8) if descriptors is None else np.asarray(descriptors, np.uint8)
    x, y, scale, response = columns.T
    # Ties are sorted by position and size, so that the order does not depend on OpenCV's threads.
    order = np.lexsort((scale, y, x, -response))
    columns = columns[order]
    height, width = image.shape[:2]
    return BinaryFeatures(columns[:, :2], columns[:, 2], columns[:, 3], bits[order], (height, width))
