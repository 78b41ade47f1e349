"""Arrays on disk without pickle: blocks for the feature store.

What is read is checked before anything is allocated, and every array is a read-only view of the bytes that were read,
so no header can ask for more memory than the data itself takes.
"""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import ArchiveError, UnsafeArchiveError

__all__ = ["pack_arrays", "unpack_arrays"]

# Plain numbers only, little-endian on every machine: no objects, no records, no text.
_DTYPES = {np.dtype(code).newbyteorder("<").str: np.dtype(code).newbyteorder("<") for code in ("?", *"bBhHiIqQefd")}
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_MAX_NAME = 128  # characters
_MAX_DIMENSIONS = 32  # NumPy 1.26 has no more
_MAX_ARRAY_BYTES = 2**32 - 1  # what a zip without 64-bit extensions can say
_ALIGNMENT = 64  # bytes; a cache line

_BLOCK_MAGIC = b"CVBLOCK1"
_BLOCK_PREFIX = struct.Struct("<8sII")  # magic, CRC-32 of all that follows it, length of the header
_BLOCK_CHECKED_FROM = 12  # bytes: where the part under the checksum begins


class _Spec(NamedTuple):
    """Name, type and shape of one array, checked."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as one block of bytes: a checksum, a JSON header, and the values in C order, 64-byte aligned.

    Parameters
    ----------
    arrays : mapping of str to array
        Boolean, integer or floating point, of any shape. Names are lower case, digits, ``_`` and ``/``.

    Raises
    ------
    ArchiveError
        If a name or a type cannot be stored.
    """
    parts = []
    header = []
    for name, array in arrays.items():
        spec, values = _storable(name, array)
        header.append([spec.name, spec.dtype.str, spec.shape])
        parts += [values.tobytes(), bytes(-spec.n_bytes % _ALIGNMENT)]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(_BLOCK_PREFIX.size + len(text)) % _ALIGNMENT)
    checked = b"".join([len(text).to_bytes(4, "little"), text, *parts])
    return b"".join([_BLOCK_MAGIC, zlib.crc32(checked).to_bytes(4, "little"), checked])


def unpack_arrays(data: bytes | memoryview) -> dict[str, NDArray[Any]]:
    """Return the arrays of a block that `pack_arrays` made, as read-only views of its bytes.

    Raises
    ------
    ArchiveError
        If the block is damaged, cut, or longer than its arrays.
    """
    view = memoryview(data).cast("B")
    if len(view) < _BLOCK_PREFIX.size:
        raise ArchiveError(
            f"the block has {len(view)} bytes; at least {_BLOCK_PREFIX.size} were expected. Make it again."
        )
    magic, checksum, header_size = _BLOCK_PREFIX.unpack_from(view)
    if magic != _BLOCK_MAGIC:
        raise ArchiveError(f"the block begins with {magic!r}, expected {_BLOCK_MAGIC!r}. Make it again.")
    if zlib.crc32(view[_BLOCK_CHECKED_FROM:]) != checksum:
        raise ArchiveError("the block is damaged: its checksum differs. Make it again.")
    offset = _BLOCK_PREFIX.size + header_size
    arrays = {}
    for spec in _block_specs(view[_BLOCK_PREFIX.size : offset]):
        if offset + spec.n_bytes > len(view):
            raise UnsafeArchiveError(f"array {spec.name!r} asks for more bytes than the block has. Make it again.")
        arrays[spec.name] = _view(spec, view, offset)
        offset += spec.n_bytes + -spec.n_bytes % _ALIGNMENT
    if offset != len(view):
        raise ArchiveError(f"the block has {len(view)} bytes; its header describes {offset}. Make it again.")
    return arrays


def _block_specs(header: memoryview) -> list[_Spec]:
    entries = _parse_json(bytes(header))
    if not isinstance(entries, list) or not all(isinstance(entry, list) and len(entry) == 3 for entry in entries):
        raise ArchiveError("the header of the block is not a list of [name, dtype, shape]. Make it again.")
    return [_checked_spec(*entry) for entry in entries]


def _storable(name: str, array: NDArray[Any]) -> tuple[_Spec, NDArray[Any]]:
    """Return what to write of an array: its description, and its values in C order and little-endian."""
    array = np.asarray(array)
    spec = _checked_spec(name, array.dtype.newbyteorder("<").str, array.shape)
    return spec, np.asarray(array, spec.dtype, order="C")


def _checked_spec(name: object, dtype: object, shape: object) -> _Spec:
    """Check the description of an array in Python integers, which cannot overflow, before NumPy sees it."""
    if not isinstance(name, str) or len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise UnsafeArchiveError(f"{name!r:.80} is no name for an array; use lower-case letters, digits, _ and /")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise UnsafeArchiveError(f"array {name!r} has dtype {dtype!r:.80}; choose from {', '.join(_DTYPES)}")
    if not isinstance(shape, list | tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise UnsafeArchiveError(f"array {name!r} has shape {shape!r:.80}; lengths are whole numbers from 0 upwards")
    n_bytes = math.prod(max(n, 1) for n in shape) * _DTYPES[dtype].itemsize
    if len(shape) > _MAX_DIMENSIONS or n_bytes > _MAX_ARRAY_BYTES:
        raise UnsafeArchiveError(f"array {name!r} of shape {shape!r:.80} is larger than an archive holds")
    return _Spec(name, _DTYPES[dtype], tuple(shape))


def _view(spec: _Spec, data: memoryview, offset: int) -> NDArray[Any]:
    array: NDArray[Any] = np.ndarray(spec.shape, spec.dtype, data, offset)
    array.flags.writeable = False
    return array


def _parse_json(text: bytes) -> Any:
    """Return what a JSON text says; damage of any sort is an ArchiveError."""
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"its description is not JSON ({error}). Make it again.") from error
