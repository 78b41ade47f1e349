"""Common to blocks and archives: validate the description of an array, and convert its values to bytes and back."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import ArchiveError, UnsafeArchiveError

__all__ = [
    "ALIGNMENT",
    "MAX_BYTES",
    "ArraySpec",
    "checked_spec",
    "parse_json",
    "raw_bytes",
    "storable",
    "view_of",
]

ALIGNMENT = 64  # bytes; a cache line
MAX_BYTES = 2**32 - 1  # of an array or an archive: the limit of a zip without 64-bit extensions

# Plain numbers only, little-endian on every machine: no objects, no records, no text.
_DTYPES = {np.dtype(code).newbyteorder("<").str: np.dtype(code).newbyteorder("<") for code in ("?", *"bBhHiIqQefd")}
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_MAX_NAME = 128  # characters
_MAX_DIMENSIONS = 32  # the limit of NumPy 1.26


class ArraySpec(NamedTuple):
    """Validated name, dtype and shape of an array."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def storable(name: str, array: NDArray[Any]) -> tuple[ArraySpec, NDArray[Any]]:
    """Prepare an array for writing: its description, and its values in C order and little-endian."""
    array = np.asarray(array)
    spec = checked_spec(name, array.dtype.newbyteorder("<").str, array.shape)
    return spec, np.asarray(array, spec.dtype, order="C")


def checked_spec(name: object, dtype: object, shape: object) -> ArraySpec:
    """Validate the description of an array in Python integers, which cannot overflow, before passing it to NumPy."""
    if not isinstance(name, str) or len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise UnsafeArchiveError(f"{name!r:.80} is not a valid array name; use lower-case letters, digits, _ and /")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise UnsafeArchiveError(f"array {name!r} has dtype {dtype!r:.80}; choose from {', '.join(_DTYPES)}")
    if not isinstance(shape, list | tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise UnsafeArchiveError(f"array {name!r} has shape {shape!r:.80}; expected non-negative integers")
    n_bytes = math.prod(max(n, 1) for n in shape) * _DTYPES[dtype].itemsize
    if len(shape) > _MAX_DIMENSIONS or n_bytes > MAX_BYTES:
        raise UnsafeArchiveError(
            f"array {name!r} of shape {shape!r:.80} is too large; the limits are {_MAX_DIMENSIONS} dimensions and "
            f"{MAX_BYTES:,} bytes"
        )
    return ArraySpec(name, _DTYPES[dtype], tuple(shape))


def raw_bytes(values: NDArray[Any]) -> memoryview:
    """Return the values of a C-ordered array as bytes, without a copy."""
    return values.reshape(-1).view(np.uint8).data


def view_of(spec: ArraySpec, data: memoryview, offset: int) -> NDArray[Any]:
    """Return a read-only view of the bytes from `offset` on as an array."""
    array: NDArray[Any] = np.ndarray(spec.shape, spec.dtype, data, offset)
    array.flags.writeable = False
    return array


def parse_json(text: bytes) -> Any:
    """Parse JSON; any damage raises ArchiveError."""
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"its header is not valid JSON ({error}); the file is damaged. Create it again.") from error
