"""Step 1 of SIFT: the picture at every scale, and the differences between neighbouring scales.

Lowe (2004), "Distinctive image features from scale-invariant keypoints", section 3. A picture blurred by a Gaussian of
width sigma is L(sigma) (eq. 1); the difference of two neighbours, D = L(k sigma) - L(sigma), stands for the
scale-normalised Laplacian (eq. 2). Each time sigma has doubled, every second sample is enough: a new octave begins.

Sample i of the first octave is at i / 2 pixels, without any shift. The samples are OpenCV's with
`enable_precise_upscale=True`: 2 W a row, the last of which lies beyond the last pixel and repeats it; each further
octave keeps samples 0, 2, 4, ... of whole pairs.

So the border is not treated alike on all four sides, and an even number of samples is thinned out from one side. A
picture turned by 90 degrees has the same keypoints, turned, wherever neither is felt: 8 sigma from the border, with
sides of 2^m + 1 pixels; with other sides, in the first two octaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["ScaleSpace", "build_scale_space"]

CAMERA_BLUR: Final = 0.5  # sigma in pixels that a picture is taken to have already (Lowe 2004, 3.3)
LEAST_BLUR: Final = 0.1  # sigma in samples; a first level sharper than the picture cannot be had


@dataclass(frozen=True, eq=False)
class ScaleSpace:
    """A picture at several scales, octave by octave, fine to coarse.

    Samples of octave o are `spacing(o)` pixels apart, and sample (0, 0) of each lies on pixel (0, 0).

    Attributes
    ----------
    gaussians : tuple of (n_layers + 3, h, w) float32
        One array an octave: the picture, values in [0, 1], blurred to sigma * 2 ** (layer / n_layers) samples.
    dog : tuple of (n_layers + 2, h, w) float32
        Differences: layer i is gaussian i + 1 less gaussian i.
    sigma : float
        Blur of layer 0 in samples.
    n_layers : int
        Layers in which blobs are sought, an octave.
    upsampled : bool
        Whether the first octave has samples half a pixel apart.
    """

    gaussians: tuple[NDArray[np.float32], ...]
    dog: tuple[NDArray[np.float32], ...]
    sigma: float
    n_layers: int
    upsampled: bool

    def spacing(self, octave: Any) -> Any:
        """Return the distance between samples, in pixels, of one octave or an array of them."""
        return np.exp2(octave) * (0.5 if self.upsampled else 1.0)

    def blur(self, layer: Any) -> Any:
        """Return sigma in samples at a layer, whole or between two; the same in all octaves (Lowe 2004, 3.3)."""
        return self.sigma * np.exp2(layer / self.n_layers)


def build_scale_space(
    gray: NDArray[np.uint8], *, n_layers: int = 3, sigma: float = 1.6, upsample: bool = True
) -> ScaleSpace:
    """Blur a grey picture to all scales.

    Parameters
    ----------
    gray : (H, W) uint8
    n_layers : int
        Layers an octave in which blobs can be found; three more are made at its ends.
    sigma : float
        Blur of the first layer of an octave, in samples.
    upsample : bool
        Begin with samples half a pixel apart, which finds about four times as many blobs (Lowe 2004, 3.3).

    Returns
    -------
    ScaleSpace
        Without any octave if the picture is too small for one.
    """
    base, blur = gray.astype(np.float32), CAMERA_BLUR
    if upsample:
        base, blur = _double(base), 2 * CAMERA_BLUR
    base = _blur(base / np.float32(255), max(sigma**2 - blur**2, LEAST_BLUR**2) ** 0.5)
    gaussians = []
    for _ in range(_count_octaves(gray.shape, upsample)):
        gaussians.append(_build_octave(base, n_layers, sigma))
        # The layer with twice the first one's blur: every second sample of it begins the next octave.
        height, width = base.shape
        base = gaussians[-1][n_layers, : height // 2 * 2 : 2, : width // 2 * 2 : 2]
    dog = tuple(np.diff(octave, axis=0) for octave in gaussians)
    return ScaleSpace(tuple(gaussians), dog, sigma, n_layers, upsample)


def _count_octaves(shape: tuple[int, ...], upsample: bool) -> int:
    """Return as many octaves as OpenCV has: the coarsest is at least three samples wide."""
    finest = min(shape) * (2 if upsample else 1)
    return max(0, round(math.log2(finest) - 2) + int(upsample))


def _double(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put a sample after each pixel, half-way to the next, by linear interpolation: (H, W) to (2 H, 2 W)."""
    height, width = image.shape
    image = np.pad(image, ((0, 1), (0, 1)), mode="edge")  # after the last pixel comes its own value
    double = np.empty((2 * height, 2 * width), np.float32)
    double[::2, ::2] = image[:-1, :-1]
    double[1::2, ::2] = (image[:-1, :-1] + image[1:, :-1]) / 2
    double[::2, 1::2] = (image[:-1, :-1] + image[:-1, 1:]) / 2
    double[1::2, 1::2] = (image[:-1, :-1] + image[1:, :-1] + image[:-1, 1:] + image[1:, 1:]) / 4
    return double


def _build_octave(base: NDArray[np.float32], n_layers: int, sigma: float) -> NDArray[np.float32]:
    """Return the layers of one octave, (n_layers + 3, h, w); base is blurred to sigma already."""
    layers = np.empty((n_layers + 3, *base.shape), np.float32)
    layers[0] = base
    for i in range(1, len(layers)):
        # Gaussians add by their variances: from sigma k^(i-1) to sigma k^i, with k = 2^(1 / n_layers).
        before, after = (sigma * 2 ** (layer / n_layers) for layer in (i - 1, i))
        layers[i] = _blur(layers[i - 1], (after**2 - before**2) ** 0.5)
    return layers


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Convolve with a Gaussian cut off at 4 sigma; the picture is mirrored at its border.

    Summed in double precision, so that the order of rows and columns leaves no trace: a picture turned by 90 degrees
    gives the same levels, turned, to the last bit.
    """
    return np.asarray(cv2.GaussianBlur(image.astype(np.float64), (0, 0), sigma), np.float32)
