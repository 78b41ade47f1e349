"""Two pictures: is one a copy of the other, or of a part of it, and by which transform."""

from __future__ import annotations

from dataclasses import dataclass, replace

from classicvision.features.local import LocalFeatures
from classicvision.features.phash import PerceptualHash
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.images import Image, decode_image, read_bytes, write_image
from classicvision.matching.global_match import compare_hashes, has_enough_coefficients
from classicvision.matching.likeness import BackboneFallback, Seen, compare_by_backbone
from classicvision.matching.pair import match_features
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings

__all__ = ["match"]


@dataclass(frozen=True, eq=False)
class _Picture:
    content: bytes
    image: Image
    features: LocalFeatures


def match(
    a: PathLike,
    b: PathLike,
    *,
    sift: Sift = MATCHING_SIFT,
    settings: MatchSettings | None = None,
    fallback: BackboneFallback | None = None,
    draw: PathLike | None = None,
) -> MatchResult:
    """Compare two picture files, and draw what they share if asked to.

    Files of equal bytes are copies at once. Pictures with too few keypoints are compared as a whole.

    Parameters
    ----------
    a, b : path
    sift : Sift
        Finds the keypoints.
    settings : MatchSettings, optional
    fallback : BackboneFallback, optional
        A network that compares pictures with too few keypoints, if their signatures do not show a copy.
    draw : path, optional
        Picture to write: both side by side, with regions and joined keypoints.

    Raises
    ------
    ImageReadError
        If a file holds no picture.
    """
    one, other = _read(a, sift), _read(b, sift)
    result = _compare(one, other, settings, fallback)
    if draw is not None:
        from classicvision.viz.matches import draw_matches

        write_image(draw, draw_matches(one.image, other.image, one.features, other.features, result.regions))
    return result


def _read(path: PathLike, sift: Sift) -> _Picture:
    content = read_bytes(path)
    image = decode_image(content, path)
    return _Picture(content, image, sift(image))


def _compare(
    a: _Picture, b: _Picture, settings: MatchSettings | None, fallback: BackboneFallback | None
) -> MatchResult:
    result = match_features(a.features, b.features, settings)
    if a.content == b.content:
        return replace(result, verdict="copy", method="bytes", reason="the files are equal, byte for byte")
    if result.verdict != "cannot decide":
        return result
    of_a, of_b = map(PerceptualHash(), (a.image, b.image))
    whole = compare_hashes(of_a, of_b, image_sizes=result.image_sizes, n_keypoints=result.n_keypoints)
    if fallback is None or not (has_enough_coefficients(of_a) and has_enough_coefficients(of_b)):
        return whole
    seen_a, seen_b = Seen(of_a, fallback.features(a.image)), Seen(of_b, fallback.features(b.image))
    return compare_by_backbone(seen_a, seen_b, fallback, whole)
