"""Which descriptors of two pictures correspond: mutual nearest neighbours that are clearly nearer than the next place.

Descriptors are compared as RootSIFT (Arandjelovic and Zisserman 2012) in bytes. Their squared distances are whole
numbers below 2^24, so that float32 has them exactly: the answer is the same in NumPy and on each instruction set.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures

__all__ = ["Matches", "Neighbours", "match_descriptors", "match_places", "nearest_two", "root_bytes"]

NORM = 512.0  # of RootSIFT as bytes, but for those clipped at 255
_BLOCK_NUMBERS = 2**20  # distances held at once
_SAME_PLACE = 2.0  # scales; keypoints that are nearer see the same thing
_FAR = np.float32(2**24)  # more than any squared distance


class Neighbours(NamedTuple):
    """For each of N descriptors the nearest of the other picture, and how far that and the second nearest are."""

    nearest: NDArray[np.int32]  # (N,) row of the other picture; of equally near ones the first; -1 if there is none
    squared: NDArray[np.float32]  # (N,) squared distance to it, a whole number; 2^24 if there is none
    second: NDArray[np.int32]  # (N,) row of the second nearest, -1 if there is none
    second_squared: NDArray[np.float32]  # (N,) squared distance to it; 2^24 if there is none


class Matches(NamedTuple):
    """Pairs of keypoints, one of which has the other as its nearest: first all of a in order, then what b adds."""

    pairs: NDArray[np.int32]  # (P, 2) rows of a and of b
    ratio: NDArray[np.float32]  # (P,) distance to the nearest over that to the second, the lesser of the ways it holds
    mutual: NDArray[np.bool_]  # (P,) whether each is the nearest of the other


def root_bytes(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn SIFT descriptors (N, D) into RootSIFT of norm 512, rounded and clipped at 255; a row of zeros stays zero."""
    total = descriptors.sum(axis=1, dtype=np.float32, keepdims=True)
    factor = np.float32(NORM) / np.sqrt(np.maximum(total, 1))
    rounded = np.rint(np.sqrt(np.arange(256, dtype=np.float32))[descriptors] * factor)
    stored: NDArray[np.uint8] = np.minimum(rounded, 255, out=rounded).astype(np.uint8)
    return stored


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
    matches = _pairs(*nearest_two(root_bytes(a), root_bytes(b)))
    return matches.pairs[matches.mutual & (matches.ratio < ratio)]


def match_places(a: LocalFeatures, b: LocalFeatures, root_a: NDArray[np.uint8], root_b: NDArray[np.uint8]) -> Matches:
    """Match keypoints with their nearest, and tell the ratio to the second nearest *at another place*.

    Several keypoints of one place, of nearby scales, are no rivals of each other.

    Parameters
    ----------
    a, b : LocalFeatures
    root_a, root_b : (N, 128) and (M, 128) uint8
        Their descriptors as `root_bytes` returns them, or those of a mirrored picture.
    """
    of_a, of_b = nearest_two(root_a, root_b)
    of_a = _elsewhere(of_a, root_a, root_b, b)
    of_b = _elsewhere(of_b, root_b, root_a, a)
    return _pairs(of_a, of_b)


def _nobody(n: int) -> Neighbours:
    return Neighbours(
        np.full(n, -1, np.int32), np.full(n, _FAR, np.float32), np.full(n, -1, np.int32), np.full(n, _FAR, np.float32)
    )


def _pairs(of_a: Neighbours, of_b: Neighbours) -> Matches:
    if not (len(of_a.nearest) and len(of_b.nearest)):
        return Matches(np.zeros((0, 2), np.int32), np.zeros(0, np.float32), np.zeros(0, bool))
    rows_a, rows_b = (np.arange(len(found.nearest), dtype=np.int32) for found in (of_a, of_b))
    ratio_a, ratio_b = _ratio(of_a), _ratio(of_b)
    mutual = of_b.nearest[of_a.nearest] == rows_a
    ratio_a[mutual] = np.minimum(ratio_a[mutual], ratio_b[of_a.nearest[mutual]])
    more = of_a.nearest[of_b.nearest] != rows_b
    pairs = np.concatenate(
        [np.column_stack([rows_a, of_a.nearest]), np.column_stack([of_b.nearest[more], rows_b[more]])]
    )
    return Matches(pairs, np.concatenate([ratio_a, ratio_b[more]]), np.append(mutual, np.zeros(more.sum(), bool)))


