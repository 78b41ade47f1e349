"""Corresponding keypoints of two images: by position under a known homography, and by descriptor."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.evaluation.homography import growth, is_visible
from classicvision.features.binary import BinaryFeatures
from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift_bytes
from classicvision.matching.geometry import warp_points
from classicvision.matching.nearest import nearest_two

__all__ = ["Features", "Places", "count_repeated", "match_by_ratio", "shared_places"]

Features: TypeAlias = LocalFeatures | BinaryFeatures

Places: TypeAlias = NDArray[np.float64]
"""(N, 3): x, y and scale of distinct keypoints, in pixels of image b."""

_BLOCK_NUMBERS = 2**20  # distances in memory at a time


def shared_places(a: Features, b: Features, b_from_a: NDArray[np.float64]) -> tuple[Places, Places, tuple[int, int]]:
    """Return the places of the keypoints in the part that both images show, in b, and their numbers in a and in b.

    Two keypoints at one place with different orientations are one place.
    """
    xy_a, xy_b = a.xy.astype(np.float64), b.xy.astype(np.float64)
    a_from_b = np.asarray(np.linalg.inv(b_from_a), np.float64)
    seen_a = is_visible(xy_a, b_from_a, (a.image_size, b.image_size))
    seen_b = is_visible(xy_b, a_from_b, (b.image_size, a.image_size))
    xy_a = xy_a[seen_a]
    in_b = np.column_stack([warp_points(xy_a, b_from_a), a.scale[seen_a] * growth(xy_a, b_from_a)])
    of_b = np.column_stack([xy_b, b.scale])[seen_b]
    return np.unique(in_b, axis=0), np.unique(of_b, axis=0), (len(in_b), len(of_b))


def count_repeated(a: Places, b: Places, *, distance: float, scale_factor: float) -> int:
    """Return the number of places that are mutual nearest neighbours within the tolerances of position and scale.

    The distance adds both errors, each relative to its tolerance: some detectors find one place at several scales.

    Parameters
    ----------
    a, b : (N, 3) and (M, 3)
    distance : float
        In pixels.
    scale_factor : float
        Largest ratio of the two scales, above 1.
    """

    def squared(rows: slice) -> NDArray[np.float64]:
        apart = ((a[rows, None, 0] - b[:, 0]) ** 2 + (a[rows, None, 1] - b[:, 1]) ** 2) / distance**2
        ratio = ((np.log(a[rows, None, 2]) - np.log(b[:, 2])) / np.log(scale_factor)) ** 2
        return np.where((apart <= 1) & (ratio <= 1), apart + ratio, np.inf)

    if not (len(a) and len(b)):
        return 0
    of_a, least = np.zeros(len(a), np.intp), np.full(len(a), np.inf)
    of_b, least_b = np.zeros(len(b), np.intp), np.full(len(b), np.inf)
    for rows in _blocks(len(a), len(b)):
        found = squared(rows)
        of_a[rows], least[rows] = found.argmin(axis=1), found.min(axis=1)
        nearer = found.min(axis=0) < least_b
        of_b[nearer] = found.argmin(axis=0)[nearer] + rows.start
        least_b[nearer] = found.min(axis=0)[nearer]
    return int((np.isfinite(least) & (of_b[of_a] == np.arange(len(a)))).sum())


def match_by_ratio(a: Features, b: Features, *, ratio: float, mutual: bool) -> NDArray[np.intp]:
    """Return rows (P, 2) of keypoints of a and of their nearest neighbours in b that pass the ratio test.

    SIFT is compared as RootSIFT, binary descriptors by Hamming distance.

    Parameters
    ----------
    a, b : LocalFeatures or BinaryFeatures
        Of one kind.
    ratio : float
        A match is nearer than this times the second nearest of b (Lowe 2004, section 7.1); 1 accepts all but ties.
    mutual : bool
        Whether the keypoint of a must also be the nearest of that of b.
    """
    if isinstance(a, LocalFeatures) != isinstance(b, LocalFeatures):
        raise TypeError(f"a is {type(a).__name__} and b {type(b).__name__}; compare keypoints of one detector")
    if not (len(a) and len(b)):
        return np.zeros((0, 2), np.intp)
    if isinstance(a, LocalFeatures):
        of_a, of_b = nearest_two(root_sift_bytes(a.descriptors), root_sift_bytes(b.descriptors))
        nearest, back = of_a.rows[:, 0].astype(np.intp), of_b.rows[:, 0].astype(np.intp)
        least, second = np.sqrt(of_a.squared.astype(np.float64)).T
    else:
        nearest, least, second = _nearest_bits(a.descriptors, b.descriptors)
        back = _nearest_bits(b.descriptors, a.descriptors)[0] if mutual else nearest
    is_match = least < ratio * second
    if mutual:
        is_match &= back[nearest] == np.arange(len(a))
    pairs: NDArray[np.intp] = np.column_stack([np.arange(len(a)), nearest])[is_match]
    return pairs


def _nearest_bits(
    a: NDArray[np.uint8], b: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return for each of a the nearest of b, its Hamming distance, and that of the second; ties to the first."""
    # Of bits as +1 and -1 the product counts those that agree less those that differ; float32 has it exactly.
    signs_a, signs_b = (2 * np.unpackbits(bits, axis=1).astype(np.float32) - 1 for bits in (a, b))
    nearest, least, second = np.zeros(len(a), np.intp), np.zeros(len(a)), np.full(len(a), np.inf)
    for rows in _blocks(len(a), len(b)):
        distance = (signs_a.shape[1] - signs_a[rows] @ signs_b.T) / 2
        nearest[rows] = distance.argmin(axis=1)
        least[rows] = distance.min(axis=1)
        if len(b) > 1:
            second[rows] = np.partition(distance, 1, axis=1)[:, 1]
    return nearest, least, second


def _blocks(n: int, n_others: int) -> list[slice]:
    size = max(1, _BLOCK_NUMBERS // n_others)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
