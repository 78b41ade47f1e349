"""Two image files: whether one is a copy of the other, by bytes, pixels, keypoints, hashes, and perhaps a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from classicvision.features.local import LocalFeatures
from classicvision.features.phash import PerceptualHash
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.images import Image, decode_image, read_bytes
from classicvision.matching.global_match import compare_hashes, has_enough_coefficients
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
    if np.array_equal(a.image, b.image):
        equal = equal_result(result.n_keypoints, result.image_sizes, same_file=a.content == b.content)
        return replace(equal, regions=result.regions)
    if result.verdict != "cannot decide":
        return verify_by_pixels(a.image, b.image, a.features, b.features, result)
    of_a, of_b = map(PerceptualHash(), (a.image, b.image))
    whole = compare_hashes(of_a, of_b, image_sizes=result.image_sizes, n_keypoints=result.n_keypoints)
    if fallback is None or not (has_enough_coefficients(of_a) and has_enough_coefficients(of_b)):
        return whole
    seen_a, seen_b = Seen(of_a, fallback.features(a.image)), Seen(of_b, fallback.features(b.image))
    return compare_by_backbone(seen_a, seen_b, fallback, whole)