def _ratio(found: Neighbours) -> NDArray[np.float32]:
    # As near as the second nearest is no ratio below 1, even where both are at no distance.
    rival = found.second_squared
    return np.sqrt(np.divide(found.squared, rival, out=np.ones_like(rival), where=rival > 0))


def _compare(a: NDArray[np.uint8], b: NDArray[np.uint8], of_a: Neighbours, of_b: Neighbours) -> None:
    """Write the two nearest both ways, by matrix products of rows of a and all of b."""
    columns = np.arange(len(b))
    b_float = b.astype(np.float32)
    b_norms = np.einsum("ij,ij->i", b_float, b_float)
    n_rows = max(_BLOCK_NUMBERS // len(b), 1)
    for start in range(0, len(a), n_rows):
        block = a[start : start + n_rows].astype(np.float32)
        squared = np.einsum("ij,ij->i", block, block)[:, None] + b_norms - 2 * (block @ b_float.T)
        rows = np.arange(len(block))
        here = _rows_of(of_a, start, start + len(block))
        here.nearest[:] = squared.argmin(axis=1)
        here.squared[:] = squared[rows, here.nearest]
        _merge_columns(squared, start, of_b)
        squared[rows, here.nearest] = _FAR
        if len(columns) > 1:
            here.second[:] = squared.argmin(axis=1)
            here.second_squared[:] = squared[rows, here.second]


def _rows_of(found: Neighbours, start: int, end: int) -> Neighbours:
    """Return views, to be written to."""
    nearest, squared, second, second_squared = found
    return Neighbours(nearest[start:end], squared[start:end], second[start:end], second_squared[start:end])


def _merge_columns(squared: NDArray[np.float32], start: int, of_b: Neighbours) -> None:
    """Bring a block of rows of distances into the neighbours of the columns; earlier rows win ties."""
    columns = np.arange(squared.shape[1])
    first = squared.argmin(axis=0)
    values = squared[first, columns]
    kept = values.copy()
    squared[first, columns] = _FAR
    second = squared.argmin(axis=0)
    second_values = squared[second, columns]
    squared[first, columns] = values
    known = np.stack([of_b.squared, of_b.second_squared, kept, second_values])
    indices = np.stack([of_b.nearest, of_b.second, start + first, start + second])
    order = np.argsort(known, axis=0, kind="stable")[:2]
    of_b.squared[:], of_b.second_squared[:] = np.take_along_axis(known, order, 0)
    chosen = np.take_along_axis(indices, order, 0)
    of_b.nearest[:], of_b.second[:] = np.where(np.take_along_axis(known, order, 0) < _FAR, chosen, -1)


def _elsewhere(
    found: Neighbours, own: NDArray[np.uint8], others: NDArray[np.uint8], places: LocalFeatures
) -> Neighbours:
    """Take for second nearest the nearest one that is not at the place of the nearest."""
    rows = np.flatnonzero(found.second >= 0)
    rows = rows[_is_same_place(places, found.nearest[rows], found.second[rows])]
    if not len(rows):
        return found
    second, second_squared = found.second.copy(), found.second_squared.copy()
    rival = np.asarray(others, np.float32)
    norms = np.einsum("ij,ij->i", rival, rival)
    for start in range(0, len(rows), 256):
        some = rows[start : start + 256]
        block = own[some].astype(np.float32)
        squared = np.einsum("ij,ij->i", block, block)[:, None] + norms - 2 * (block @ rival.T)
        squared[_is_same_place(places, found.nearest[some, None], np.arange(len(others))[None])] = _FAR
        second[some] = squared.argmin(axis=1)
        second_squared[some] = squared.min(axis=1)
    return found._replace(second=second, second_squared=second_squared)


def _is_same_place(places: LocalFeatures, one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    apart = places.xy[one] - places.xy[other]
    reach = _SAME_PLACE * np.minimum(places.scale[one], places.scale[other])
    near: NDArray[np.bool_] = np.einsum("...i,...i->...", apart, apart) < reach * reach
    return near
