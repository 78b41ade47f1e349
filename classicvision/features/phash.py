"""A global signature: the signs of a picture's slowest waves, a perceptual hash that knows which of its bits to trust.

Pictures without keypoints (gradients, blurred photographs, tiny icons) can still be compared as a whole. As in pHash
(Zauner 2010, section 3.2) and PDQ (Facebook 2019), the signs of the lowest frequencies of a cosine transform tell
pictures apart. Two things differ. The waves are sampled at the picture's own pixels, so nothing is resized first; and a
wave that is weaker than noise gives 0 instead of a chance bit, so a picture with little in it says so.

A cosine is even or odd about its middle, so mirroring a picture negates its odd waves, and transposing it transposes
their table: all eight symmetries of a rectangle follow from one signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.config import validate
from classicvision.errors import SettingsError
from classicvision.images import Image, to_gray

__all__ = ["SIGNATURE_SIZE", "SYMMETRIES", "GlobalSignature", "symmetric_signatures"]

N_WAVES: Final = 16
SIGNATURE_SIZE: Final = N_WAVES * N_WAVES

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
"""What each row of `symmetric_signatures` does to the picture."""


@dataclass(frozen=True)
class GlobalSignature:
    """Settings of the signature; called with a picture, it returns 256 signs.

    Examples
    --------
    >>> import numpy as np
    >>> int(np.abs(GlobalSignature()(np.zeros((64, 64, 3), np.uint8))).sum())
    0
    """

    kind: ClassVar[str] = "global-signature"
    version: ClassVar[int] = 1

    min_amplitude: float = 0.5  # a wave counts from this amplitude on, in levels of 0 to 255

    def __post_init__(self) -> None:
        validate(self)
        if not 0 <= self.min_amplitude < 255:
            raise SettingsError(f"min_amplitude is {self.min_amplitude!r}; it must be from 0 to 255 levels")

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Take the signature of a picture.

        Parameters
        ----------
        image : (H, W, 3) or (H, W) uint8
            RGB or grey.

        Returns
        -------
        (256,) float32
            1, -1 or 0 (too weak to tell) for each wave, slowest first, row by row of a 16 x 16 table: rows are
            frequencies down the picture, columns across it. The mean, wave (0, 0), is always 0.
        """
        gray = image if image.ndim == 2 else to_gray(image)
        amplitude = wave_amplitudes(gray)
        amplitude[0, 0] = 0
        return np.where(np.abs(amplitude) > self.min_amplitude, np.sign(amplitude), 0).ravel().astype(np.float32)


def wave_amplitudes(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how strong each of the 16 x 16 slowest waves of an (H, W) picture is, in levels.

    Wave (u, v) is cos(pi u (y + 1/2) / H) cos(pi v (x + 1/2) / W). A side of n pixels has n waves; faster ones are 0.
    """
    down, across = (_waves(side) for side in gray.shape)
    return (down @ gray.astype(np.float32)) @ across.T


def symmetric_signatures(signature: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (8, 256) signatures of a picture mirrored and turned, in the order of `SYMMETRIES`."""
    table = signature.reshape(N_WAVES, N_WAVES)
    odd = (-1.0) ** np.arange(N_WAVES, dtype=np.float32)
    versions = [
        grid * signs
        for grid in (table, table.T)
        for signs in (np.ones_like(table), odd[np.newaxis, :], odd[:, np.newaxis], np.outer(odd, odd))
    ]
    return np.stack([version.ravel() for version in versions]).astype(np.float32)


def _waves(side: int) -> NDArray[np.float32]:
    """Return the (16, side) samples of the waves over one side, weighted so that a sum of levels is an amplitude."""
    frequency, place = np.arange(N_WAVES)[:, np.newaxis], np.arange(side) + 0.5
    waves = np.cos(np.pi * frequency * place / side) * np.where(frequency > 0, 2, 1) / side
    return np.where(frequency < side, waves, 0).astype(np.float32)
