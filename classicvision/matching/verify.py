"""Which transform explains most of the matches of two pictures.

One match of SIFT already fixes a similarity: by position, scale and angle of its two frames (Philbin et al. 2007,
section 4.1). Every match is tried as such a hypothesis against all others, without any random choice. Those that most
matches agree with are fitted to them by least squares, as similarity, affinity and homography; of these, and of several
tolerances, the most significant is kept (`significance`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.correspondences import MAX_LOG_SCALE, MAX_TURN, Correspondences, Motion
from classicvision.matching.geometry import FITS, is_sane
from classicvision.matching.result import Kind
from classicvision.matching.significance import significance

__all__ = ["TOLERANCES", "Agreement", "count_agreeing", "find_agreement", "refine"]

TOLERANCES: Final = (1.5, 3.0, 6.0, 12.0)
"""Distances within which a match may agree, in pixels: rendering, blur, and planes that are not quite planes."""

CONE: Final = 0.1  # how much a hypothesis may miss by, per distance: its scale and angle are known no better
CONE_TIP: Final = 3.0  # and at its own place, pixels
N_STARTS: Final = 4  # hypotheses that are refined
_N_SHIFTS: Final = 32  # ways of pairing the matches anew that show what agrees by chance
_N_CHOICES: Final = len(TOLERANCES) * len(FITS) * 2  # and the mirror
_BLOCK_NUMBERS: Final = 2**18


@dataclass(frozen=True, eq=False)
class Agreement:
    """A transform and the matches that agree with it."""

    motion: Motion
    kind: Kind
    inlier: NDArray[np.bool_]  # (M,)
    tolerance: float  # pixels of the picture that shows the thing smaller
    significance: float  # -log10 of the expected number of chance agreements as good as this


def find_agreement(matches: Correspondences) -> Agreement | None:
    """Find the most significant transform; None if no three matches agree on one."""
    if len(matches) < 3:
        return None
    counts = count_agreeing(matches)
    is_open = counts >= 3
    best: Agreement | None = None
    for _ in range(N_STARTS):
        if not is_open.any():
            break
        start = int(np.argmax(np.where(is_open, counts, -1)))
        inlier = _agreeing(matches, np.array([start]))[0]
        is_open &= ~inlier
        found = _refined(matches, inlier)
        if found is None:
            continue
        is_open &= ~found.inlier
        if best is None or found.significance > best.significance:
            best = found
        if np.count_nonzero(best.inlier) > 2 * counts[is_open].max(initial=0):
            break  # none that is left is as good
    return best


def refine(matches: Correspondences, found: Agreement) -> Agreement:
    """Fit a transform anew to other matches of the same pictures: all that agree with it."""
    inlier = found.motion.errors(matches) <= found.tolerance
    return _refined(matches, inlier) or replace(found, inlier=inlier)


def count_agreeing(matches: Correspondences) -> NDArray[np.int64]:
    """Return how many matches agree with the similarity that each match's two frames fix, (M,)."""
    counts = np.empty(len(matches), np.int64)
    n_rows = max(_BLOCK_NUMBERS // len(matches), 1)
    for first in range(0, len(matches), n_rows):
        rows = np.arange(first, min(first + n_rows, len(matches)))
        counts[rows] = np.count_nonzero(_agreeing(matches, rows), axis=1)
    return counts


def _agreeing(matches: Correspondences, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Compare the similarities of some matches with all matches, (R, M)."""
    log_scale = matches.log_scale_b - matches.log_scale_a
    turn = matches.angle_b - matches.angle_a
    za, zb = matches.a @ [1, 1j], matches.b @ [1, 1j]
    # z_b = s z_a + t, with t such that the match itself fits.
    s = np.exp(log_scale[rows] + 1j * turn[rows])[:, None]
    step = s * (za - za[rows, None])
    error = np.abs(step - (zb - zb[rows, None]))
    to_coarse = np.exp(np.minimum(-log_scale[rows], 0))[:, None]  # b's pixels, or a's where it shows the thing smaller
    turned = turn - turn[rows, None]
    turned -= 2 * np.pi * np.rint(turned / (2 * np.pi))
    agreeing: NDArray[np.bool_] = error * to_coarse <= CONE_TIP + CONE * to_coarse * np.abs(step)
    agreeing &= np.abs(turned) <= MAX_TURN
    agreeing &= np.abs(log_scale - log_scale[rows, None]) <= MAX_LOG_SCALE
    return agreeing


def _refined(matches: Correspondences, inlier: NDArray[np.bool_]) -> Agreement | None:
    """Fit each family, from the simplest, and return the most significant result."""
    best: Agreement | None = None
    for kind in FITS:
        found = _fitted(matches, inlier, kind)
        if found is None:
            continue
        inlier = found.inlier
        if best is None or found.significance > best.significance:
            best = found
    return _judged(matches, best) if best else None


def _fitted(matches: Correspondences, inlier: NDArray[np.bool_], kind: Kind) -> Agreement | None:
    """Fit one family to the inliers, take in what agrees, and repeat with smaller tolerances."""
    n_deciding, fit = FITS[kind]
    best: Agreement | None = None
    for limit in (TOLERANCES[-1], TOLERANCES[-2], TOLERANCES[-3], TOLERANCES[-3]):
        if np.count_nonzero(inlier) <= n_deciding:
            break
        xy = matches.a[inlier]
        b_from_a = fit(xy, matches.b[inlier])
        if not is_sane(b_from_a, xy):
            break
        motion = Motion.at(b_from_a, xy)
        errors = motion.errors(matches)
        found = _most_significant(matches, motion, kind, errors, _uniform_chance(matches, motion))
        if best is None or found.significance > best.significance:
            best = found
        inlier = errors <= limit
    return best


def _judged(matches: Correspondences, found: Agreement) -> Agreement:
    """Weigh a result anew, by what the places of these matches themselves would let agree by chance."""
    errors = found.motion.errors(matches)
    shown = _shown_chance(matches, found.motion)
    chance = [max(pair) for pair in zip(_uniform_chance(matches, found.motion), shown, strict=True)]
    return _most_significant(matches, found.motion, found.kind, errors, chance)


def _most_significant(
    matches: Correspondences, motion: Motion, kind: Kind, errors: NDArray[np.float64], chance: list[float]
) -> Agreement:
    """Choose the tolerance at which the agreement with a transform is most significant."""
    n = matches.n_places(np.ones(len(matches), bool))
    n_deciding, _ = FITS[kind]
    found = []
    for tolerance, p in zip(TOLERANCES, chance, strict=True):
        inlier = errors <= tolerance
        score = significance(n, matches.n_places(inlier), p, n_deciding=n_deciding, n_choices=_N_CHOICES)
        found.append(Agreement(motion, kind, inlier, tolerance, score))
    return max(found, key=lambda one: one.significance)


def _uniform_chance(matches: Correspondences, motion: Motion) -> list[float]:
    """Return the probability of agreement at each tolerance if places and frames were uniform and independent."""
    frame = MAX_TURN / math.pi
    area = motion.common_area(matches)
    return [min(frame * math.pi * tolerance**2 / area, 0.5) for tolerance in TOLERANCES]


def _shown_chance(matches: Correspondences, motion: Motion) -> list[float]:
    """Return which share of the matches agrees at each tolerance if each has the partner of another.

    Text, bricks and crowded corners agree with many a transform; so do their matches paired anew.
    """
    n = len(matches)
    shifts = np.unique(np.linspace(1, n - 1, min(_N_SHIFTS, n - 1)).astype(int))
    errors = np.concatenate([motion.errors(matches.rotated_partners(int(shift))) for shift in shifts])
    return [float(np.mean(errors <= tolerance)) for tolerance in TOLERANCES]
