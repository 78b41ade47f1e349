"""Discount matches of repeated structure: bricks, windows and letters resemble others in the same image.

Two images of the same kind of structure share its grid. Their keypoints agree on a transform far more often than
independent ones, although each also resembles many other places. In a copy, a keypoint is nearer to its partner than to
any other place in either image. Lowe's ratio test (2004, section 7.1) is therefore repeated against the same image.

Keypoints on the same corner at several scales agree together or not at all. They count as one place, however far apart
their centres are: the four corners of a cross count as four, just enough to determine a homography.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.matching.correspondences import PLACE, Correspondences
from classicvision.matching.geometry import FITS
from classicvision.matching.hypotheses import N_CHOICES, Agreement
from classicvision.matching.nearest import squared_distances
from classicvision.matching.significance import significance

__all__ = ["UNDOUBTED", "are_distinct", "count_apart", "weigh_distinct"]

UNDOUBTED: Final = 60.0
"""Significance from which matches are not discounted: an object that occurs twice in one image resembles itself without
being a grid. Without any discount, lookalike images reached 26 at most."""

OWN_PLACE: Final = 2.0  # radius within which keypoints describe the same place, in scales


def weigh_distinct(
    found: Agreement, matches: Correspondences, a: LocalFeatures, b: LocalFeatures, ratio: float
) -> Agreement:
    """Return an agreement whose significance counts only the places of distinct matches.

    Parameters
    ----------
    found : Agreement
        A transform and its inliers among `matches`.
    matches : Correspondences
    a, b : LocalFeatures
        With descriptors as bytes of RootSIFT.
    ratio : float
        A match is distinct if its distance is below `ratio` times that to the nearest other place of either image;
        smaller values discount more matches.
    """
    if not 0 < found.significance < UNDOUBTED:
        return found
    agreeing = matches[found.inlier]
    distinct = agreeing[are_distinct(a, b, agreeing.pairs, ratio)]
    n_deciding, _ = FITS[found.kind]
    n_places = min(distinct.n_places, *(count_apart(xy, scale) for xy, scale in _circles(distinct)))
    left = significance(matches.n_places, n_places, found.chance, n_deciding=n_deciding, n_choices=N_CHOICES)
    return replace(found, significance=min(found.significance, left))


def are_distinct(a: LocalFeatures, b: LocalFeatures, pairs: NDArray[np.int32], ratio: float) -> NDArray[np.bool_]:
    """Return which pairs (P, 2) are nearer to each other than `ratio` times the distance to any other place."""
    i, j = pairs.T
    apart = np.square(a.descriptors[i].astype(np.int64) - b.descriptors[j]).sum(axis=1)
    rival = np.minimum(_nearest_elsewhere(a, i), _nearest_elsewhere(b, j))
    return np.asarray(apart < ratio**2 * rival, np.bool_)


def count_apart(xy: NDArray[np.float64], scale: NDArray[np.float64]) -> int:
    """Return how many keypoints remain if each suppresses those near it, smallest scale first.

    Near means within two scales of the larger keypoint. The smallest come first because they are best localised.

    Parameters
    ----------
    xy, scale : (N, 2) and (N,) float64
        Keypoints of one image, in pixels.
    """
    order = np.lexsort((*xy.T, scale))
    xy, scale = xy[order], scale[order]
    squared = np.square(xy[:, None] - xy).sum(axis=2)
    near = squared <= np.square(OWN_PLACE * np.maximum(scale[:, None], scale))
    remains, n_apart = np.ones(len(xy), bool), 0
    for row, neighbours in enumerate(near):
        if remains[row]:
            remains &= ~neighbours
            n_apart += 1
    return n_apart


def _circles(matches: Correspondences) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return position and scale of the keypoints in each image."""
    scale = np.exp(matches.log_scale)
    return [(matches.a, scale[0]), (matches.b, scale[1])]


def _nearest_elsewhere(features: LocalFeatures, rows: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the squared distance of each row's descriptor to the nearest one at another place, or infinity."""
    descriptors = features.descriptors.astype(np.float32)
    squared = squared_distances(descriptors[rows], descriptors).astype(np.float64)
    xy = features.xy.astype(np.float64)
    apart = np.square(xy[rows, None] - xy).sum(axis=2)
    radius = np.maximum(OWN_PLACE * features.scale[rows].astype(np.float64), PLACE)
    squared[apart <= radius[:, None] ** 2] = np.inf
    return np.asarray(squared.min(axis=1), np.float64)
