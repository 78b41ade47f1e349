"""Flat blocks: whether they have the same colour, in the light of the other image."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.pixels.blocks import AGREES, ALONG_LINE, DIFFERS, SAME_LEVEL, SILENT, Blocks
from classicvision.matching.pixels.cells import block_means
from classicvision.matching.pixels.tone import ToneCurve

__all__ = ["compare_flat_blocks"]

SAME: Final = 16.0  # levels, in any channel, up to which flat blocks have the same colour
OTHER: Final = 48.0  # levels from which they have another colour, and not only other light
FEWEST: Final = 8  # blocks from which the light is measured


def compare_flat_blocks(a: NDArray[np.float32], b: NDArray[np.float32], blocks: Blocks) -> Blocks:
    """Decide the blocks that say nothing by their mean colour.

    Parameters
    ----------
    a, b : (H, W, 3) float32
        The registered images, levels from 0 to 255.
    blocks : Blocks
        Blocks that agree determine the tone curve of each channel.
    """
    agrees = blocks.inside & np.isin(blocks.state, (AGREES, ALONG_LINE))
    if np.count_nonzero(agrees) < FEWEST:
        return blocks
    apart = np.zeros(blocks.state.shape)
    for channel in range(3):
        of_a, of_b = (block_means(np.ascontiguousarray(image[..., channel])) for image in (a, b))
        curve = ToneCurve.fit(of_b[agrees], of_a[agrees])
        apart = np.maximum(apart, np.abs(of_a - curve(of_b)))
    is_open = blocks.inside & (blocks.state == SILENT)
    state = blocks.state.copy()
    state[is_open & (apart <= SAME)] = SAME_LEVEL
    state[is_open & (apart >= OTHER)] = DIFFERS
    return replace(blocks, state=state)
