"""Whether images are drawn (text, charts, icons, sheet music) or continuous in tone, as photographs are.

Drawings share an alphabet: letters, axes, notes. Where they agree in a few signs, nothing was copied.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from classicvision.matching.pixels.cells import Plane

__all__ = ["is_graphic"]

FLAT: Final = 0.6  # share of pixels without gradient from which an image is flat
TWO_LEVELS: Final = 0.65  # share of pixels near the two commonest levels from which an image has two levels
_NO_STEP: Final = 1.0  # levels between neighbours without gradient
_NEAR: Final = 4  # levels


def is_graphic(*lumas: Plane) -> bool:
    """Return whether images are drawn rather than photographed: both mostly flat, or one mostly of two levels."""
    return all(_is_flat(luma) for luma in lumas) or any(_has_two_levels(luma) for luma in lumas)


def _is_flat(luma: Plane) -> bool:
    step = np.maximum(np.abs(np.diff(luma, axis=1))[:-1], np.abs(np.diff(luma, axis=0))[:, :-1])
    return float(np.mean(step <= _NO_STEP)) >= FLAT


def _has_two_levels(luma: Plane) -> bool:
    share = np.bincount(np.clip(luma, 0, 255).astype(np.intp).ravel(), minlength=256) / luma.size
    near = np.convolve(share, np.ones(2 * _NEAR + 1), "same")
    first = int(near.argmax())
    elsewhere = np.abs(np.arange(256) - first) > 2 * _NEAR
    return bool(near[first] + near[elsewhere].max() >= TWO_LEVELS)
