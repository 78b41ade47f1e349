"""Compare two whole images by their pixels: whether they show the same, in the same colours.

Both images are reduced to thumbnails of equal size. The sharper one is blurred until it is as blurred as the other, a
shift of a fraction of a pixel is removed, and then two things are compared in overlapping windows of a sixth of the
image: the structure, by the correlation of the gradients, which does not depend on brightness and contrast; and the
colours, by their local means. Different signs have different structures, so a star is not an aeroplane; different
flags of one pattern have different colours.

The result does not depend on the order of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classicvision.features.phash import PerceptualHash
from classicvision.images import Image, resize_by_area, shrink, to_gray

__all__ = [
    "THUMBNAIL_SIDE",
    "Relation",
    "WholeImageMatch",
    "compare_pixels",
    "is_rich",
    "largest_stretch",
    "symmetric_image",
]

Relation: TypeAlias = Literal["same", "recoloured", "different", "too plain"]
Planes: TypeAlias = NDArray[np.float32]

THUMBNAIL_SIDE: Final = 96
"""Longer side of the thumbnails, in pixels. Smaller ones lose the differences between signs; larger ones cost more."""

MIN_SIDE: Final = 12  # pixels of the shorter side from which a thumbnail can be compared
MAX_STRETCH: Final = 1.05  # of the aspect ratios of two depictions of one image
MIN_GRADIENT: Final = 0.8  # correlation of the gradients from which a window agrees
MIN_AGREEING: Final = 0.9  # share of the windows with structure
MAX_COLOUR: Final = 20.0  # levels of 255: 98th percentile of the differences between local means
N_WINDOWS: Final = 6  # per side, without the overlapping ones
SIGMA: Final = 1.0  # pixels: smoothing of both thumbnails, against the noise of compression
BLURS: Final = (0.0, 0.6, 0.9, 1.3, 1.9, 2.7, 3.9, 5.6, 8.0)  # pixels of a thumbnail of full size
MIN_ENERGY: Final = 0.1  # mean squared gradient, in levels per pixel, from which a window may have structure
MIN_RELATIVE_ENERGY: Final = 0.02  # the same relative to the strongest windows
MIN_CORRELATION: Final = 0.5  # of all gradients; below it the windows are not compared
MAX_PLAIN_COLOUR: Final = 8.0  # the same for images of so few DCT coefficients that their structure says little
PLAIN_COEFFICIENTS: Final = 24
MIN_TONES: Final = 8.0  # effective number, of 64, from which an image may be rich
MIN_COEFFICIENTS: Final = 36  # DCT coefficients from which it may be


@dataclass(frozen=True)
class WholeImageMatch:
    """How two whole images relate.

    Attributes
    ----------
    relation : {"same", "recoloured", "different", "too plain"}
        "same": the same structure in the same colours, up to changes of brightness and contrast that images of many
        colours survive. "recoloured": the same structure in other colours: recoloured, or another image of the same
        design. "too plain": no structure to compare.
    agreeing : float
        Share of the windows with structure whose gradients agree, in [0, 1].
    colour : float
        98th percentile of the differences between local mean colours, in levels of 255.
    blur : float
        Standard deviation of the Gaussian that makes the sharper one as blurred as the other, in thumbnail pixels.
    """

    relation: Relation
    agreeing: float
    colour: float
    blur: float = 0.0


def compare_pixels(a: Image, b: Image) -> WholeImageMatch:
    """Compare two whole images of one orientation.

    Parameters
    ----------
    a, b : (H, W, 3) uint8
        RGB images of any sizes, or thumbnails with a longer side of at least `THUMBNAIL_SIDE` pixels or their own.

    Returns
    -------
    WholeImageMatch
        The same if the images are exchanged. Images whose aspect ratios differ by more than 5 % are different.
    """
    pair = _common_size(shrink(a, THUMBNAIL_SIDE), shrink(b, THUMBNAIL_SIDE))
    if pair is None:
        return WholeImageMatch("different", 0.0, 255.0)
    if min(pair[0].shape[:2]) < MIN_SIDE:
        return WholeImageMatch("too plain", 0.0, 255.0)
    one, other, correlation, blur = _equally_blurred(*(_ycbcr(image) for image in pair))
    if correlation < MIN_CORRELATION:
        is_plain = _agreeing_windows(one, other) is None
        return WholeImageMatch("too plain" if is_plain else "different", 0.0, _colour_difference(one, other))
    one, other = _registered(one, other)
    rich = is_rich(pair[0]) and is_rich(pair[1])
    agreeing = _agreeing_windows(one[:1], other[:1]) if rich else _agreeing_windows(one, other)
    colour = _colour_difference(one, other)
    if agreeing is None:
        return WholeImageMatch("too plain", 0.0, colour)
    if agreeing < MIN_AGREEING:
        return WholeImageMatch("different", agreeing, colour)
    if colour >= MAX_COLOUR and rich:
        colour = min(colour, _toned_difference(one, other))
    if MAX_PLAIN_COLOUR <= colour < MAX_COLOUR and min(map(_n_coefficients, pair)) < PLAIN_COEFFICIENTS:
        return WholeImageMatch("too plain", agreeing, colour)
    return WholeImageMatch("same" if colour < MAX_COLOUR else "recoloured", agreeing, colour, blur)


def is_rich(image: Image) -> bool:
    """Tell whether an image has many tones and much structure, unlike signs, letters, flags, drawings and gradients.

    Of a rich image, a mirrored or rotated version and one of other brightness are still unmistakable.
    """
    thumbnail = shrink(image, THUMBNAIL_SIDE)
    counts = np.bincount((to_gray(thumbnail) >> 2).ravel())
    share = counts[counts > 0] / counts.sum()
    n_tones = np.exp(-(share * np.log(share)).sum())  # their effective number: that of equally frequent tones
    return bool(n_tones >= MIN_TONES) and _n_coefficients(thumbnail) >= MIN_COEFFICIENTS


def _n_coefficients(thumbnail: Image) -> int:
    return int(np.count_nonzero(PerceptualHash()(thumbnail)))


def largest_stretch(side_a: ArrayLike, side_b: ArrayLike) -> NDArray[np.float64]:
    """Return the largest ratio of the aspect ratios of two depictions of one image, whose shorter sides are given.

    A side of few pixels was rounded, by up to half a pixel in each image.
    """
    slack_a, slack_b = (1 + 0.5 / np.maximum(np.asarray(side), 1) for side in (side_a, side_b))
    return np.asarray(MAX_STRETCH * slack_a * slack_b)


def symmetric_image(image: Image, symmetry: int) -> Image:
    """Return an image under one of eight symmetries, in the order of `features.phash.SYMMETRIES`."""
    upright = image.transpose(1, 0, 2) if symmetry >= 4 else image
    return np.ascontiguousarray(upright[:: -1 if symmetry & 2 else 1, :: -1 if symmetry & 1 else 1])


def _common_size(a: Image, b: Image) -> tuple[Image, Image] | None:
    """Return both images at the smaller height and width; None if their aspect ratios differ."""
    (height_a, width_a), (height_b, width_b) = a.shape[:2], b.shape[:2]
    stretch = (height_a * width_b) / (height_b * width_a)
    most = float(largest_stretch(min(height_a, width_a), min(height_b, width_b)))
    if not 1 / most <= stretch <= most:
        return None
    size = min(height_a, height_b), min(width_a, width_b)
    return resize_by_area(a, size), resize_by_area(b, size)


def _ycbcr(image: Image) -> Planes:
    """Return the (3, H, W) planes of ITU-R BT.601: luma, and the two colour differences about 0."""
    r, g, b = image.astype(np.float32).transpose(2, 0, 1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.stack([y, 0.564 * (b - y), 0.713 * (r - y)])


def _equally_blurred(a: Planes, b: Planes) -> tuple[Planes, Planes, float, float]:
    """Blur both images a little, and the sharper one until their gradients correlate best."""
    scale = max(a.shape[1:]) / THUMBNAIL_SIDE
    sigmas = [float(np.hypot(SIGMA, blur * scale)) for blur in BLURS]
    of_a, of_b = ([_blurred(planes, sigma) for sigma in sigmas] for planes in (a, b))
    grad_a, grad_b = (_gradients(of_a[0]), _gradients(of_b[0]))
    choices = [(float(_correlation(grad_a, grad_b)), 0, 0)]
    for k in range(1, len(sigmas)):
        choices.append((float(_correlation(_gradients(of_a[k]), grad_b)), k, 0))
        choices.append((float(_correlation(grad_a, _gradients(of_b[k]))), 0, k))
    best, k_a, k_b = max(choices)
    return of_a[k_a], of_b[k_b], best, BLURS[max(k_a, k_b)]


def _registered(a: Planes, b: Planes) -> tuple[Planes, Planes]:
    """Shift both images against each other by up to a pixel in all, half the way each."""
    grad_a, grad_b = _gradients(a), _gradients(b)
    shifts = []
    for axis in (-2, -1):
        before, here, after = (float(_correlation(grad_a, np.roll(grad_b, step, axis))) for step in (-1, 0, 1))
        curvature = before - 2 * here + after
        shifts.append(float(np.clip(0.5 * (before - after) / curvature, -1, 1)) if curvature < -1e-9 else 0.0)
    if max(map(abs, shifts)) < 0.02:
        return a, b
    half_a, half_b = (_shifted(a, [-shift / 2 for shift in shifts]), _shifted(b, [shift / 2 for shift in shifts]))
    improved = _correlation(_gradients(half_a), _gradients(half_b)) > _correlation(grad_a, grad_b)
    return (half_a, half_b) if improved else (a, b)


def _agreeing_windows(a: Planes, b: Planes) -> float | None:
    """Return the share of the windows with structure whose gradients agree; None if no window has structure."""
    grad_a, grad_b = _gradients(a), _gradients(b)
    both, of_a, of_b = (_window_means((x * y).sum(axis=(0, 1))) for x, y in _products(grad_a, grad_b))
    energy = np.maximum(of_a, of_b)
    active = energy > max(MIN_ENERGY, MIN_RELATIVE_ENERGY * float(np.percentile(energy, 95)))
    if not active.any():
        return None
    agreeing = both > MIN_GRADIENT * np.sqrt(of_a * of_b)
    return float(agreeing[active].mean())


def _products(a: Planes, b: Planes) -> tuple[tuple[Planes, Planes], ...]:
    return (a, b), (a, a), (b, b)


def _colour_difference(a: Planes, b: Planes) -> float:
    """Return the 98th percentile of the differences between local means: the largest of luma, Cb and Cr."""
    return float(np.percentile(np.abs(_window_means(a) - _window_means(b)).max(axis=0), 98))


def _toned_difference(a: Planes, b: Planes) -> float:
    """Return the colour difference that rising tone curves leave: one for luma and less saturation, or one per channel.

    The curve of a channel maps the values of the image with more contrast to those of the other, rank by rank.
    """
    luma = _equal_tones(a[0], b[0])
    chroma = _equal_saturation(a[1:], b[1:])
    as_luma = (np.concatenate([one[np.newaxis], other]) for one, other in zip(luma, chroma, strict=True))
    channels = [_equal_tones(*planes) for planes in zip(_rgb(a), _rgb(b), strict=True)]
    as_rgb = (np.stack(planes) for planes in zip(*channels, strict=True))
    return min(_colour_difference(*as_luma), _colour_difference(*as_rgb))


def _equal_tones(a: Planes, b: Planes) -> tuple[Planes, Planes]:
    """Return two (H, W) planes, the one of larger deviation with the values of the other in its own order."""
    if a.std() < b.std():
        return _equal_tones(b, a)[::-1]
    order = np.argsort(a, axis=None, kind="stable")
    toned = np.empty(order.size, np.float32)
    toned[order] = np.sort(b, axis=None)
    return toned.reshape(a.shape), b


def _equal_saturation(a: Planes, b: Planes) -> tuple[Planes, Planes]:
    """Return two pairs of colour differences (2, H, W), the stronger one scaled to fit the other."""
    energy_a, energy_b = float(np.vdot(a, a)), float(np.vdot(b, b))
    if energy_a < energy_b:
        return _equal_saturation(b, a)[::-1]
    return a * np.float32(max(float(np.vdot(a, b)), 0.0) / max(energy_a, 1.0)), b


def _rgb(planes: Planes) -> Planes:
    y, cb, cr = planes
    r, b = y + cr / np.float32(0.713), y + cb / np.float32(0.564)
    return np.stack([r, (y - np.float32(0.299) * r - np.float32(0.114) * b) / np.float32(0.587), b])


def _correlation(a: Planes, b: Planes) -> np.float32:
    norm = np.sqrt(np.vdot(a, a) * np.vdot(b, b))
    return np.float32(np.vdot(a, b) / max(norm, np.float32(1e-6)))


def _gradients(planes: Planes) -> Planes:
    """Return the (2, 3, H, W) central differences down and to the right, in levels per pixel."""
    return np.asarray(np.gradient(planes, axis=(1, 2)), np.float32)


def _blurred(planes: Planes, sigma: float) -> Planes:
    down, right = (_gaussian(side, sigma) for side in planes.shape[1:])
    return np.asarray(down @ planes @ right.T, np.float32)


def _shifted(planes: Planes, by: list[float]) -> Planes:
    """Return the planes shifted down and to the right by fractions of a pixel, linearly interpolated."""
    down, right = (_interpolation(side, shift) for side, shift in zip(planes.shape[1:], by, strict=True))
    return np.asarray(down @ planes @ right.T, np.float32)


def _window_means(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of (..., H, W) planes in windows of a sixth of each side, every twelfth."""
    down, right = (_windows(side) for side in planes.shape[-2:])
    return np.asarray(down @ planes @ right.T, np.float32)


