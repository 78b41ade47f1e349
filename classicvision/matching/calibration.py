"""The false-match rate at a threshold, measured on pairs of unrelated images.

In theory the significance s of the best agreement between unrelated images exceeds a threshold t with probability at
most 10^-t. Real images share windows, letters and grids, so the tail is measured. Beyond a high score u it is
exponential, the usual law for excesses over a high threshold (Pickands 1975, with shape 0):

    P(s > t) = r exp(-(t - u) / b),   r = P(s > u),   b = mean of s - u where s > u

b is the maximum-likelihood estimate raised to its upper 95 % confidence bound, so that extrapolation is conservative.
The bound treats pairs as independent, which pairs with a common image are not quite: many images in few pairs each are
more informative than all pairs of few images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from classicvision.config import validate
from classicvision.errors import NotEnoughDataError, SettingsError

__all__ = ["DEFAULT_CALIBRATION", "Calibration", "fit_calibration"]

TAIL_SHARE: Final = 0.001
"""Share of the pairs in the tail: small enough for the law to hold, large enough to estimate b."""

THEORY: Final = 1 / math.log(10)
"""The tail scale of a significance, -log10 of a probability, under the background model."""

MIN_TAIL: Final = 20
"""Least number of scores in the tail; the bound on b is then 1.5 times its estimate."""


@dataclass(frozen=True)
class Calibration:
    """The tail of the best scores of unrelated pairs.

    Attributes
    ----------
    n_images, n_pairs : int
        Number of images and of pairs measured.
    tail_start : float
        u, the score from which the exponential law holds.
    tail_rate : float
        r, the share of pairs in the tail; at least the share that exceeded u.
    tail_scale : float
        b, the increase of the threshold that divides the false-match rate by e; an upper confidence bound.
    highest : float
        The largest score of all pairs.
    matcher : str
        Fingerprint of the extraction and matching settings measured; other settings have another tail.
    """

    n_images: int
    n_pairs: int
    tail_start: float
    tail_rate: float
    tail_scale: float
    highest: float
    matcher: str = ""

    def __post_init__(self) -> None:
        validate(self)
        if not (0 < self.tail_rate <= 1 and self.tail_scale > 0 and self.tail_start >= 0):
            raise SettingsError(
                f"tail start {self.tail_start}, rate {self.tail_rate} and scale {self.tail_scale} are invalid; "
                "calibrate again"
            )

    def threshold_for(self, false_match_rate: float) -> float:
        """Return the significance threshold for a false-match rate.

        Parameters
        ----------
        false_match_rate : float
            Accepted share of unrelated pairs reported as copies, above 0 and below 1; smaller rates give higher
            thresholds. Rates below 1 / n_pairs are extrapolated. For rates above `tail_rate` the start of the tail is
            returned, whose rate is lower.
        """
        if not 0 < false_match_rate < 1:
            raise SettingsError(
                f"the false-match rate is {false_match_rate}; it must be above 0 and below 1, for example 1e-6"
            )
        return self.tail_start + self.tail_scale * max(0.0, math.log(self.tail_rate / false_match_rate))

    def false_match_rate(self, threshold: float) -> float:
        """Return the false-match rate at a threshold; 1 below `tail_start`, where the law does not apply."""
        if threshold < self.tail_start:
            return 1.0
        return self.tail_rate * math.exp((self.tail_start - threshold) / self.tail_scale)

    @property
    def has_tail(self) -> bool:
        """Whether enough pairs had a positive score to fit the tail; otherwise the law of theory is used from 0."""
        return self.tail_start > 0

    def is_extrapolated(self, false_match_rate: float) -> bool:
        """Return whether the rate is below one in the number of pairs measured."""
        return false_match_rate * self.n_pairs < 1


def fit_calibration(scores: ArrayLike, *, n_images: int, matcher: str = "", least_scale: float = THEORY) -> Calibration:
    """Fit the tail to the best scores of pairs of unrelated images.

    Parameters
    ----------
    scores : (N,) array
        Significance of the best agreement of each pair, 0 without one.
    n_images : int
        Number of images in the pairs.
    matcher : str
        Fingerprint of the settings that gave the scores.
    least_scale : float
        Lower limit of b, which applies if, for instance, every score is 0: the tail is never steeper than in theory.
        The default is for significances; other scores need their own.

    Raises
    ------
    NotEnoughDataError
        If there are too few pairs to fit a tail.
    """
    falling = np.sort(np.asarray(scores, np.float64))[::-1]
    n_tail = max(MIN_TAIL, round(TAIL_SHARE * len(falling)))
    if len(falling) < 10 * MIN_TAIL:
        raise NotEnoughDataError(
            f"too few pairs of images to fit a tail: {len(falling)}; at least {10 * MIN_TAIL} are needed, better "
            "100,000. Add unrelated images"
        )
    start = float(falling[n_tail])
    excess = falling[:n_tail] - start
    # n b / b_true is gamma distributed with shape n; its cube root is nearly normal (Wilson and Hilferty 1931).
    low = n_tail * (1 - 1 / (9 * n_tail) - 1.645 / (3 * math.sqrt(n_tail))) ** 3
    scale = float(excess.sum()) / low
    return Calibration(
        n_images=n_images,
        n_pairs=len(falling),
        tail_start=start,
        tail_rate=n_tail / len(falling),
        tail_scale=max(scale, least_scale),
        highest=float(falling[0]),
        matcher=matcher,
    )


DEFAULT_CALIBRATION: Final = Calibration(
    n_images=5331, n_pairs=109_999, tail_start=0.0, tail_rate=0.001, tail_scale=0.4343, highest=0.0
)
"""Measured with the default settings on random pairs of photographs of different classes: BSDS500, Caltech-101 and
Scene-15 (`benchmarks/false_matches.py --pairs 110000`). No pair scored above 0, so the tail is as steep as in theory,
from a rate far above the measured one. Another pair, from two classes of Scene-15, scored 83.5: both images show the
same field, so it was removed.

Lookalikes need a higher threshold than photographs: of 6,960 pairs of text pages, brick walls, facades and flags, each
against its own kind, the highest score is 13.1, for two pages of text; the default threshold is 15. Calibrate on such
images before comparing many of them.
"""
