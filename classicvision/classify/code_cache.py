"""The codes of many images in a cache, split into entries of limited size: an entry is at most 4 GiB."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache

__all__ = ["get_codes", "put_codes"]

MAX_BLOCK_BYTES = 256 * 2**20  # codes in one entry; writing it needs two more copies in memory


def put_codes(cache: FeatureCache, key: str, codes: NDArray[np.float32], others: Mapping[str, NDArray[Any]]) -> None:
    """Store codes under a key, together with other arrays.

    Parameters
    ----------
    cache : FeatureCache
    key : str
        Of the entry with the other arrays and the first rows; the entries of further rows have keys derived from it.
    codes : (N, n_outputs) float32
    others : mapping of str to array
        Their names must not be `codes` or `n_codes`.

    Raises
    ------
    CacheError
        If they cannot be written.
    """
    n_rows = max(1, MAX_BLOCK_BYTES // max(1, codes[:1].nbytes))
    for start in range(n_rows, len(codes), n_rows):
        block = codes[start : start + n_rows]
        cache.put(_block_key(key, start, start + len(block)), {"codes": block})
    # Written last: after an interruption the blocks without it are never read.
    cache.put(key, {"codes": codes[:n_rows], "n_codes": np.array([len(codes)]), **others})


def get_codes(cache: FeatureCache, key: str) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]] | None:
    """Return codes and the arrays stored with them, or None if any of it is missing or damaged."""
    others = cache.get(key)
    if others is None:
        return None
    codes = others.pop("codes")
    n_rows = len(codes)
    n_codes = int(others.pop("n_codes", np.array([n_rows]))[0])  # an entry without it has all rows
    if n_codes == n_rows:
        return codes, others
    joined = np.empty((n_codes, codes.shape[1]), codes.dtype)
    joined[:n_rows] = codes
    for start in range(n_rows, n_codes, n_rows):
        stop = min(start + n_rows, n_codes)
        block = cache.get(_block_key(key, start, stop))
        if block is None:
            return None
        joined[start:stop] = block["codes"]
    return joined, others


def _block_key(key: str, start: int, stop: int) -> str:
    return hashlib.sha256(f"{key} codes {start}:{stop}".encode()).hexdigest()
