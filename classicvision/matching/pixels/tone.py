"""The tone curve between two registered images: brightness, contrast, gamma."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ToneCurve"]

N_POINTS: Final = 16
RANGE: Final = 256.0  # levels


@dataclass(frozen=True, eq=False)
class ToneCurve:
    """A piecewise linear function of levels that never falls.

    Attributes
    ----------
    levels, mapped : (K,) float64
        Its points; constant beyond the first and the last.
    """

    levels: NDArray[np.float64]
    mapped: NDArray[np.float64]

    @classmethod
    def fit(cls, before: NDArray[np.float64], after: NDArray[np.float64]) -> Self:
        """Fit a curve to pairs of levels (N,): the medians in each sixteenth of the range that has any."""
        number = np.clip(before * (N_POINTS / RANGE), 0, N_POINTS - 1).astype(np.intp)
        groups = [number == k for k in np.unique(number).tolist()]
        points = [(np.median(before[group]), np.median(after[group])) for group in groups]
        levels, mapped = np.array(points or [(0.0, 0.0)]).T
        # Halfway between the least monotone curve above the points and the largest below them.
        above, below = np.maximum.accumulate(mapped), np.minimum.accumulate(mapped[::-1])[::-1]
        return cls(levels, (above + below) / 2)

    def __call__(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map levels of any shape."""
        return np.interp(levels, self.levels, self.mapped)
