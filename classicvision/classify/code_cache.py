"""The codes of many images in a cache, as several entries: one holds no more than an archive, 4 GiB."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache

__all__ = ["get_codes", "put_codes"]

MAX_BLOCK_BYTES = 256 * 2**20  # of codes in one entry; while it is written there are two more copies of it


def put_codes(cache: FeatureCache, key: str, codes: NDArray[np.float32], beside: Mapping[str, NDArray[Any]]) -> None:
    """Keep codes under a key, with other arrays beside them.

    Parameters
    ----------
    cache : FeatureCache
    key : str
        Of the entry that has the other arrays and the first rows; those of further rows have keys derived from it.
    codes : (N, n_outputs) float32
    beside : mapping of str to array
        None of them is named `codes` or `n_codes`.

    Raises
    ------
    CacheError
        If they cannot be written.
    """
    n_rows = max(1, MAX_BLOCK_BYTES // max(1, codes[:1].nbytes))
    for start in range(n_rows, len(codes), n_rows):
        block = codes[start : start + n_rows]
        cache.put(_block_key(key, start, start + len(block)), {"codes": block})
    # The last of all: whoever is interrupted before leaves blocks that nothing asks for.
    cache.put(key, {"codes": codes[:n_rows], "n_codes": np.array([len(codes)]), **beside})


def get_codes(cache: FeatureCache, key: str) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]] | None:
    """Return codes and what was put beside them; None if any of it is missing or damaged."""
    beside = cache.get(key)
    if beside is None:
        return None
    codes = beside.pop("codes")
    n_rows = len(codes)
    n_codes = int(beside.pop("n_codes", np.array([n_rows]))[0])  # before there were blocks, one entry had all
    if n_codes == n_rows:
        return codes, beside
    joined = np.empty((n_codes, codes.shape[1]), codes.dtype)
    joined[:n_rows] = codes
    for start in range(n_rows, n_codes, n_rows):
        stop = min(start + n_rows, n_codes)
        block = cache.get(_block_key(key, start, stop))
        if block is None:
            return None
        joined[start:stop] = block["codes"]
    return joined, beside


def _block_key(key: str, start: int, stop: int) -> str:
    return hashlib.sha256(f"{key} codes {start}:{stop}".encode()).hexdigest()
