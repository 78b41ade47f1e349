"""Exact search for the visual words nearest to descriptors, by the compiled kernel if it was built, else in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision._native import native_available
from classicvision.features.rootsift import root_sift

__all__ = ["PreparedWords", "label_points", "nearest_words", "plain_points", "stored_points"]

# Distances per block: small enough for the processor's cache, and larger blocks are not faster.
_BLOCK_NUMBERS = 2**18
_BLOCK_ROWS = 4096
_LARGEST = 1e15  # squared distances of larger values overflow float32

# Words are first compared in the principal directions that contain all but this share of their variance. With fewer
# directions each comparison is faster, but more words remain to be compared in full.
_REST = 0.04
_FEWEST_WORDS = 256  # with fewer words, computing the directions takes longer than it saves
_MOST_DIMENSIONS = 256
_STEP = 8  # the number of directions is a multiple of this


@dataclass(frozen=True, eq=False)
class PreparedWords:
    """Words prepared for many searches, as returned by `PreparedWords.of`.

    Attributes
    ----------
    words : (K, D) float32
    table : (B,) uint8 or None
        The words in the layout of the compiled kernel; None without the kernel or if they are too large for it.
    n_kept : int or None
        Number of principal directions that the kernel compares first; None for the D dimensions themselves.
    """

    words: NDArray[np.float32]
    table: NDArray[np.uint8] | None
    n_kept: int | None = None

    @classmethod
    def of(cls, words: NDArray[Any]) -> Self:
        """Prepare words (K, D), K at least 1; a ValueError says what is wrong with them."""
        _require_finite("words", words)
        plain = np.ascontiguousarray(words, np.float32)
        if not native_available():
            return cls(plain, None)
        from classicvision._native import words as native

        if not native.has_room_for(plain):
            return cls(plain, None)
        basis = _principal_directions(plain)
        return cls(plain, native.prepare(plain, basis), None if basis is None else basis.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (K, D)."""
        return self.words.shape


