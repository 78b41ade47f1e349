"""Two image files: whether one is a copy of the other, by bytes, pixels, keypoints, hashes, and perhaps a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from classicvision.features.global_features import ONE_COLOUR, pixel_digest
from classicvision.features.local import LocalFeatures
from classicvision.features.phash import PerceptualHash
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.images import Image, decode_image, read_bytes
from classicvision.matching.global_match import (
    CONCLUSIVE_KEYPOINTS,
    HASH_THRESHOLD,
    WholeView,
    compare_views,
    has_enough_coefficients,
    is_settled,
)
from classicvision.matching.likeness import BackboneFallback, Seen, compare_by_backbone
from classicvision.matching.pair import match_features
from classicvision.matching.pixels.verification import verify_by_pixels
from classicvision.matching.result import MatchResult, equal_result
from classicvision.matching.settings import MatchSettings

__all__ = ["LoadedImage", "compare_images"]


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image with the bytes of its file and its features."""

    content: bytes
    image: Image
    features: LocalFeatures

    @classmethod
    def read(cls, path: PathLike, sift: Sift) -> Self:
        """Read an image file and detect its keypoints; an ImageReadError if it is not an image."""
        content = read_bytes(path)
        image = decode_image(content, path)
        return cls(content, image, sift(image))


def compare_images(
    a: LoadedImage, b: LoadedImage, settings: MatchSettings | None, fallback: BackboneFallback | None
) -> MatchResult:
    """Decide whether an image is a copy of another; parameters are those of `workflows.match`."""
    result = match_features(a.features, b.features, settings)
    if a.content == b.content or _has_equal_pixels(a.image, b.image):
        equal = equal_result(result.n_keypoints, result.image_sizes, same_file=a.content == b.content)
        return replace(equal, regions=result.regions)
    proposed = result.verdict == "copy"
    if result.verdict != "cannot decide":
        result = verify_by_pixels(a.image, b.image, a.features, b.features, result)
    if proposed and is_settled(result):
        return result
    of_a, of_b = map(PerceptualHash(), (a.image, b.image))
    mirrored = settings is None or settings.mirrored
    whole = compare_views(_view(a, of_a), _view(b, of_b), orientation="both" if mirrored and not proposed else "direct")
    if whole.verdict == "copy" or proposed:
        return whole if whole.verdict == "copy" else result
    if result.verdict != "cannot decide":
        return _without_a_copy(result, whole, is_alike=mirrored and whole.score >= HASH_THRESHOLD)
    if fallback is None or not (has_enough_coefficients(of_a) and has_enough_coefficients(of_b)):
        return whole
    seen_a, seen_b = Seen(of_a, fallback.features(a.image)), Seen(of_b, fallback.features(b.image))
    return compare_by_backbone(seen_a, seen_b, fallback, whole)


def _has_equal_pixels(a: Image, b: Image) -> bool:
    """Tell whether images have equal pixels, of more than one colour: that of two blank images says nothing."""
    return np.array_equal(a, b) and pixel_digest(a) != ONE_COLOUR


def _view(image: LoadedImage, signature: NDArray[np.float32]) -> WholeView:
    features = image.features
    return WholeView(signature, image.image, features.image_size, len(features))


def _without_a_copy(by_keypoints: MatchResult, whole: MatchResult, *, is_alike: bool) -> MatchResult:
    """Return "no evidence" only if there were enough keypoints to find a part, and the whole images are not alike."""
    if is_alike:
        return whole
    if by_keypoints.verdict != "no evidence" or min(by_keypoints.n_keypoints) >= CONCLUSIVE_KEYPOINTS:
        return by_keypoints
    n_a, n_b = by_keypoints.n_keypoints
    reason = (
        f"{by_keypoints.reason}, but {n_a} and {n_b} keypoints are too few to rule it out, and as a whole they differ"
    )
    return replace(by_keypoints, verdict="cannot decide", reason=reason)
