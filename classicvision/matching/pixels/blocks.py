"""Blocks of two registered images: whether they agree, differ, or say nothing.

A block is 16 x 16 pixels, one every 8. Its gradients are correlated at three levels of blur, under shifts of a pixel.
How well they correlate if they show the same depends on the pair: on noise, compression, blur, tone. The pair itself
tells, from the blocks that correlate well anyway: 1 - g is about k + N / E, where E is the energy of the block's
gradients, N that of the noise, and k what does not fall with contrast. A block is decided at the finest level at which
the noise leaves something to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.pixels.cells import CELL, Plane, block_means, blur, cell_sums, gradients, windows

__all__ = ["AGREES", "ALONG_LINE", "BLOCK", "DIFFERS", "SAME_LEVEL", "SILENT", "Blocks", "compare_blocks"]

SILENT: Final = 0  # flat, or hidden by noise
AGREES: Final = 1
DIFFERS: Final = 2
SAME_LEVEL: Final = 4  # flat in both images, with the same colour in the light of the other; see `flat`
ALONG_LINE: Final = 3  # agrees, but shows only a straight edge, as any parallel edge would

BLOCK: Final = 2 * CELL
LEAST_INSIDE: Final = 0.8  # share of a block that both images cover


class _Level(NamedTuple):
    """A level of blur, and the correlation from which blocks are taken to show the same."""

    sigma: float  # pixels
    reach: int  # pixels by which blocks are shifted
    correlation: float
    across: float  # the same for gradients along the block's weaker direction


LEVELS: Final = (_Level(0.8, 1, 0.51, 0.40), _Level(1.6, 1, 0.65, 0.50), _Level(3.2, 0, 0.80, 0.65))
LEAST_ENERGY: Final = 1.0  # mean squared gradient of a block that is not flat, in squared levels
LEAST_ACROSS: Final = 2.0  # the same along the weaker direction, of a block that is more than an edge
WEAKER: Final = 0.08  # share of the energy in the weaker direction from which it is compared
_FLOOR: Final = 0.02
_FEWEST: Final = 8  # blocks of a noise model
_WEAK: Final = 0.02, 1.0  # the noise model without enough blocks


class Noise(NamedTuple):
    """The noise model of a pair at a level: 1 - g is about `constant` + `energy` / E."""

    constant: float
    energy: float

    def expected(self, energy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return 1 - g of blocks that show the same."""
        return self.constant + self.energy / np.maximum(energy, 1e-6)


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of a frame, (R, C).

    Attributes
    ----------
    state : (R, C) int8
        `AGREES`, `DIFFERS`, `ALONG_LINE`, `SAME_LEVEL` or `SILENT`.
    inside : (R, C) bool
        Whether both images cover the block.
    correlation : (R, C) float64
        Of the gradients, at the level where the block was decided.
    surplus : (R, C) float64
        Logarithm of the ratio of the energies of the gradients, b to a: positive where b shows more.
    noise : float
        The constant of the noise model at the finest level: 0 for equal pixels, 0.1 after strong compression.
    """

    state: NDArray[np.int8]
    inside: NDArray[np.bool_]
    correlation: NDArray[np.float64]
    surplus: NDArray[np.float64]
    noise: float

    def count(self, state: int) -> int:
        """Return the number of blocks that both images cover in a state."""
        return int(np.count_nonzero(self.inside & (self.state == state)))


class _Measured(NamedTuple):
    """Blocks at a level, each (R, C)."""

    correlation: NDArray[np.float64]
    across: NDArray[np.float64]  # correlation along the weaker direction
    energy: NDArray[np.float64]
    weaker: NDArray[np.float64]  # energy along the weaker direction
    surplus: NDArray[np.float64]


def compare_blocks(a: Plane, b: Plane, inside: NDArray[np.bool_]) -> Blocks:
    """Compare the blocks of two registered images.

    Parameters
    ----------
    a, b : (H, W) float32
        Luma.
    inside : (H, W) bool
        What both images cover.
    """
    covered = windows(cell_sums(inside.astype(np.float32)), 2) / BLOCK**2 > LEAST_INSIDE
    state = np.full(covered.shape, SILENT, np.int8)
    is_open, noise = covered.copy(), []
    correlation, surplus = np.zeros((2, *covered.shape))
    for level in LEVELS:
        measured = _measure(a, b, inside, level)
        noise.append(_noise(measured, level, is_open, covered))
        surplus += measured.surplus / len(LEVELS)
        decided, agrees, is_edge = _decide(measured, level, noise[-1])
        decided &= is_open
        correlation[decided] = measured.correlation[decided]
        state[decided & ~agrees] = DIFFERS
        state[decided & agrees] = AGREES
        state[decided & agrees & is_edge] = ALONG_LINE
        is_open &= ~decided
    return Blocks(state, covered, correlation, surplus, noise[0].constant)


def _measure(a: Plane, b: Plane, inside: NDArray[np.bool_], level: _Level) -> _Measured:
    ax, ay = gradients(blur(a, level.sigma), inside)
    bx, by = gradients(blur(b, level.sigma), inside)
    of_a, of_b = _tensor(ax, ay), _tensor(bx, by)
    across = _weaker_direction(of_a + of_b)
    strong_a = _along(of_a, across)
    best = np.full(of_a.shape[1:], -2.0)
    best_across = best.copy()
    for dy in range(-level.reach, level.reach + 1):
        for dx in range(-level.reach, level.reach + 1):
            tx, ty = _shifted(bx, dx, dy), _shifted(by, dx, dy)
            shifted = _tensor(tx, ty)
            xx, cross, yy = block_means(ax * tx), block_means(ax * ty + ay * tx) / 2, block_means(ay * ty)
            product = np.stack([xx, cross, yy])
            g = (xx + yy) / np.sqrt((of_a[0] + of_a[2] + _FLOOR) * (shifted[0] + shifted[2] + _FLOOR))
            along = _along(product, across)
            g_across = along / np.sqrt((strong_a + _FLOOR) * (_along(shifted, across) + _FLOOR))
            better = g > best
            best, best_across = np.where(better, g, best), np.where(better, g_across, best_across)
    energies = of_a[0] + of_a[2], of_b[0] + of_b[2]
    energy, surplus = np.maximum(*energies), np.log((energies[1] + 1) / (energies[0] + 1))
    weaker = np.maximum(strong_a, _along(of_b, across))
    return _Measured(best, np.where(weaker >= WEAKER * energy, best_across, 1.0), energy, weaker, surplus)


def _noise(measured: _Measured, level: _Level, is_open: NDArray[np.bool_], covered: NDArray[np.bool_]) -> Noise:
    """Fit the noise model to the blocks that show the same."""
    same = (measured.correlation > level.correlation) & (measured.across > level.across)
    same &= measured.energy > LEAST_ENERGY
    chosen = same & is_open
    if np.count_nonzero(chosen) < _FEWEST:
        chosen = same & covered
    if np.count_nonzero(chosen) < _FEWEST:
        return Noise(*_WEAK)
    energy, lost = measured.energy[chosen], 1 - measured.correlation[chosen]
    constant = float(np.quantile(lost[energy >= np.quantile(energy, 0.6)], 0.15))
    weak = energy <= np.median(energy)
    return Noise(constant, max(float(np.quantile((lost[weak] - constant) * energy[weak], 0.15)), 0.0))


def _decide(
    measured: _Measured, level: _Level, noise: Noise
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which blocks can be decided at a level, which of all agree, and which show no more than an edge."""
    expected, expected_across = noise.expected(measured.energy), noise.expected(measured.weaker)
    decided = (2 * expected < 0.2) & (measured.energy > LEAST_ENERGY)
    agrees = 1 - measured.correlation <= np.clip(10 * expected, 0.05, 1 - level.correlation)
    agrees &= 1 - measured.across <= np.clip(15 * expected_across, 0.1, 1 - level.across)
    is_edge = (measured.weaker < LEAST_ACROSS) | (measured.weaker < WEAKER / 2 * measured.energy)
    is_edge |= 2 * expected_across >= 0.5
    return decided, agrees, is_edge


def _tensor(x: Plane, y: Plane) -> NDArray[np.float64]:
    """Return the structure tensor of each block: means of x x, x y and y y, (3, R, C)."""
    return np.stack([block_means(x * x), block_means(x * y), block_means(y * y)])


def _weaker_direction(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of xx, xy and yy in the energy along the eigenvector of the smaller eigenvalue, (3, R, C)."""
    xx, xy, yy = tensor
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([cosine * cosine, 2 * cosine * sine, sine * sine])


def _along(tensor: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((tensor * weights).sum(axis=0))


def _shifted(plane: Plane, dx: int, dy: int) -> Plane:
    """Return the plane with the value at (x + dx, y + dy) at (x, y); outside is 0."""
    height, width = plane.shape
    padded = np.pad(plane, 1)
    return padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