def nearest_words(
    descriptors: NDArray[Any],
    words: NDArray[np.float32] | PreparedWords,
    m: int = 1,
    *,
    as_root_sift: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the m words nearest to each descriptor, by exact search.

    Candidates are found in low precision, by products of bytes in the compiled kernel or by a matrix product in
    float32, and compared in float64. The result does not depend on the kernel, the instruction set, the linear algebra
    library, the number of threads, or the other descriptors.

    Parameters
    ----------
    descriptors : (N, D) array
    words : (K, D) float32 or PreparedWords
        Prepare words that are searched more than once.
    m : int
        From 1 to K.
    as_root_sift : bool
        Compare the RootSIFT of the descriptors, computed block by block; only for uint8.

    Returns
    -------
    indices : (N, m) int32
        Nearest first; ties by index.
    squared_distances : (N, m) float32

    Notes
    -----
    Descriptors are processed in blocks. In addition to the result and two copies of the words this needs less than
    32 MiB for any N. uint8 descriptors are not copied.
    """
    if descriptors.ndim != 2 or len(words.shape) != 2 or descriptors.shape[1] != words.shape[1]:
        raise ValueError(f"descriptors {descriptors.shape} and words {words.shape} must be (N, D) and (K, D)")
    if not 1 <= m <= words.shape[0]:
        raise ValueError(f"m is {m}; there are {words.shape[0]} words to choose from")
    if as_root_sift and descriptors.dtype != np.uint8:
        raise ValueError(f"descriptors are {descriptors.dtype}; RootSIFT needs uint8 descriptors as stored")
    prepared = words if isinstance(words, PreparedWords) else PreparedWords.of(words)
    indices = np.empty((len(descriptors), m), np.int32)
    squared_distances = np.empty((len(descriptors), m), np.float32)
    if _search(descriptors, prepared, indices, squared_distances, as_root_sift):
        return indices, squared_distances
    _require_finite("descriptors", descriptors)
    return _compare(descriptors, prepared.words, m, as_root_sift)


def label_points(points: NDArray[Any], prepared: PreparedWords, *, as_root_sift: bool = False) -> NDArray[np.int32]:
    """Return the nearest word of each point, (N,), like `nearest_words` without the distances."""
    indices = np.empty((len(points), 1), np.int32)
    if not _search(points, prepared, indices, None, as_root_sift):
        indices, _ = nearest_words(points, prepared, as_root_sift=as_root_sift)
    return indices[:, 0]


def stored_points(points: NDArray[Any]) -> NDArray[Any]:
    """Return points (N, D) in the layout of the kernels: contiguous, uint8 unchanged, other types as float32."""
    return np.ascontiguousarray(points, np.uint8 if points.dtype == np.uint8 else np.float32)


def plain_points(points: NDArray[Any], *, as_root_sift: bool = False) -> NDArray[np.float32]:
    """Return points (N, D) as float32, in the space in which they are compared."""
    return root_sift(points) if as_root_sift else np.ascontiguousarray(points, np.float32)


def _principal_directions(words: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the principal directions (D, n) that contain nearly all variance of the words; None if n is not small.

    The eigenvectors of the words' covariance, largest eigenvalues first (Jolliffe 2002, section 1.1).
    """
    n_words, n_dims = words.shape
    if n_words < _FEWEST_WORDS or n_dims > _MOST_DIMENSIONS:
        return None
    centred = words - words.mean(axis=0, dtype=np.float64).astype(np.float32)
    largest = float(np.abs(centred).max())
    if not largest > 0:
        return None
    centred /= largest
    energies, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    discarded = np.cumsum(energies)  # [i] is the energy of the i + 1 smallest directions
    n_needed = n_dims - int(np.searchsorted(discarded, _REST * discarded[-1], side="right"))
    n = -(-max(n_needed, 1) // _STEP) * _STEP
    if n > n_dims * 3 // 4:
        return None
    return np.ascontiguousarray(directions[:, : -n - 1 : -1], np.float32)


def _require_finite(name: str, array: NDArray[Any]) -> None:
    # The largest and the smallest value are NaN if any value is.
    if array.size and not max(abs(float(array.max())), abs(float(array.min()))) < _LARGEST:
        raise ValueError(f"{name} hold numbers that are not finite, or not below {_LARGEST:g}")


def _search(
    descriptors: NDArray[Any],
    prepared: PreparedWords,
    indices: NDArray[np.int32],
    squared_distances: NDArray[np.float32] | None,
    as_root_sift: bool,
) -> bool:
    """Find the nearest words with the compiled kernel; return False without one, or if it cannot find that many."""
    if prepared.table is None:
        return False
    from classicvision._native import words as native

    m, words = indices.shape[1], prepared.words
    if m > native.MOST_NEAREST:
        return False
    for start in range(0, len(descriptors), _BLOCK_ROWS):
        here = slice(start, start + _BLOCK_ROWS)
        with np.errstate(over="ignore"):  # values that overflow float32 become infinite and are refused
            block = stored_points(descriptors[here])
        distances = None if squared_distances is None else squared_distances[here]
        native.nearest(
            block, words, prepared.table, indices[here], distances, n_kept=prepared.n_kept, as_root_sift=as_root_sift
        )
        undecided = np.flatnonzero(indices[here, 0] < 0)
        if len(undecided):
            found, squared = _compare(block[undecided], words, m, as_root_sift)
            indices[here][undecided] = found
            if distances is not None:
                distances[undecided] = squared
    return True


def _compare(
    descriptors: NDArray[Any], words: NDArray[np.float32], m: int, as_root_sift: bool
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the nearest words by a matrix product."""
    indices = np.empty((len(descriptors), m), np.int32)
    squared_distances = np.empty((len(descriptors), m), np.float32)
    n_rows = min(max(_BLOCK_NUMBERS // len(words), 1), _BLOCK_ROWS)
    squared_norms = np.einsum("ij,ij->i", words, words)
    factors = -2 * words.T
    for start in range(0, len(descriptors), n_rows):
        block = plain_points(descriptors[start : start + n_rows], as_root_sift=as_root_sift)
        rows, columns = _candidates(block, factors, squared_norms, m)
        here = slice(start, start + len(block))
        indices[here], squared_distances[here] = _choose_nearest(block, words, rows, columns, m)
    return indices, squared_distances


def _candidates(
    block: NDArray[np.float32], factors: NDArray[np.float32], squared_norms: NDArray[np.float32], m: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return sorted (row, word) pairs that are guaranteed to contain the m nearest words of each row.

    The score |w|^2 - 2 d.w is the squared distance without |d|^2, which is the same for all words. `factors` is -2 w,
    (D, K).
    """
    score = block @ factors
    score += squared_norms
    limit = score.min(axis=1) if m == 1 else np.partition(score, m - 1, axis=1)[:, m - 1]
    # Higham (2002), section 3.1: the error of a dot product of D terms is below gamma |d| |w|, gamma = D u / (1 - D u).
    # The errors of each score and of the limit are below `error`. The 8 covers the sums and the rounding of the norms.
    gamma = (block.shape[1] + 8) * 2.0**-24
    longest = np.sqrt(squared_norms.max())
    error = gamma * longest * (2 * np.sqrt(np.einsum("ij,ij->i", block, block)) + longest)
    rows, columns = np.nonzero(score <= (limit + 2 * error)[:, np.newaxis])
    return rows, columns


def _choose_nearest(
    block: NDArray[np.float32],
    words: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    m: int,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the m nearest candidates of each row and their squared distances, both (B, m)."""
    distance = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        pairs = slice(start, start + _BLOCK_ROWS)
        difference = block[rows[pairs]].astype(np.float64)
        difference -= words[columns[pairs]]
        distance[pairs] = np.einsum("ij,ij->i", difference, difference)
    order = np.lexsort((columns, distance, rows))
    first = np.searchsorted(rows, np.arange(len(block)))
    chosen = order[first[:, np.newaxis] + np.arange(m)]
    return columns[chosen], distance[chosen]
