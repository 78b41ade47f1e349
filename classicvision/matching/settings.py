"""Settings of matching two images and of finding copies inside one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from classicvision.config import require, validate
from classicvision.features.sift import Sift

__all__ = ["MATCHING_SIFT", "CopyMoveSettings", "MatchSettings"]

MATCHING_SIFT: Final = Sift(contrast=0.01, max_features=1000, spread=True, max_side=1024)
"""What copies are looked for with. Weak keypoints too, because a small crop or a smooth picture has few others: of 75
pictures cropped to a tenth of their area, 92 % are found with contrast 0.02, 99 % with 0.01 and with 0.005. With 500
keypoints collages and screenshots are missed. They are spread, because letters have the strongest: of 71 photographs in
a page full of text, 33 are found by the strongest keypoints alone and 70 by keypoints spread over the page. Looking at
no more than 1024 pixels costs nothing of that, and makes ten megapixels four times as fast."""


@dataclass(frozen=True)
class MatchSettings:
    """How two pictures are compared by their keypoints."""

    kind: ClassVar[str] = "match"
    version: ClassVar[int] = 3

    ratio: float = 0.8  # best / second-best distance; lower keeps fewer, surer matches (Lowe 2004, 7.1)
    min_keypoints: int = 8  # with fewer in either picture nothing can be decided
    threshold: float = 15.0  # least significance of a copy: -log10 of the expected number of chance agreements
    max_regions: int = 8  # parts that one picture may have from the other, each by a transform of its own
    mirrored: bool = True  # look for mirrored copies too

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        require(self.min_keypoints >= 3, "min_keypoints", self.min_keypoints, "at least 3")
        require(self.threshold >= 0, "threshold", self.threshold, "at least 0")
        require(self.max_regions >= 1, "max_regions", self.max_regions, "at least 1")


@dataclass(frozen=True)
class CopyMoveSettings:
    """How copies inside one picture are looked for."""

    kind: ClassVar[str] = "copy-move"
    version: ClassVar[int] = 1

    ratio: float = 0.6  # distance to the nearest over that to the next place; repeated texture has many equals
    threshold: float = 20.0  # least significance of a copy: -log10 of the expected number of chance agreements
    least_shift: float = 0.05  # of the longer side of the picture; a copy lies at least so far from its original
    max_regions: int = 8  # copies that are found at most
    mirrored: bool = True  # look for mirrored copies too

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        require(self.threshold >= 0, "threshold", self.threshold, "at least 0")
        require(0 < self.least_shift < 1, "least_shift", self.least_shift, "between 0 and 1")
        require(self.max_regions >= 1, "max_regions", self.max_regions, "at least 1")
