"""A perceptual hash: the signs of the lowest DCT coefficients of an image, without the unreliable ones.

Images without keypoints (gradients, blurred photographs, tiny icons) can still be compared as a whole. As in pHash
(Zauner 2010, section 3.2) and PDQ (Facebook 2019), the signs of the lowest coefficients of a discrete cosine transform
(DCT) identify an image. Two things differ: the transform is computed at the image's own resolution instead of a resized
copy, and a coefficient weaker than noise gives 0 instead of a random bit, so an image with little structure has a hash
that is mostly 0.

A cosine is even or odd about its middle, so mirroring an image negates its odd coefficients, and transposing it
transposes their table: the hashes of all eight symmetries of a rectangle follow from one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.config import validate
from classicvision.errors import SettingsError
from classicvision.images import Image, to_gray

__all__ = ["HASH_SIZE", "SYMMETRIES", "PerceptualHash", "pack_signs", "symmetric_hashes", "unpack_signs"]

N_FREQUENCIES: Final = 16  # per axis
HASH_SIZE: Final = N_FREQUENCIES * N_FREQUENCIES

SYMMETRIES: Final = (
    "as it is",
    "mirrored",
    "upside down and mirrored",
    "rotated 180 degrees",
    "rotated 270 degrees and mirrored",
    "rotated 90 degrees",
    "rotated 270 degrees",
    "rotated 90 degrees and mirrored",
)
"""The transform of the image that each row of `symmetric_hashes` corresponds to."""


@dataclass(frozen=True)
class PerceptualHash:
    """Settings of the hash; calling them with an image returns 256 signs of DCT coefficients.

    Parameters
    ----------
    min_amplitude : float, default 0.5
        A coefficient gives a sign if its amplitude exceeds this, in grey levels of 0 to 255, and 0 otherwise. Larger
        values trust fewer coefficients: more robust to noise, less distinctive.

    Raises
    ------
    SettingsError
        If `min_amplitude` is not in [0, 255).

    Examples
    --------
    >>> from classicvision import read_image
    >>> image = read_image("data/copies/library/coffee.jpg")
    >>> a, b = PerceptualHash()(image), PerceptualHash()(image[::2, ::2])
    >>> bool((a * b).min() >= 0)  # at half the size no sign has changed
    True
    """

    kind: ClassVar[str] = "perceptual-hash"
    version: ClassVar[int] = 1

    min_amplitude: float = 0.5

    def __post_init__(self) -> None:
        validate(self)
        if not 0 <= self.min_amplitude < 255:
            raise SettingsError(f"min_amplitude is {self.min_amplitude!r}; it must be at least 0 and below 255 levels")

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Compute the hash of an image.

        Parameters
        ----------
        image : (H, W, 3) or (H, W) uint8
            RGB or grey.

        Returns
        -------
        (256,) float32
            1, -1 or 0 (too weak) per coefficient, row by row of a 16 x 16 table: vertical frequencies in rows,
            horizontal ones in columns, lowest first. Coefficient (0, 0), the mean, is always 0.
        """
        gray = image if image.ndim == 2 else to_gray(image)
        amplitude = dct_amplitudes(gray)
        amplitude[0, 0] = 0
        return np.where(np.abs(amplitude) > self.min_amplitude, np.sign(amplitude), 0).ravel().astype(np.float32)


def dct_amplitudes(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the 16 x 16 lowest DCT coefficients of an (H, W) image, as amplitudes in grey levels.

    Basis function (u, v) is cos(pi u (y + 1/2) / H) cos(pi v (x + 1/2) / W). A side of n pixels has n frequencies;
    coefficients of higher ones are 0.
    """
    vertical, horizontal = (_cosines(side) for side in gray.shape)
    return (vertical @ gray.astype(np.float32)) @ horizontal.T


def symmetric_hashes(image_hash: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (8, 256) hashes of the image under its eight symmetries, in the order of `SYMMETRIES`."""
    table = image_hash.reshape(N_FREQUENCIES, N_FREQUENCIES)
    odd = (-1.0) ** np.arange(N_FREQUENCIES, dtype=np.float32)
    versions = [
        grid * signs
        for grid in (table, table.T)
        for signs in (np.ones_like(table), odd[np.newaxis, :], odd[:, np.newaxis], np.outer(odd, odd))
    ]
    return np.stack([version.ravel() for version in versions]).astype(np.float32)


def pack_signs(image_hash: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (..., 64) bytes for hashes of (..., 256) signs: which signs are positive, then which are negative."""
    return np.concatenate([np.packbits(image_hash > 0, axis=-1), np.packbits(image_hash < 0, axis=-1)], axis=-1)


def unpack_signs(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the (..., 256) signs of hashes that `pack_signs` packed."""
    positive, negative = np.split(np.unpackbits(packed, axis=-1).astype(np.float32), 2, axis=-1)
    return positive - negative


def _cosines(side: int) -> NDArray[np.float32]:
    """Return the (16, side) samples of the cosines along one side, scaled so that a weighted sum is an amplitude."""
    frequency, position = np.arange(N_FREQUENCIES)[:, np.newaxis], np.arange(side) + 0.5
    cosines = np.cos(np.pi * frequency * position / side) * np.where(frequency > 0, 2, 1) / side
    return np.where(frequency < side, cosines, 0).astype(np.float32)
