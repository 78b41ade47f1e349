"""What identifies a whole image: a digest of its pixels, which equal images share, and its perceptual hash.

Two files can hold the same pixels in different formats, with different metadata, or with transparency that changes
nothing; their digests are equal, and almost surely only theirs. The perceptual hash proposes images that are nearly
equal. Both take 96 bytes, so that an index can hold them for all of its images.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.phash import HASH_SIZE, PerceptualHash, pack_signs, unpack_signs
from classicvision.images import Image

__all__ = ["GLOBAL_BYTES", "ONE_COLOUR", "GlobalExtractor", "GlobalFeatures", "pixel_digest"]

_DIGEST_BYTES: Final = 32

GLOBAL_BYTES: Final = _DIGEST_BYTES + HASH_SIZE // 4
"""Bytes that the global features of an image take."""


@dataclass(frozen=True, eq=False)
class GlobalFeatures:
    """The global features of one image.

    Attributes
    ----------
    pixels : str
        SHA-256 of the decoded, upright pixels and their dimensions, as 64 hexadecimal digits; `ONE_COLOUR` for an image
        of one colour.
    signs : (256,) float32
        The perceptual hash, as `PerceptualHash` returns it.
    """

    pixels: str
    signs: NDArray[np.float32]

    @classmethod
    def of(cls, image: Image) -> GlobalFeatures:
        """Compute the features of an (H, W, 3) image."""
        return cls(pixel_digest(image), PerceptualHash()(image))

    def to_vector(self) -> NDArray[np.uint8]:
        """Return the features as (96,) bytes: the digest, then the signs of the hash with two bits each."""
        return np.concatenate([np.frombuffer(bytes.fromhex(self.pixels), np.uint8), pack_signs(self.signs)])

    @classmethod
    def from_vector(cls, vector: NDArray[np.uint8]) -> GlobalFeatures:
        """Rebuild features from what `to_vector` returned; a ValueError if it has another length."""
        if vector.shape != (GLOBAL_BYTES,):
            raise ValueError(f"global features have shape {vector.shape}; expected ({GLOBAL_BYTES},)")
        return cls(vector[:_DIGEST_BYTES].tobytes().hex(), unpack_signs(vector[_DIGEST_BYTES:]))


@dataclass(frozen=True)
class GlobalExtractor:
    """The extractor of global features; calling it returns the (96,) uint8 vector of an image."""

    kind: ClassVar[str] = "global"
    version: ClassVar[int] = 1

    def __call__(self, image: Image) -> NDArray[np.uint8]:
        """Return the global features of an (H, W, 3) image as bytes."""
        return GlobalFeatures.of(image).to_vector()


ONE_COLOUR: Final = "0" * 64
"""The digest of every image of one colour: that such images have equal pixels says nothing, for empty pages and for
white drawings on transparency, which are decoded on white."""


def pixel_digest(image: Image) -> str:
    """Return the SHA-256 of the pixels of an image and of its dimensions, as 64 hexadecimal digits, or `ONE_COLOUR`.

    Parameters
    ----------
    image : (H, W, 3) uint8
        As `read_image` returns it: RGB, upright, with transparency resolved.
    """
    if all((part == image[0, 0]).all() for part in (image[::16, ::16], image)):  # nearly always decided by the first
        return ONE_COLOUR
    digest = hashlib.sha256(f"{image.shape[0]} x {image.shape[1]} ".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
