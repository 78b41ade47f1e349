"""Step 1 of SIFT: the Gaussian scale space and its differences.

Lowe (2004), "Distinctive image features from scale-invariant keypoints", section 3. L(sigma) is the image blurred by a
Gaussian of width sigma (eq. 1). The difference of neighbouring scales, D = L(k sigma) - L(sigma), approximates the
scale-normalised Laplacian (eq. 2). When sigma has doubled, every second sample suffices and a new octave starts.

Sample i of the first octave lies at i / 2 pixels, without a shift. The samples are those of OpenCV with
`enable_precise_upscale=True`: 2 W per row, of which the last lies beyond the last pixel and repeats it. Each further
octave keeps samples 0, 2, 4, ... of complete pairs.

The four borders are therefore not treated alike, and an even number of samples is subsampled from one side. The
keypoints of an image rotated by 90 degrees are the rotated keypoints only where neither matters: 8 sigma from the
border, for sides of 2^m + 1 pixels; for other sides only in the first two octaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["ScaleSpace", "build_scale_space"]

CAMERA_BLUR: Final = 0.5  # sigma in pixels that every image is assumed to have (Lowe 2004, 3.3)
LEAST_BLUR: Final = 0.1  # sigma in samples, applied if the first level should be sharper than the image


@dataclass(frozen=True, eq=False)
class ScaleSpace:
    """An image at several scales, octave by octave, from fine to coarse.

    Samples of octave o are `spacing(o)` pixels apart, and sample (0, 0) of each lies on pixel (0, 0).

    Attributes
    ----------
    gaussians : tuple of (n_layers + 3, h, w) float32
        One array per octave: the image, values in [0, 1], blurred to sigma * 2 ** (layer / n_layers) samples.
    dog : tuple of (n_layers + 2, h, w) float32
        Differences: layer i is Gaussian i + 1 minus Gaussian i.
    sigma : float
        Blur of layer 0 in samples.
    n_layers : int
        Layers per octave in which blobs are detected.
    upsampled : bool
        Whether the samples of the first octave are half a pixel apart.
    """

    gaussians: tuple[NDArray[np.float32], ...]
    dog: tuple[NDArray[np.float32], ...]
    sigma: float
    n_layers: int
    upsampled: bool

    def spacing(self, octave: Any) -> Any:
        """Return the distance between samples of an octave, or of an array of octaves, in pixels."""
        return np.exp2(octave) * (0.5 if self.upsampled else 1.0)

    def blur(self, layer: Any) -> Any:
        """Return sigma in samples at a possibly fractional layer; it is the same in all octaves (Lowe 2004, 3.3)."""
        return self.sigma * np.exp2(layer / self.n_layers)


def build_scale_space(
    gray: NDArray[np.uint8], *, n_layers: int = 3, sigma: float = 1.6, upsample: bool = True
) -> ScaleSpace:
    """Build the scale space of a grey image.

    Parameters
    ----------
    gray : (H, W) uint8
    n_layers : int
        Layers per octave in which blobs can be detected; three more are computed at its ends.
    sigma : float
        Blur of the first layer of an octave, in samples.
    upsample : bool
        Start with samples half a pixel apart, which finds about four times as many blobs (Lowe 2004, 3.3).

    Returns
    -------
    ScaleSpace
        Without octaves if the image is too small.
    """
    base, blur = gray.astype(np.float32), CAMERA_BLUR
    if upsample:
        base, blur = _double(base), 2 * CAMERA_BLUR
    base = _blur(base / np.float32(255), max(sigma**2 - blur**2, LEAST_BLUR**2) ** 0.5)
    gaussians = []
    for _ in range(_count_octaves(gray.shape, upsample)):
        gaussians.append(_build_octave(base, n_layers, sigma))
        # The next octave starts from every second sample of the layer with twice the blur of the first.
        height, width = base.shape
        base = gaussians[-1][n_layers, : height // 2 * 2 : 2, : width // 2 * 2 : 2]
    dog = tuple(np.diff(octave, axis=0) for octave in gaussians)
    return ScaleSpace(tuple(gaussians), dog, sigma, n_layers, upsample)


def _count_octaves(shape: tuple[int, ...], upsample: bool) -> int:
    """Return OpenCV's number of octaves: the coarsest is at least three samples wide."""
    finest = min(shape) * (2 if upsample else 1)
    return max(0, round(math.log2(finest) - 2) + int(upsample))


def _double(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Insert a sample half-way between neighbouring pixels by linear interpolation: (H, W) to (2 H, 2 W)."""
    height, width = image.shape
    image = np.pad(image, ((0, 1), (0, 1)), mode="edge")  # the last pixel is repeated
    double = np.empty((2 * height, 2 * width), np.float32)
    double[::2, ::2] = image[:-1, :-1]
    double[1::2, ::2] = (image[:-1, :-1] + image[1:, :-1]) / 2
    double[::2, 1::2] = (image[:-1, :-1] + image[:-1, 1:]) / 2
    double[1::2, 1::2] = (image[:-1, :-1] + image[1:, :-1] + image[:-1, 1:] + image[1:, 1:]) / 4
    return double


def _build_octave(base: NDArray[np.float32], n_layers: int, sigma: float) -> NDArray[np.float32]:
    """Return the layers of one octave, (n_layers + 3, h, w); `base` is already blurred to sigma."""
    layers = np.empty((n_layers + 3, *base.shape), np.float32)
    layers[0] = base
    for i in range(1, len(layers)):
        # Variances add: from sigma k^(i-1) to sigma k^i, with k = 2^(1 / n_layers).
        before, after = (sigma * 2 ** (layer / n_layers) for layer in (i - 1, i))
        layers[i] = _blur(layers[i - 1], (after**2 - before**2) ** 0.5)
    return layers


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Convolve with a Gaussian truncated at 4 sigma; the image is reflected at its border.

    Sums are in double precision, so that the order of rows and columns has no effect: an image rotated by 90 degrees
    gives exactly the rotated levels.
    """
    return np.asarray(cv2.GaussianBlur(image.astype(np.float64), (0, 0), sigma), np.float32)
