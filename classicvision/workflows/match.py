"""``classicvision match``: decide whether one image is a copy of another, or of a part of it."""

from __future__ import annotations

from classicvision.copies.image_pair import LoadedImage, compare_images
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.images import write_image
from classicvision.matching.likeness import BackboneFallback
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings

__all__ = ["match"]


def match(
    a: PathLike,
    b: PathLike,
    *,
    sift: Sift = MATCHING_SIFT,
    settings: MatchSettings | None = None,
    fallback: BackboneFallback | None = None,
    draw: PathLike | None = None,
) -> MatchResult:
    """Compare two image files, and optionally draw the parts they share.

    Files of equal bytes are copies. Images with too few keypoints are compared as a whole.

    Parameters
    ----------
    a, b : path
    sift : Sift
        Finds the keypoints.
    settings : MatchSettings, optional
    fallback : BackboneFallback, optional
        A network that compares images with too few keypoints if their perceptual hashes do not show a copy.
    draw : path, optional
        Image file to write: both images side by side, with regions and matches.

    Raises
    ------
    ImageReadError
        If a file is not an image.
    """
    one, other = LoadedImage.read(a, sift), LoadedImage.read(b, sift)
    result = compare_images(one, other, settings, fallback)
    if draw is not None:
        from classicvision.viz.matches import draw_matches

        write_image(draw, draw_matches(one.image, other.image, one.features, other.features, result.regions))
    return result
