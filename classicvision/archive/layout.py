"""The byte layout of an archive: the records of an uncompressed zip, and the headers of the .npy files in it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from classicvision.archive.arrays import ALIGNMENT, ArraySpec

__all__ = ["LOCAL", "MANIFEST_NAME", "MAX_ARRAYS", "Member", "file_size", "lay_out", "pieces"]

MANIFEST_NAME = b"manifest.json"
MAX_ARRAYS = 2**16 - 2  # the limit of a zip without 64-bit extensions, minus the manifest

# PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_ZIP_VERSION = 20  # 2.0, the first with folders
_ZIP_DATE = 1 << 5 | 1  # 1 January 1980, the epoch of zip: constant, so that equal content gives equal bytes


class Member(NamedTuple):
    """One file of the zip: the manifest, or a .npy file, which is a header and the values of an array."""

    name: bytes
    offset: int  # of its local record
    head: bytes  # the manifest, or the .npy header
    n_values: int  # bytes of the values

    @property
    def values_at(self) -> int:
        """Offset of the values in the archive."""
        return self.offset + LOCAL.size + len(self.name) + len(self.head)

    @property
    def end(self) -> int:
        """Offset of the next record."""
        return self.values_at + self.n_values


def lay_out(manifest_text: bytes, specs: Iterable[ArraySpec]) -> list[Member]:
    """Compute the position of every member of the archive from the manifest alone."""
    members = [Member(MANIFEST_NAME, 0, manifest_text, 0)]
    for spec in specs:
        name, offset = f"arrays/{spec.name}.npy".encode(), members[-1].end
        members.append(Member(name, offset, _npy_header(spec, offset + LOCAL.size + len(name)), spec.n_bytes))
    return members


def _npy_header(spec: ArraySpec, offset: int) -> bytes:
    """Return the header of a .npy file (version 1.0), padded so that the values after it are aligned."""
    text = f"{{'descr': {spec.dtype.str!r}, 'fortran_order': False, 'shape': {spec.shape!r}, }}"
    padding = -(offset + 10 + len(text) + 1) % ALIGNMENT  # 10: magic, version and length; 1: the newline
    body = f"{text}{' ' * padding}\n".encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def file_size(members: list[Member]) -> int:
    """Return the size of the archive in bytes: the members, the central directory, and its end record."""
    return members[-1].end + sum(_CENTRAL.size + len(member.name) for member in members) + _END.size


def pieces(members: list[Member], arrays: Iterable[memoryview]) -> Iterator[bytes | memoryview]:
    """Yield the whole archive in order: records as bytes, the values of arrays as the views passed in."""
    directory = []
    for member, values in zip(members, [memoryview(b""), *arrays], strict=True):
        checksum, size = zlib.crc32(values, zlib.crc32(member.head)), len(member.head) + member.n_values
        fields = (_ZIP_VERSION, 0, 0, 0, _ZIP_DATE, checksum, size, size, len(member.name), 0)
        yield LOCAL.pack(b"PK\3\4", *fields) + member.name + member.head
        yield values
        directory.append(_CENTRAL.pack(b"PK\1\2", _ZIP_VERSION, *fields, 0, 0, 0, 0, member.offset) + member.name)
    records = b"".join(directory)
    yield records + _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(records), members[-1].end, 0)
