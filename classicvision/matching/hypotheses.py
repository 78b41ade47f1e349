"""Which transform explains most of the matches of two pictures.

One match of SIFT already fixes a similarity: by position, scale and angle of its two frames (Philbin et al. 2007,
section 4.1). Every match is tried as such a hypothesis against all others, without any random choice. Those that most
matches agree with are fitted to them by least squares, as similarity, affinity and homography; of these, and of several
tolerances, the most significant is kept (`significance`).
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
"""Distances within which a match may agree, in pixels: rendering, blur, and planes that are not quite planes."""

CONE: Final = 0.1  # how much a hypothesis may miss by, per distance: its scale and angle are known no better
CONE_TIP: Final = 3.0  # and at its own place, pixels
LEAST_COSINE: Final = math.cos(MAX_TURN)
FEWEST: Final = 4  # matches that agree; three can be no evidence
N_STARTS: Final = 4  # hypotheses that are refined
# Tolerances of the fits before one is judged, which has tolerance 0 here.
SHRINKING: Final[dict[Kind, tuple[float, ...]]] = {
    "similarity": (TOLERANCES[-1], TOLERANCES[-2], 0),
    "affinity": (0,),
    "homography": (TOLERANCES[-2], 0),
}
GROWING: Final = 1.1  # times as many matches as a homography was fitted to, for which it is fitted again
N_CHOICES: Final = len(TOLERANCES) * len(FITS) * 2  # and the mirror
_BLOCK_NUMBERS: Final = 2**18


@dataclass(frozen=True, eq=False)
class Agreement:
    """A transform and the matches that agree with it."""

    motion: Motion
    kind: Kind
    inlier: NDArray[np.bool_]  # (M,)
    tolerance: float  # pixels of the picture that shows the thing smaller
    significance: float  # -log10 of the expected number of chance agreements as good as this
    chance: float  # probability that one match agrees within the tolerance by chance


def find_agreement(matches: Correspondences) -> Agreement | None:
    """Find the most significant transform; None if no four matches agree on one."""
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
            break  # none that is left is as good
    return _judged(matches, best) if best else None


def refine(matches: Correspondences, found: Agreement) -> tuple[Correspondences, Motion]:
    """Fit a transform anew to other matches of the same pictures, and return those that agree with it."""
    _, fit = FITS[found.kind]
    matches = matches[found.motion.errors(matches) <= found.tolerance].in_order()
    b_from_a = fit(matches.a, matches.b)
    motion = Motion.at(b_from_a, matches.a) if is_sane(b_from_a, matches.a) else found.motion
    return matches[motion.errors(matches) <= found.tolerance], motion


def count_agreeing(columns: NDArray[np.float32], log_scale: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return how many matches agree with the similarity that each match's two frames fix, (M,).

    Takes what `_as_hypotheses` returns.
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
    """Return xa, ya, xb, yb, s as a complex number and its direction, (8, M), and log |s|, (M,)."""
    log_scale = matches.log_ratio
    direction = np.stack([np.cos(matches.turn), np.sin(matches.turn)])
    columns = np.concatenate([matches.a.T, matches.b.T, np.exp(log_scale) * direction, direction])
    return columns.astype(np.float32), log_scale.astype(np.float32)


def _agreeing(
    columns: NDArray[np.float32], log_scale: NDArray[np.float32], rows: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Compare the similarities of some matches with all matches, (R, M).

    The same operations in the same order as in the compiled kernel, agree.cpp, which has the formula.
    """
    xa, ya, xb, yb, *_, cosine, sine = columns
    own = columns[:, rows, None]
    dx, dy = xa - own[0], ya - own[1]
    sx, sy = own[4] * dx - own[5] * dy, own[5] * dx + own[4] * dy
    ex, ey = sx - (xb - own[2]), sy - (yb - own[3])
    squared = own[4] * own[4] + own[5] * own[5]
    k = 1 / np.maximum(squared, np.float32(1))  # b's pixels, or a's where it shows the thing smaller
    tip, cone = np.float32(CONE_TIP) ** 2, np.float32(CONE) ** 2
    agreeing: NDArray[np.bool_] = k * (ex * ex + ey * ey) <= tip + cone * (k * (sx * sx + sy * sy))
    agreeing &= cosine * own[6] + sine * own[7] >= np.float32(LEAST_COSINE)
    agreeing &= np.abs(log_scale - log_scale[rows, None]) <= np.float32(MAX_LOG_SCALE)
    return agreeing


def _most_significant_family(matches: Correspondences, inlier: NDArray[np.bool_]) -> Agreement | None:
    """Fit each family, from the simplest, and return the most significant result."""
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
    """Fit one family to the inliers, take in what agrees, and repeat with smaller tolerances."""
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
    """Fit again as long as a fit takes in many more matches than it was made from, and is more significant for it.

    Of a plane that is seen from the side a similarity explains a corner; the plane is reached in steps.
    """
    while np.count_nonzero(found.inlier) > GROWING * np.count_nonzero(inlier):
        inlier = found.inlier
        again = _fitted(matches, inlier, found.kind)
        if again is None or again.significance <= found.significance:
            break
        found = again
    return found


def _judged(matches: Correspondences, found: Agreement) -> Agreement:
    """Weigh a result anew, by what the places of these matches themselves would let agree by chance.

    Text, bricks and crowded corners agree with many a transform; so do their matches paired anew.
    """
    errors = found.motion.errors(matches)
    shown = found.motion.share_by_chance(matches, TOLERANCES)
    chance = [max(pair) for pair in zip(_uniform_chance(matches, found.motion), shown, strict=True)]
    return _most_significant(matches, found.motion, found.kind, errors, chance)


def _most_significant(
    matches: Correspondences, motion: Motion, kind: Kind, errors: NDArray[np.float64], chance: list[float]
) -> Agreement:
    """Choose the tolerance at which the agreement with a transform is most significant."""
    n_deciding, _ = FITS[kind]
    counts = matches.count_places(errors, TOLERANCES)
    best, score = most_significant(matches.n_places, counts, chance, n_deciding=n_deciding, n_choices=N_CHOICES)
    return Agreement(motion, kind, errors <= TOLERANCES[best], TOLERANCES[best], score, chance[best])


def _uniform_chance(matches: Correspondences, motion: Motion) -> list[float]:
    """Return the probability of agreement at each tolerance if places and frames were uniform and independent."""
    frame = MAX_TURN / math.pi
    area = motion.common_area(matches)
    return [min(frame * math.pi * tolerance**2 / area, 0.5) for tolerance in TOLERANCES]
