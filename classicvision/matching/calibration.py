"""What a threshold costs in false matches, measured on pairs of unrelated pictures.

In theory the significance s of the best agreement exceeds a threshold t in unrelated pictures with probability at most
10^-t. Real pictures share windows, letters and grids, so the tail is measured. Beyond a high score u it falls like an
exponential, the usual law of the excess over a high threshold (Pickands 1975, with shape 0):

    P(s > t) = r exp(-(t - u) / b),   r = P(s > u),   b = mean of s - u where s > u

b is the maximum-likelihood estimate, here raised to a bound that is too low one time in twenty, so that what is
extrapolated is on the safe side. The bound takes pairs for independent, which pairs that share a picture hardly are:
many pictures, each in few pairs, show more than all pairs of few.
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
"""Share of the pairs that are in the tail: as few as the law asks for, yet enough to estimate b."""

THEORY: Final = 1 / math.log(10)
"""The scale of the tail of a significance, -log10 of a probability, where chance is all there is."""

MIN_TAIL: Final = 20
"""Least number of scores in the tail: the bound on b is then half as much again as its estimate."""


@dataclass(frozen=True)
class Calibration:
    """The tail of the best scores of unrelated pairs.

    Attributes
    ----------
    n_images, n_pairs : int
        What was measured on.
    tail_start : float
        u, the score from which on the law holds.
    tail_rate : float
        r, the share of pairs that are in the tail: no fewer than exceeded u.
    tail_scale : float
        b, by how much more the threshold must be for e times fewer false matches; on the safe side.
    highest : float
        The largest score of all pairs.
    matcher : str
        Fingerprint of the settings of extractor and matching that were measured; another matcher has another tail.
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
                f"a tail with start {self.tail_start}, rate {self.tail_rate} and scale {self.tail_scale} is none; "
                "make the calibration again"
            )

    def threshold_for(self, false_match_rate: float) -> float:
        """Return the least significance of a copy for a rate of false matches.

        Parameters
        ----------
        false_match_rate : float
            Share of unrelated pairs that may be called copies, above 0 and below 1. Below 1 / n_pairs it is
            extrapolated. Above `tail_rate` the start of the tail is returned, which has fewer.
        """
        if not 0 < false_match_rate < 1:
            raise SettingsError(f"the false-match rate is {false_match_rate}; it must be above 0 and below 1, as 1e-6")
        return self.tail_start + self.tail_scale * max(0.0, math.log(self.tail_rate / false_match_rate))

    def false_match_rate(self, threshold: float) -> float:
        """Return the rate of false matches at a threshold; 1 below `tail_start`, where the law says nothing."""
        if threshold < self.tail_start:
            return 1.0
        return self.tail_rate * math.exp((self.tail_start - threshold) / self.tail_scale)

    @property
    def has_tail(self) -> bool:
        """Whether enough pairs had a score to see how the tail falls; if not, the law is that of theory from 0 on."""
        return self.tail_start > 0

    def is_extrapolated(self, false_match_rate: float) -> bool:
        """Tell whether so low a rate is beyond what so many pairs can show."""
        return false_match_rate * self.n_pairs < 1


def fit_calibration(scores: ArrayLike, *, n_images: int, matcher: str = "", least_scale: float = THEORY) -> Calibration:
    """Fit the tail to the best scores of pairs of unrelated pictures.

    Parameters
    ----------
    scores : (N,) array
        Significance of the best agreement of each pair, 0 where there was none.
    n_images : int
        Pictures that the pairs were made of.
    matcher : str
        Fingerprint of the settings that gave the scores.
    least_scale : float
        b is no less, as when every score is 0: the tail is never steeper than theory. By default that of a
        significance; scores of another kind have their own.

    Raises
    ------
    NotEnoughDataError
        If there are too few pairs to see a tail.
    """
    falling = np.sort(np.asarray(scores, np.float64))[::-1]
    n_tail = max(MIN_TAIL, round(TAIL_SHARE * len(falling)))
    if len(falling) < 10 * MIN_TAIL:
        raise NotEnoughDataError(
            f"{len(falling)} pair(s) of pictures show no tail; at least {10 * MIN_TAIL} are needed, better 100,000. "
            "Add unrelated pictures"
        )
    start = float(falling[n_tail])
    excess = falling[:n_tail] - start
    # n b / b_true is a gamma variable of shape n; the cube root of one is nearly normal (Wilson and Hilferty 1931).
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
Scene-15 (`benchmarks/false_matches.py --pairs 110000`). None of them has a score above 0, so the tail is taken as steep
as in theory, from a rate far above what was seen. One more pair, of two classes of Scene-15, scored 83.5: both show the
same field, so it was taken out.

Lookalikes ask for more than photographs: of 6,960 pairs of text pages, brick walls, facades and flags, each against its
own kind, the highest comes to 13.1, two pages of text; the default threshold is 15. Who compares such pictures should
calibrate on their own.
"""
