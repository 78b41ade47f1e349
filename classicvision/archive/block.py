"""A block of bytes with several arrays: an entry of the feature cache."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from classicvision.archive.arrays import ALIGNMENT, ArraySpec, checked_spec, parse_json, raw_bytes, storable, view_of
from classicvision.errors import ArchiveError, UnsafeArchiveError

__all__ = ["pack_arrays", "unpack_arrays"]

_MAGIC = b"CVBLOCK1"
_PREFIX = struct.Struct("<8sII")  # magic, CRC-32 of everything after it, length of the header
_CHECKED_FROM = 12  # bytes; where the checksummed part begins


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays into a block of bytes: a checksum, a JSON header, and the values in C order, 64-byte aligned.

    Parameters
    ----------
    arrays : mapping of str to array
        Boolean, integer or floating point, of any shape. Names consist of lower-case letters, digits, ``_`` and ``/``.

    Raises
    ------
    ArchiveError
        If a name or a dtype is not supported.
    """
    parts: list[bytes | memoryview] = []
    header = []
    for name, array in arrays.items():
        spec, values = storable(name, array)
        header.append([spec.name, spec.dtype.str, spec.shape])
        parts += [raw_bytes(values), bytes(-spec.n_bytes % ALIGNMENT)]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(_PREFIX.size + len(text)) % ALIGNMENT)
    checked = b"".join([len(text).to_bytes(4, "little"), text, *parts])
    return b"".join([_MAGIC, zlib.crc32(checked).to_bytes(4, "little"), checked])


def unpack_arrays(data: bytes | memoryview, *, checked: bool = True) -> dict[str, NDArray[Any]]:
    """Unpack a block of `pack_arrays`; the arrays are read-only views of its bytes.

    Parameters
    ----------
    data : bytes
    checked : bool
        Verify the checksum, which reads every byte. False suits a large memory-mapped file of which only a part is
        needed: the header is still validated, and damaged values go unnoticed.

    Raises
    ------
    ArchiveError
        If the block is damaged, truncated, or longer than its arrays.
    """
    view = memoryview(data).cast("B")
    if len(view) < _PREFIX.size:
        raise ArchiveError(f"the block has {len(view)} bytes; expected at least {_PREFIX.size}. Create it again.")
    magic, checksum, header_size = _PREFIX.unpack_from(view)
    if magic != _MAGIC:
        raise ArchiveError(f"the block begins with {magic!r}; expected {_MAGIC!r}. Create it again.")
    if checked and zlib.crc32(view[_CHECKED_FROM:]) != checksum:
        raise ArchiveError("the block is damaged: its checksum differs. Create it again.")
    offset = _PREFIX.size + header_size
    arrays = {}
    for spec in _block_specs(bytes(view[_PREFIX.size : offset])):
        if offset + spec.n_bytes > len(view):
            raise UnsafeArchiveError(f"array {spec.name!r} extends past the end of the block. Create it again.")
        arrays[spec.name] = view_of(spec, view, offset)
        offset += spec.n_bytes + -spec.n_bytes % ALIGNMENT
    if offset != len(view):
        raise ArchiveError(f"the block has {len(view)} bytes; its header describes {offset}. Create it again.")
    return arrays


@lru_cache(4096)  # blocks are read many times, and many have the same shapes
def _block_specs(header: bytes) -> tuple[ArraySpec, ...]:
    entries = parse_json(header)
    if not isinstance(entries, list) or not all(isinstance(entry, list) and len(entry) == 3 for entry in entries):
        raise ArchiveError("the header of the block is not a list of [name, dtype, shape]. Create it again.")
    return tuple(checked_spec(*entry) for entry in entries)
