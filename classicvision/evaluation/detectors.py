"""The keypoint detectors that a benchmark can compare, and which of them this installation has."""

from __future__ import annotations

from typing import ClassVar, Final, Protocol

from classicvision._native import native_available
from classicvision.evaluation.repeatability import Features
from classicvision.features.binary import Akaze, Orb
from classicvision.features.sift import Sift
from classicvision.images import Image

__all__ = ["DETECTORS", "Detector", "absence"]


class Detector(Protocol):
    """Finds and describes keypoints: a frozen dataclass of settings."""

    kind: ClassVar[str]

    def __call__(self, image: Image) -> Features:
        """Return the keypoints of an (H, W, 3) uint8 image."""
        ...


DETECTORS: Final[dict[str, Detector]] = {
    "sift-exact": Sift(engine="native", precision="exact"),
    "sift-fast": Sift(engine="native", precision="fast"),
    "sift-reference": Sift(engine="reference"),
    "sift-opencv": Sift(engine="opencv"),
    "orb": Orb(),
    "akaze": Akaze(),
}
"""The detectors by name. SIFT is matched as RootSIFT, the others by Hamming distance."""


def absence(name: str) -> str:
    """Return why a detector cannot be used here; empty if it can."""
    if name in ("sift-exact", "sift-fast") and not native_available():
        return "classicvision was installed without compiled kernels"
    if name == "akaze" and not Akaze.is_available():
        return "the installed OpenCV has no AKAZE"
    return ""
