"""Pairs of unrelated images for a calibration: which are compared, and which of them are most alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.extraction import Extraction

__all__ = ["N_WORST", "Pair", "WorstPair", "draw_pairs", "groups_of", "worst_pairs"]

N_WORST: Final = 20  # pairs that a calibration lists

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class WorstPair:
    """Two images of high score. If they share something after all, exclude one of them and calibrate again."""

    path_a: Path
    path_b: Path
    score: float


def groups_of(
    extraction: Extraction[Any], paths: Sequence[Path], rows: Iterable[int], *, across_folders: bool
) -> NDArray[np.intp]:
    """Return a group number for each of some items; items of one group are not compared.

    A group consists of byte-equal files or, with `across_folders`, of the files in one folder.
    """
    if across_folders:
        kinds = [str(paths[extraction.rows[row]].parent) for row in rows]
    else:
        kinds = [extraction.contents[row] for row in rows]
    return np.unique(kinds, return_inverse=True)[1].astype(np.intp)


def draw_pairs(groups: NDArray[np.intp], n_pairs: int, rng: np.random.Generator) -> list[Pair]:
    """Draw pairs (i, j), i < j, of different groups, each at most once, in order."""
    n = len(groups)
    total = n * (n - 1) // 2
    # Twice as many as wanted, since pairs within a group are dropped; all of them if there are fewer.
    numbers = rng.choice(total, 2 * n_pairs, replace=False) if total > 2 * n_pairs else rng.permutation(total)
    # Pair number k is (i, j) with k = j (j - 1) / 2 + i. The root is exact enough for 2^25 images.
    j = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    i = numbers - j * (j - 1) // 2
    kept = np.flatnonzero(groups[i] != groups[j])[:n_pairs]
    return sorted(zip(i[kept].tolist(), j[kept].tolist(), strict=True))


def worst_pairs(pairs: Sequence[Pair], scores: NDArray[Any], names: Sequence[Path]) -> list[WorstPair]:
    """Return the pairs of highest score, highest first.

    Parameters
    ----------
    pairs : sequence of (int, int)
    scores : (N,) float
        Of each pair.
    names : sequence of Path
        Of the images that the pairs number.
    """
    highest = np.argsort(-scores)[:N_WORST].tolist()
    return [WorstPair(names[pairs[k][0]], names[pairs[k][1]], float(scores[k])) for k in highest]