@lru_cache(maxsize=1024)
def _gaussian(side: int, sigma: float) -> NDArray[np.float32]:
    """Return the (side, side) matrix of a Gaussian blur; beyond the border the last pixel is repeated."""
    at = np.arange(side)
    reach = int(np.ceil(4 * sigma))
    matrix = np.zeros((side, side))
    for step in range(-reach, reach + 1):
        np.add.at(matrix, (at, np.clip(at + step, 0, side - 1)), np.exp(-0.5 * (step / sigma) ** 2))
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), np.float32)


def _interpolation(side: int, shift: float) -> NDArray[np.float32]:
    at = np.clip(np.arange(side) - shift, 0, side - 1)
    below = np.minimum(np.floor(at).astype(int), side - 2)
    matrix = np.zeros((side, side), np.float32)
    matrix[np.arange(side), below] = 1 - (at - below)
    matrix[np.arange(side), below + 1] = at - below
    return matrix


@lru_cache(maxsize=256)
def _windows(side: int) -> NDArray[np.float32]:
    """Return the (11, side) weights of the means in the windows along one side."""
    edges = np.linspace(0, side, 2 * N_WINDOWS + 1)
    pixels = np.arange(side)
    covered = [
        np.clip(np.minimum(pixels + 1, end) - np.maximum(pixels, begin), 0, 1)
        for begin, end in zip(edges[:-2], edges[2:], strict=True)
    ]
    weights = np.array(covered)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
