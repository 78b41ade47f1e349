"""Find the transform that explains the matches of two images best.

A single SIFT match determines a similarity, from the position, scale and angle of its two keypoints (Philbin et al.
2007, section 4.1). Every match is tested as such a hypothesis against all others, so nothing is random. The hypotheses
with the most inliers are refined by least squares as similarity, affinity and homography. The most significant family
and tolerance is kept (`significance`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision._native import match as native
from classicvision._native import native_available
from classicvision.matching.correspondences import MAX_LOG_SCALE, MAX_TURN, Correspondences, Motion
from classicvision.matching.geometry import FITS, is_sane
from classicvision.matching.result import Kind
from classicvision.matching.significance import most_significant

__all__ = ["N_CHOICES", "TOLERANCES", "Agreement", "count_agreeing", "find_agreement", "refine"]

TOLERANCES: Final = (1.5, 3.0, 6.0, 12.0)
"""Inlier tolerances in pixels: from exact rendering over blur to surfaces that are not quite planar."""

CONE: Final = 0.1  # error of a hypothesis per unit of distance, from the uncertainty of its scale and angle
CONE_TIP: Final = 3.0  # error at its own position, in pixels
LEAST_COSINE: Final = math.cos(MAX_TURN)
FEWEST: Final = 4  # inliers of a transform; three are never significant
N_STARTS: Final = 4  # hypotheses that are refined
# Tolerances of successive fits; 0 stands for the final one, whose tolerance is chosen by significance.
SHRINKING: Final[dict[Kind, tuple[float, ...]]] = {
    "similarity": (TOLERANCES[-1], TOLERANCES[-2], 0),
    "affinity": (0,),
    "homography": (TOLERANCES[-2], 0),
}
GROWING: Final = 1.1  # a homography is fitted again if it gained more than this factor in inliers
N_CHOICES: Final = len(TOLERANCES) * len(FITS) * 2  # direct and mirrored
_BLOCK_NUMBERS: Final = 2**18


@dataclass(frozen=True, eq=False)
class Agreement:
    """A transform and the matches that agree with it."""

    motion: Motion
    kind: Kind
    inlier: NDArray[np.bool_]  # (M,)
    tolerance: float  # pixels of the image that shows the region smaller
    significance: float  # -log10 of the expected number of equally good agreements by chance
    chance: float  # probability that one match agrees within the tolerance by chance


def find_agreement(matches: Correspondences) -> Agreement | None:
    """Find the most significant transform; None if no transform has four inliers."""
    if len(matches) < FEWEST:
        return None
    columns, log_scale = _as_hypotheses(matches)
    counts = count_agreeing(columns, log_scale)
    is_open = counts >= FEWEST
    best: Agreement | None = None
    for _ in range(N_STARTS):
        if not is_open.any():
            break
        start = int(np.argmax(np.where(is_open, counts, -1)))
        inlier = _agreeing(columns, log_scale, np.array([start]))[0]
        is_open &= ~inlier
        found = _most_significant_family(matches, inlier)
        if found is None:
            continue
        is_open &= ~found.inlier
        if best is None or found.significance > best.significance:
            best = found
        if np.count_nonzero(best.inlier) > 2 * counts[is_open].max(initial=0):
            break  # no remaining hypothesis can be better
    return _judged(matches, best) if best else None


def refine(matches: Correspondences, found: Agreement) -> tuple[Correspondences, Motion]:
    """Refit a transform to another set of matches of the same images; return its inliers and the new transform."""
    _, fit = FITS[found.kind]
    matches = matches[found.motion.errors(matches) <= found.tolerance].in_order()
    b_from_a = fit(matches.a, matches.b)
    motion = Motion.at(b_from_a, matches.a) if is_sane(b_from_a, matches.a) else found.motion
    return matches[motion.errors(matches) <= found.tolerance], motion


def count_agreeing(columns: NDArray[np.float32], log_scale: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the number of matches that agree with the similarity of each match, (M,).

    The arguments are the columns that `_as_hypotheses` returns.
    """
    if native_available():
        return native.count_agreeing(
            columns, log_scale, tip=CONE_TIP, cone=CONE, least_cosine=LEAST_COSINE, most_log_scale=MAX_LOG_SCALE
        )
    counts = np.empty(len(log_scale), np.int32)
    n_rows = max(_BLOCK_NUMBERS // max(len(log_scale), 1), 1)
    for first in range(0, len(log_scale), n_rows):
        rows = np.arange(first, min(first + n_rows, len(log_scale)))
        counts[rows] = np.count_nonzero(_agreeing(columns, log_scale, rows), axis=1)
    return counts


def _as_hypotheses(matches: Correspondences) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the rows xa, ya, xb, yb, Re s, Im s and the direction of s, (8, M), and log |s|, (M,).

    s is the complex number whose multiplication scales and rotates.
    """
    log_scale = matches.log_ratio
    direction = np.stack([np.cos(matches.turn), np.sin(matches.turn)])
    columns = np.concatenate([matches.a.T, matches.b.T, np.exp(log_scale) * direction, direction])
    return columns.astype(np.float32), log_scale.astype(np.float32)


def _agreeing(
    columns: NDArray[np.float32], log_scale: NDArray[np.float32], rows: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return which of all M matches agree with the similarities of R of them, (R, M).

    The operations and their order are those of the compiled kernel, which documents the formula.
    """
    xa, ya, xb, yb, *_, cosine, sine = columns
    own = columns[:, rows, None]
    dx, dy = xa - own[0], ya - own[1]
    sx, sy = own[4] * dx - own[5] * dy, own[5] * dx + own[4] * dy
    ex, ey = sx - (xb - own[2]), sy - (yb - own[3])
    squared = own[4] * own[4] + own[5] * own[5]
    k = 1 / np.maximum(squared, np.float32(1))  # to pixels of the image that shows the region smaller
    tip, cone = np.float32(CONE_TIP) ** 2, np.float32(CONE) ** 2
    agreeing: NDArray[np.bool_] = k * (ex * ex + ey * ey) <= tip + cone * (k * (sx * sx + sy * sy))
    agreeing &= cosine * own[6] + sine * own[7] >= np.float32(LEAST_COSINE)
    agreeing &= np.abs(log_scale - log_scale[rows, None]) <= np.float32(MAX_LOG_SCALE)
    return agreeing


def _most_significant_family(matches: Correspondences, inlier: NDArray[np.bool_]) -> Agreement | None:
    """Fit each family, simplest first, and return the most significant result."""
    best: Agreement | None = None
    for kind in FITS:
        found = _fitted(matches, inlier, kind)
        if found is None:
            continue
        if kind == "homography":
            found = _grown(matches, inlier, found)
        inlier = found.inlier
        if best is None or found.significance > best.significance:
            best = found
    return best


def _fitted(matches: Correspondences, inlier: NDArray[np.bool_], kind: Kind) -> Agreement | None:
    """Fit one family to the inliers, collect the new inliers, and repeat with smaller tolerances."""
    n_deciding, fit = FITS[kind]
    best: Agreement | None = None
    for limit in SHRINKING[kind]:
        rows = inlier.nonzero()[0]
        if len(rows) <= n_deciding:
            break
        xy = matches.a.take(rows, axis=0)
        b_from_a = fit(xy, matches.b.take(rows, axis=0))
        if not (limit and kind == "similarity") and not is_sane(b_from_a, xy):
            break
        motion = Motion.at(b_from_a, xy)
        errors = motion.errors(matches)
        if limit:
            inlier = errors <= limit
            continue
        found = _most_significant(matches, motion, kind, errors, _uniform_chance(matches, motion))
        if best is None or found.significance > best.significance:
            best = found
        inlier = found.inlier
    return best


def _grown(matches: Correspondences, inlier: NDArray[np.bool_], found: Agreement) -> Agreement:
    """Refit a homography while that adds many inliers and significance.

    The initial similarity explains only a corner of an obliquely viewed plane; refitting extends it step by step.
    """
    while np.count_nonzero(found.inlier) > GROWING * np.count_nonzero(inlier):
        inlier = found.inlier
        again = _fitted(matches, inlier, found.kind)
        if again is None or again.significance <= found.significance:
            break
        found = again
    return found


def _judged(matches: Correspondences, found: Agreement) -> Agreement:
    """Recompute the significance with the probability of chance agreement measured on cross-paired matches.

    Text, bricks and crowded corners agree with many transforms by chance, and so do their cross-paired matches.
    """
    errors = found.motion.errors(matches)
    measured = found.motion.share_by_chance(matches, TOLERANCES)
    chance = [max(pair) for pair in zip(_uniform_chance(matches, found.motion), measured, strict=True)]
    return _most_significant(matches, found.motion, found.kind, errors, chance)


def _most_significant(
    matches: Correspondences, motion: Motion, kind: Kind, errors: NDArray[np.float64], chance: list[float]
) -> Agreement:
    """Choose the tolerance at which a transform is most significant."""
    n_deciding, _ = FITS[kind]
    counts = matches.count_places(errors, TOLERANCES)
    best, score = most_significant(matches.n_places, counts, chance, n_deciding=n_deciding, n_choices=N_CHOICES)
    return Agreement(motion, kind, errors <= TOLERANCES[best], TOLERANCES[best], score, chance[best])


def _uniform_chance(matches: Correspondences, motion: Motion) -> list[float]:
    """Return the probability of agreement at each tolerance for uniform, independent positions and angles."""
    frame = MAX_TURN / math.pi
    area = motion.common_area(matches)
    return [min(frame * math.pi * tolerance**2 / area, 0.5) for tolerance in TOLERANCES]
