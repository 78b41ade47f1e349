"""Copy-move detection: parts of an image that occur in it a second time, moved, rotated, scaled or mirrored.

Each keypoint is matched with its nearest neighbour elsewhere in the same image. Regions are then found as between two
images (`regions`), with two differences: a transform and its inverse are one copy, and a small displacement is not
reported, since every image resembles itself nearby.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift_bytes
from classicvision.matching.correspondences import Correspondences
from classicvision.matching.geometry import warp_points
from classicvision.matching.hypotheses import TOLERANCES, find_agreement
from classicvision.matching.regions import make_region, seen_in_mirror
from classicvision.matching.result import Region
from classicvision.matching.settings import CopyMoveSettings

__all__ = ["find_copy_moves"]

_BLOCK_ROWS: Final = 256
_FAR: Final = np.float32(2**24)


def find_copy_moves(features: LocalFeatures, settings: CopyMoveSettings | None = None) -> tuple[Region, ...]:
    """Find parts of an image that are copies of other parts of it.

    Parameters
    ----------
    features : LocalFeatures
        Keypoints of the image. A low contrast threshold and no limit on their number help to find small copies.
    settings : CopyMoveSettings, optional
        Thresholds and limits; the defaults if not given.

    Returns
    -------
    tuple of Region
        Most significant first, empty without copies. The image is both a and b: `polygon_a` and `polygon_b` outline
        original and copy, but which is which is unknown.

    Examples
    --------
    >>> from classicvision import Sift, find_copy_moves, read_image
    >>> image = read_image("data/copies/library/coffee.jpg").copy()
    >>> find_copy_moves(Sift(contrast=0.01)(image))
    ()
    >>> image[5:105, 5:105] = image[110:210, 110:210]
    >>> (region,) = find_copy_moves(Sift(contrast=0.01)(image))
    >>> abs(region.b_from_a[:2, 2].round())  # displacement in pixels
    array([105., 105.])
    """
    settings = settings or CopyMoveSettings()
    rooted = replace(features, descriptors=root_sift_bytes(features.descriptors))
    found = _find(rooted, rooted, settings)
    if settings.mirrored:
        flat, width = rooted.mirrored(), features.image_size[1]
        found += _find(flat, rooted, settings, width)
    found.sort(key=lambda region: -region.significance)
    return tuple(found[: settings.max_regions])


def _find(a: LocalFeatures, b: LocalFeatures, settings: CopyMoveSettings, width: int | None = None) -> list[Region]:
    """Find copies in b of parts of a: b itself or, if its width is given, b mirrored, with the same row order."""
    least = settings.least_shift * max(b.image_size)
    left = Correspondences.of(a, b, _match_elsewhere(a, b, settings.ratio, least)).in_order()
    regions: list[Region] = []
    while len(regions) < settings.max_regions:
        found = find_agreement(left)
        if found is None or found.significance < settings.threshold:
            break
        region = make_region(a, b, left, found)
        if width is not None:
            region = seen_in_mirror(region, width)
        left = left[~(found.inlier | _is_explained(region, left, b))]
        if len(region.polygon_a) and _shift(region) >= least:
            regions.append(region)
    return regions


def _match_elsewhere(a: LocalFeatures, b: LocalFeatures, ratio: float, least: float) -> NDArray[np.int32]:
    """Match each keypoint with its nearest neighbour elsewhere, (P, 2), if it passes the ratio test."""
    own, others = a.descriptors.astype(np.float32), b.descriptors.astype(np.float32)
    own_norms, norms = (np.einsum("ij,ij->i", one, one) for one in (own, others))
    pairs = [np.zeros((0, 2), np.int32)]
    for start in range(0, len(a), _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, len(a)))
        squared = (own_norms[rows, None] - 2 * (own[rows] @ others.T)) + norms
        squared[_is_near(b, rows, least)] = _FAR
        nearest = squared.argmin(axis=1)
        best = squared[np.arange(len(rows)), nearest]
        squared[_is_near(b, nearest, least)] = _FAR
        clear = (best < _FAR) & (best < ratio**2 * squared.min(axis=1))
        pairs.append(np.column_stack([rows, nearest])[clear].astype(np.int32))
    return np.concatenate(pairs)


def _is_near(b: LocalFeatures, rows: NDArray[np.intp], least: float) -> NDArray[np.bool_]:
    x, y = b.xy.T
    near: NDArray[np.bool_] = (x[rows, None] - x) ** 2 + (y[rows, None] - y) ** 2 < least**2
    return near


def _is_explained(region: Region, matches: Correspondences, b: LocalFeatures) -> NDArray[np.bool_]:
    """Return which matches a region explains at the largest tolerance in either direction, (M,)."""
    start, end = (b.xy[rows].astype(np.float64) for rows in matches.pairs.T)
    differences = (warp_points(start, region.b_from_a) - end, warp_points(end, region.b_from_a) - start)
    errors = np.minimum(*(np.hypot(*one.T) for one in differences))
    return np.asarray(errors <= TOLERANCES[-1], np.bool_)


def _shift(region: Region) -> float:
    """Return the displacement of the centre of a region, in pixels."""
    centre = region.polygon_a.mean(axis=0, keepdims=True)
    return float(np.linalg.norm(warp_points(centre, region.b_from_a) - centre))
