"""Nearest neighbours of descriptors of two images, and the mutual ones that pass the ratio test.

Descriptors are compared as RootSIFT (Arandjelovic and Zisserman 2012) in bytes. Their squared distances are integers
below 2^24 and therefore exact in float32: the result is the same in NumPy and on every instruction set.
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

_BLOCK_NUMBERS = 2**20  # distances in memory at the same time
_FAR = np.float32(2**24)  # larger than any squared distance


class Neighbours(NamedTuple):
    """The two nearest descriptors of the other image for each of N descriptors; ties by row."""

    rows: NDArray[np.int32]  # (N, 2) in the other image; -1 if it has too few descriptors
    squared: NDArray[np.float32]  # (N, 2) squared distances, integers; 2^24 if it has too few descriptors


class Matches(NamedTuple):
    """Pairs in which one keypoint is the nearest neighbour of the other: all of a in order, then those only b has."""

    pairs: NDArray[np.int32]  # (P, 2) rows of a and of b
    ratio: NDArray[np.float32]  # (P,) nearest distance over second nearest, the smaller of both directions if mutual
    mutual: NDArray[np.bool_]  # (P,) whether each is the nearest neighbour of the other


def nearest_two(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[Neighbours, Neighbours]:
    """Find the two nearest descriptors of b for each of a, and of a for each of b, by exact search.

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
        raise ValueError(f"descriptors {a.shape} and {b.shape} must be (N, D) and (M, D) with D at most 256")
    if native_available():
        rows_a, squared_a, rows_b, squared_b = native.nearest_two(a, b)
        return Neighbours(rows_a, squared_a), Neighbours(rows_b, squared_b)
    of_a, of_b = _no_neighbours(len(a)), _no_neighbours(len(b))
    if len(a) and len(b):
        _compare(a, b, of_a, of_b)
    return of_a, of_b


def match_descriptors(a: NDArray[np.uint8], b: NDArray[np.uint8], *, ratio: float = 0.8) -> NDArray[np.int32]:
    """Match SIFT descriptors of two images: mutual nearest neighbours that pass the ratio test.

    Parameters
    ----------
    a, b : (N, D) and (M, D) uint8
        SIFT descriptors, D at most 256. They are compared as RootSIFT.
    ratio : float, default 0.8
        A match passes if its distance is below `ratio` times the distance to the second nearest descriptor in at least
        one of the two images ([1]_, section 7.1). Smaller values keep fewer, more reliable matches; above 1 all mutual
        nearest neighbours pass. One direction suffices, because an object that occurs twice in one image has two
        equally near candidates there, but a single one in the other direction.

    Returns
    -------
    (P, 2) int32
        Rows of a, ascending, and of b. No row occurs twice.

    Raises
    ------
    ValueError
        If the descriptors differ in width or are wider than 256.

    References
    ----------
    .. [1] D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60, 2004.
           :DOI:`10.1023/B:VISI.0000029664.99615.94`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import Sift, match_descriptors, read_image
    >>> image = read_image("data/copies/library/astronaut.jpg")
    >>> a, b = (Sift(max_features=300)(part) for part in (image, image[40:240, 60:300]))
    >>> i, j = match_descriptors(a.descriptors, b.descriptors).T
    >>> np.median(a.xy[i] - b.xy[j], axis=0).round()  # where the crop starts
    array([60., 40.], dtype=float32)
    """
    matches = match_both_ways(root_sift_bytes(a), root_sift_bytes(b))
    return matches.pairs[matches.mutual & (matches.ratio < ratio)]


def match_both_ways(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Matches:
    """Match each descriptor with its nearest neighbour in the other image, mutual or not.

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
    only_b = (nearest_a.take(nearest_b) != rows_b).nonzero()[0]
    pairs = np.empty((len(a) + len(only_b), 2), np.int32)
    pairs[: len(a), 0], pairs[: len(a), 1] = rows_a, nearest_a
    pairs[len(a) :, 0], pairs[len(a) :, 1] = nearest_b.take(only_b), only_b
    return Matches(pairs, np.append(ratio_a, ratio_b.take(only_b)), np.append(mutual, np.zeros(len(only_b), bool)))


def _no_neighbours(n: int) -> Neighbours:
    return Neighbours(np.full((n, 2), -1, np.int32), np.full((n, 2), _FAR, np.float32))


def _ratio(found: Neighbours) -> NDArray[np.float32]:
    # Two equally near neighbours have ratio 1, also where both distances are 0.
    nearest, rival = found.squared.T
    quotient = np.divide(nearest, rival, out=np.ones_like(rival), where=rival > 0)
    return np.asarray(np.sqrt(quotient), np.float32)


def _compare(a: NDArray[np.uint8], b: NDArray[np.uint8], of_a: Neighbours, of_b: Neighbours) -> None:
    """Fill in the two nearest of both directions, by matrix products of blocks of a with b."""
    b_float = b.astype(np.float32)
    n_rows = max(_BLOCK_NUMBERS // len(b), 1)
    for start in range(0, len(a), n_rows):
        squared = squared_distances(a[start : start + n_rows].astype(np.float32), b_float)
        here = slice(start, start + len(squared))
        of_a.rows[here], of_a.squared[here] = _two_least(squared)
        rows, least = _two_least(squared.T)
        # Earlier rows come first, so they win ties.
        distances = np.concatenate([of_b.squared, least], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :2]
        candidates = np.concatenate([of_b.rows, np.where(rows < 0, rows, rows + start)], axis=1)
        of_b.rows[:], of_b.squared[:] = (np.take_along_axis(table, order, 1) for table in (candidates, distances))


def squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the exact squared distances (N, M) between byte vectors (N, D) and (M, D), given as float32."""
    norms_a, norms_b = (np.einsum("ij,ij->i", one, one) for one in (a, b))
    # The sum of both norms can exceed 2^24, but no partial sum does in this order.
    distances: NDArray[np.float32] = (norms_a[:, None] - 2 * (a @ b.T)) + norms_b
    return distances


def _two_least(squared: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the columns of the two smallest values of each row, (N, 2), and the values; `squared` is restored."""
    n = np.arange(len(squared))
    first = squared.argmin(axis=1)
    least = squared[n, first]
    if squared.shape[1] == 1:
        missing = _no_neighbours(len(squared))
        return np.column_stack([first, missing.rows[:, 1]]), np.column_stack([least, missing.squared[:, 1]])
    squared[n, first] = _FAR
    second = squared.argmin(axis=1)
    found = np.column_stack([first, second]).astype(np.int32), np.column_stack([least, squared[n, second]])
    squared[n, first] = least
    return found
