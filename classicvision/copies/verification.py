"""Verification of findings by pixels, read from the original files."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from classicvision.errors import ImageReadError
from classicvision.features.local import LocalFeatures
from classicvision.images import Image, decode_image, read_bytes
from classicvision.matching.pixels.verification import verify_by_pixels
from classicvision.matching.result import MatchResult

__all__ = ["ImageFile", "verify_files"]

HELD: Final = 4  # decoded images in memory: a query is compared with one reference after the other


class ImageFile(NamedTuple):
    """An image file, and the SHA-256 that it had when its keypoints were detected."""

    path: Path
    content: str


def verify_files(
    file_a: ImageFile, file_b: ImageFile, a: LocalFeatures, b: LocalFeatures, result: MatchResult
) -> MatchResult:
    """Verify a copy by the pixels of the two files, as `verify_by_pixels` does.

    If a file is missing, cannot be read or has changed, the result stays as it is, and its reason says so.

    Parameters
    ----------
    file_a, file_b : ImageFile
    a, b : LocalFeatures
        Their keypoints.
    result : MatchResult
        Of `match_features` for these keypoints.
    """
    if result.verdict != "copy":
        return result
    try:
        images = _image(*file_a), _image(*file_b)
    except ImageReadError as error:
        return replace(result, reason=f"{result.reason}; not verified by pixels: {error}")
    return verify_by_pixels(*images, a, b, result)


@lru_cache(maxsize=HELD)
def _image(path: Path, content: str) -> Image:
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != content:
        raise ImageReadError(path, "has changed since its keypoints were detected")
    return decode_image(data, path)
