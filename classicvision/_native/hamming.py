"""Search postings by Hamming distance, and sum their votes per image, by the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision._native import kernels

__all__ = ["find_largest_agreements", "find_near_postings"]


def find_near_postings(
    offsets: NDArray[np.int64],
    signatures: NDArray[np.uint64],
    words: NDArray[np.int32],
    queries: NDArray[np.uint64],
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """Return posting, query and distance (M,) of all pairs of one word that differ in at most `limit` bits.

    Parameters
    ----------
    offsets : (n_words + 1,) int64
        The list of word w is signatures[offsets[w]:offsets[w + 1]]; a ValueError is raised for a list outside of them.
    signatures : (P,) uint64
    words : (Q,) int32
        Of the queries.
    queries : (Q,) uint64
    limit : int
    """
    postings, rows, distances = kernels.find_near_postings(
        offsets, signatures.view(np.int64), np.ascontiguousarray(words, np.int32), queries.view(np.int64), limit
    )
    return np.frombuffer(postings, np.int64), np.frombuffer(rows, np.int32), np.frombuffer(distances, np.uint8)


def find_largest_agreements(
    columns: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
    query: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
    n_images: int,
    limit: int,
) -> NDArray[np.float64]:
    """Return the largest sum of votes that agree for each image, (n_images,).

    Parameters
    ----------
    columns : tuple of arrays
        Offsets, signatures, rows, angles and scales of postings; ValueError for a list outside of them and for a row
        beyond n_images.
    query : tuple of arrays
        Words, signatures, angles, scales and weights of the keypoints that vote.
    n_images : int
    limit : int
    """
    offsets, signatures, rows, angles, scales = columns
    words, queries, query_angles, query_scales, weights = query
    largest = np.zeros(n_images)
    kernels.find_largest_agreements(
        offsets,
        signatures.view(np.int64),
        rows,
        angles,
        scales,
        np.ascontiguousarray(words, np.int32),
        np.ascontiguousarray(queries).view(np.int64),
        query_angles,
        query_scales,
        weights,
        largest,
        limit,
    )
    return largest
