"""Settings of matching two images and of finding copies inside one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from classicvision.config import require, validate
from classicvision.features.sift import Sift

__all__ = ["MATCHING_SIFT", "CopyMoveSettings", "MatchSettings"]

MATCHING_SIFT: Final = Sift(contrast=0.01, max_features=1000, spread=True, max_side=1024)
"""The SIFT settings of the copy search. The contrast threshold is low, because a small crop or a smooth image has few
strong keypoints: of 75 images cropped to a tenth of their area, 92 % are found with contrast 0.02, and 99 % with 0.01
and with 0.005. With 500 keypoints collages and screenshots are missed. Keypoints are spread, because letters give the
strongest ones: of 71 photographs in a page full of text, 33 are found by the strongest keypoints and 70 by keypoints
spread over the page. Limiting images to 1024 pixels loses none of these and makes ten megapixels four times as fast."""


@dataclass(frozen=True)
class MatchSettings:
    """Settings of `match_features`: how two images are compared by their keypoints.

    Parameters
    ----------
    ratio : float, default 0.8
        Ratio test: a match counts if its distance is below `ratio` times the distance to the second nearest descriptor.
        Smaller values keep fewer, more reliable matches; 0.8 is Lowe's choice ([1]_, section 7.1).
    min_keypoints : int, default 8
        With fewer keypoints in either image the verdict is "cannot decide". Larger values compare fewer images by
        keypoints and leave more to the perceptual hash.
    threshold : float, default 15
        Significance from which a region counts as a copy: -log10 of the expected number of equally good agreements by
        chance ([2]_). Each unit more means ten times fewer false matches in theory; larger values miss small or
        heavily edited copies. `Calibration.threshold_for` derives it from a false-match rate.
    max_regions : int, default 8
        Largest number of regions, each with its own transform. More are needed for collages and take longer.
    mirrored : bool, default True
        Also look for mirrored copies, which takes up to twice as long.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.

    References
    ----------
    .. [1] D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60, 2004.
           :DOI:`10.1023/B:VISI.0000029664.99615.94`
    .. [2] L. Moisan and B. Stival, "A probabilistic criterion to detect rigid point matches between two images and
           estimate the fundamental matrix", IJCV 57, 2004. :DOI:`10.1023/B:VISI.0000013094.38752.54`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import MATCHING_SIFT, MatchSettings, match_features, read_image
    >>> image = read_image("data/copies/library/cat.jpg")
    >>> flipped = np.ascontiguousarray(image[:, ::-1])
    >>> a, b = MATCHING_SIFT(image), MATCHING_SIFT(flipped)
    >>> match_features(a, b).verdict
    'copy'
    >>> match_features(a, b, MatchSettings(mirrored=False)).verdict
    'no evidence'
    """

    kind: ClassVar[str] = "match"
    version: ClassVar[int] = 3

    ratio: float = 0.8
    min_keypoints: int = 8
    threshold: float = 15.0
    max_regions: int = 8
    mirrored: bool = True

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        require(self.min_keypoints >= 3, "min_keypoints", self.min_keypoints, "at least 3")
        require(self.threshold >= 0, "threshold", self.threshold, "at least 0")
        require(self.max_regions >= 1, "max_regions", self.max_regions, "at least 1")


@dataclass(frozen=True)
class CopyMoveSettings:
    """Settings of `find_copy_moves`: how copies inside one image are found.

    Parameters
    ----------
    ratio : float, default 0.6
        Ratio test against the second nearest descriptor elsewhere in the image. Smaller values keep fewer, more
        reliable matches. The default is stricter than between two images, since repeated texture has many similar
        descriptors.
    threshold : float, default 20
        Significance from which an agreement counts as a copy: -log10 of the expected number of equally good agreements
        by chance. Larger values report fewer, more certain copies.
    least_shift : float, default 0.05
        Smallest displacement of a copy, relative to the longer side of the image. Smaller values also find copies close
        to their original, and more self-similar texture.
    max_regions : int, default 8
        Largest number of copies returned.
    mirrored : bool, default True
        Also look for mirrored copies, which takes twice as long.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.

    Examples
    --------
    >>> from classicvision import CopyMoveSettings, Sift, find_copy_moves, read_image
    >>> image = read_image("data/copies/library/coffee.jpg").copy()
    >>> image[5:105, 5:105] = image[110:210, 110:210]
    >>> features = Sift(contrast=0.01)(image)
    >>> len(find_copy_moves(features, CopyMoveSettings(mirrored=False)))
    1
    """

    kind: ClassVar[str] = "copy-move"
    version: ClassVar[int] = 1

    ratio: float = 0.6
    threshold: float = 20.0
    least_shift: float = 0.05
    max_regions: int = 8
    mirrored: bool = True

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        require(self.threshold >= 0, "threshold", self.threshold, "at least 0")
        require(0 < self.least_shift < 1, "least_shift", self.least_shift, "between 0 and 1")
        require(self.max_regions >= 1, "max_regions", self.max_regions, "at least 1")
