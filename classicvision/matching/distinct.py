"""Which matches single out a place: bricks, windows and letters are as like to others of their own picture.

Two pictures of the same kind of thing share its grid. Keypoints then agree on a transform by far more than independent
places would, though each agrees with many a place as well. In a copy a keypoint is nearer to its partner than to any
other place of either picture. So Lowe's ratio test (2004, section 7.1) is asked once more, against the own picture.

Keypoints that look at the same corner, at several scales, agree together or not at all. They are one place, however far
apart their centres are: the four corners of a cross are four, which decide a homography and are no evidence for it.
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
"""Significance from which on no match is doubted. A thing that one picture shows twice is like itself, and is no grid.
Before any doubt, pictures that only look alike came to 26 at most."""

OWN_PLACE: Final = 2.0  # radius in which keypoints show the same place, in scales


def weigh_distinct(
    found: Agreement, matches: Correspondences, a: LocalFeatures, b: LocalFeatures, ratio: float
) -> Agreement:
    """Return an agreement with the significance of the places alone that its matches single out.

    Parameters
    ----------
    found : Agreement
        Of these matches.
    matches : Correspondences
    a, b : LocalFeatures
        Both with descriptors as bytes of RootSIFT.
    ratio : float
        Of the distance to the partner and that to the nearest other place of either picture; a match is below it.
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
    """Return which pairs (P, 2) are nearer to each other than `ratio` times to any other place of their pictures."""
    i, j = pairs.T
    apart = np.square(a.descriptors[i].astype(np.int64) - b.descriptors[j]).sum(axis=1)
    rival = np.minimum(_nearest_elsewhere(a, i), _nearest_elsewhere(b, j))
    return np.asarray(apart < ratio**2 * rival, np.bool_)


def count_apart(xy: NDArray[np.float64], scale: NDArray[np.float64]) -> int:
    """Return how many keypoints remain, the smallest first, of which none is near another that remains.

    Near is less than two scales of the larger one. The smallest come first because they are best located.

    Parameters
    ----------
    xy, scale : (N, 2) and (N,) float64
        In one picture, in pixels.
    """
    order = np.lexsort((*xy.T, scale))
    xy, scale = xy[order], scale[order]
    squared = np.square(xy[:, None] - xy).sum(axis=2)
    near = squared <= np.square(OWN_PLACE * np.maximum(scale[:, None], scale))
    is_left, n_apart = np.ones(len(xy), bool), 0
    for number, beside in enumerate(near):
        if is_left[number]:
            is_left &= ~beside
            n_apart += 1
    return n_apart


def _circles(matches: Correspondences) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return position and scale of the keypoints in each picture."""
    scale = np.exp(matches.log_scale)
    return [(matches.a, scale[0]), (matches.b, scale[1])]


def _nearest_elsewhere(features: LocalFeatures, rows: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the squared distance of some descriptors to the nearest of another place; infinity if there is none."""
    descriptors = features.descriptors.astype(np.float32)
    squared = squared_distances(descriptors[rows], descriptors).astype(np.float64)
    xy = features.xy.astype(np.float64)
    apart = np.square(xy[rows, None] - xy).sum(axis=2)
    radius = np.maximum(OWN_PLACE * features.scale[rows].astype(np.float64), PLACE)
    squared[apart <= radius[:, None] ** 2] = np.inf
    return np.asarray(squared.min(axis=1), np.float64)
