"""Which descriptors of two pictures correspond: mutual nearest neighbours that are clearly nearer than the next place.

Descriptors are compared as RootSIFT (Arandjelovic and Zisserman 2012) in bytes. Their squared distances are whole
numbers below 2^24, so that float32 has them exactly: the answer is the same in NumPy and on each instruction set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision._native import match as native
from classicvision._native import native_available
from classicvision.features.rootsift import root_sift_bytes

__all__ = [
    "Matches",
    "Neighbours",
    "match_both_ways",
    "match_descriptors",
    "nearest_two",
    "squared_distances",
]

_BLOCK_NUMBERS = 2**20  # distances held at once
_FAR = np.float32(2**24)  # more than any squared distance


class Neighbours(NamedTuple):
    """For each of N descriptors the two nearest of the other picture; of equally near ones the smaller row first."""

    rows: NDArray[np.int32]  # (N, 2) of the other picture; -1 where there is none
    squared: NDArray[np.float32]  # (N, 2) squared distances, whole numbers; 2^24 where there is none


class Matches(NamedTuple):
    """Pairs of keypoints, one of which has the other as its nearest: first all of a in order, then what b adds."""

    pairs: NDArray[np.int32]  # (P, 2) rows of a and of b
    ratio: NDArray[np.float32]  # (P,) distance to the nearest over that to the second, the lesser of the ways it holds
    mutual: NDArray[np.bool_]  # (P,) whether each is the nearest of the other


def nearest_two(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[Neighbours, Neighbours]:
    """Find the two nearest descriptors of b for each of a, and of a for each of b, exactly.

    Parameters
    ----------
    a : (N, D) uint8
    b : (M, D) uint8
        With D at most 256.

    Returns
    -------
    Neighbours, Neighbours
        Of a in b, and of b in a.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or a.shape[1] > 256:
        raise ValueError(f"descriptors {a.shape} and {b.shape} must be (N, D) and (M, D), with D at most 256")
    if native_available():
        rows_a, squared_a, rows_b, squared_b = native.nearest_two(a, b)
        return Neighbours(rows_a, squared_a), Neighbours(rows_b, squared_b)
    of_a, of_b = _nobody(len(a)), _nobody(len(b))
    if len(a) and len(b):
        _compare(a, b, of_a, of_b)
    return of_a, of_b


def match_descriptors(a: NDArray[np.uint8], b: NDArray[np.uint8], *, ratio: float = 0.8) -> NDArray[np.int32]:
    """Match SIFT descriptors of two pictures: mutual nearest neighbours that pass the ratio test.

    Parameters
    ----------
    a : (N, D) uint8
        SIFT descriptors; they are compared as RootSIFT.
    b : (M, D) uint8
    ratio : float
        A match is nearer than `ratio` times the second nearest of at least one picture (Lowe 2004, section 7.1). A
        thing that one picture shows twice has no clear partner there, but is the clear partner of both.

    Returns
    -------
    (P, 2) int32
        Rows of a, ascending, and of b. No row comes twice.
    """
    matches = match_both_ways(root_sift_bytes(a), root_sift_bytes(b))
    return matches.pairs[matches.mutual & (matches.ratio < ratio)]


def match_both_ways(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Matches:
    """Match each descriptor with its nearest in the other picture, mutual or not.

    Parameters
    ----------
    a, b : (N, D) and (M, D) uint8
        As `root_sift_bytes` returns them.
    """
    of_a, of_b = nearest_two(a, b)
    if not (len(a) and len(b)):
        return Matches(np.zeros((0, 2), np.int32), np.zeros(0, np.float32), np.zeros(0, bool))
    nearest_a, nearest_b = (found.rows[:, 0].astype(np.intp) for found in (of_a, of_b))
    rows_a, rows_b = np.arange(len(a)), np.arange(len(b))
    ratio_a, ratio_b = _ratio(of_a), _ratio(of_b)
    mutual = nearest_b.take(nearest_a) == rows_a
    ratio_a = np.where(mutual, np.minimum(ratio_a, ratio_b.take(nearest_a)), ratio_a)
    more = (nearest_a.take(nearest_b) != rows_b).nonzero()[0]
    pairs = np.empty((len(a) + len(more), 2), np.int32)
    pairs[: len(a), 0], pairs[: len(a), 1] = rows_a, nearest_a
    pairs[len(a) :, 0], pairs[len(a) :, 1] = nearest_b.take(more), more
    return Matches(pairs, np.append(ratio_a, ratio_b.take(more)), np.append(mutual, np.zeros(len(more), bool)))


def _nobody(n: int) -> Neighbours:
    return Neighbours(np.full((n, 2), -1, np.int32), np.full((n, 2), _FAR, np.float32))


def _ratio(found: Neighbours) -> NDArray[np.float32]:
    # As near as the second nearest is no ratio below 1, even where both are at no distance.
    nearest, rival = found.squared.T
    share = np.divide(nearest, rival, out=np.ones_like(rival), where=rival > 0)
    return np.asarray(np.sqrt(share), np.float32)


def _compare(a: NDArray[np.uint8], b: NDArray[np.uint8], of_a: Neighbours, of_b: Neighbours) -> None:
    """Write the two nearest both ways, by matrix products of rows of a and all of b."""
    b_float = b.astype(np.float32)
    n_rows = max(_BLOCK_NUMBERS // len(b), 1)
    for start in range(0, len(a), n_rows):
        squared = squared_distances(a[start : start + n_rows].astype(np.float32), b_float)
        here = slice(start, start + len(squared))
        of_a.rows[here], of_a.squared[here] = _two_least(squared)
        rows, least = _two_least(squared.T)
        # Earlier rows stand first, so they win where distances are equal.
        known = np.concatenate([of_b.squared, least], axis=1)
        order = np.argsort(known, axis=1, kind="stable")[:, :2]
        places = np.concatenate([of_b.rows, np.where(rows < 0, rows, rows + start)], axis=1)
        of_b.rows[:], of_b.squared[:] = (np.take_along_axis(table, order, 1) for table in (places, known))


def squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared distances (N, M) of bytes (N, D) and (M, D) as float32, exactly."""
    norms_a, norms_b = (np.einsum("ij,ij->i", one, one) for one in (a, b))
    # Both norms together may pass 2^24, but not with this order of the sum.
    distances: NDArray[np.float32] = (norms_a[:, None] - 2 * (a @ b.T)) + norms_b
    return distances


def _two_least(squared: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return where the two least numbers of each row stand, (N, 2), and the numbers; `squared` comes back unchanged."""
    n = np.arange(len(squared))
    first = squared.argmin(axis=1)
    least = squared[n, first]
    if squared.shape[1] == 1:
        nothing = _nobody(len(squared))
        return np.column_stack([first, nothing.rows[:, 1]]), np.column_stack([least, nothing.squared[:, 1]])
    squared[n, first] = _FAR
    second = squared.argmin(axis=1)
    found = np.column_stack([first, second]).astype(np.int32), np.column_stack([least, squared[n, second]])
    squared[n, first] = least
    return found
