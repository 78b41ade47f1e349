"""Archive files: written atomically, and read only if every byte is as `write_archive` would have written it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from classicvision.archive.arrays import MAX_BYTES, ArraySpec, checked_spec, parse_json, raw_bytes, storable, view_of
from classicvision.archive.layout import (
    LOCAL,
    MANIFEST_NAME,
    MAX_ARRAYS,
    Member,
    file_size,
    lay_out,
    pieces,
)
from classicvision.errors import ArchiveError, UnsafeArchiveError, UnsupportedVersionError
from classicvision.files import write_atomically

__all__ = ["DEFAULT_MAX_BYTES", "FORMAT_VERSION", "Archive", "parse_archive", "read_archive", "write_archive"]

FORMAT = "classicvision archive"

FORMAT_VERSION = 1
"""Version of the archive layout; callers version their manifests themselves.

To raise it: (1) keep ``manifest.json`` the first member, uncompressed, with the keys ``format`` and ``format_version``,
so that old releases can name the version they reject; (2) write only the new layout, and keep reading this one in a
separate function; (3) add a tiny file of the new version to ``tests/golden/`` and keep the old ones for ever; (4) state
in the change log which releases cannot read new files.
"""

DEFAULT_MAX_BYTES = 2**30  # of an archive; nothing larger is written, so every archive written can be read

_MAX_MANIFEST_BYTES = 2**22
_NOT_OURS = "not a classicvision archive; pass a file written by `classicvision fit`"
_DAMAGED = "Copy it again from its source, or create it again."


@dataclass(frozen=True, eq=False)
class Archive:
    """The content of an archive.

    Attributes
    ----------
    manifest : dict
        The caller's values, plus ``format``, ``format_version`` and ``arrays`` (dtype, shape and SHA-256 by name).
    arrays : dict of str to array
        Read-only views of one buffer the size of the file.
    """

    manifest: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write_archive(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write an archive atomically: to a temporary file in the same folder that is renamed at the end.

    Equal content gives equal bytes. If writing fails, the previous file is unchanged; only a killed process leaves its
    temporary file.

    Parameters
    ----------
    path : path
    manifest : mapping
        JSON values, without the keys ``format``, ``format_version`` and ``arrays``.
    arrays : mapping of str to array
        Boolean, integer or floating point, of any shape. Names consist of lower-case letters, digits, ``_`` and ``/``.

    Raises
    ------
    ArchiveError
        If a value cannot be stored; nothing is written.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    with _naming(path):
        stored = [storable(name, array) for name, array in sorted(arrays.items())]
        members = lay_out(_manifest_text(manifest, stored), [spec for spec, _ in stored])
        if (size := file_size(members)) > DEFAULT_MAX_BYTES or len(stored) > MAX_ARRAYS:
            limits = f"{DEFAULT_MAX_BYTES:,} bytes and {MAX_ARRAYS:,} arrays"
            raise ArchiveError(f"{size:,} bytes in {len(stored)} arrays are too many; the limits are {limits}")
    write_atomically(path, pieces(members, [raw_bytes(values) for _, values in stored]), sync=True)


def read_archive(path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> Archive:
    """Read an archive; it is rejected unless every byte is as `write_archive` would have written it.

    Memory stays within the size of the file plus a small multiple of its manifest, whatever the file claims.

    Parameters
    ----------
    path : path
    max_bytes : int
        Larger files are rejected before they are read.

    Raises
    ------
    ArchiveError
        If the file is not an archive, is damaged, or was altered. `UnsafeArchiveError` if it is larger than `max_bytes`
        or describes more than it contains, `UnsupportedVersionError` if a later release wrote it.
    OSError
        If the file does not exist (`FileNotFoundError`) or cannot be read.
    """
    path = Path(path)
    with _naming(path):
        if path.exists() and not path.is_file():  # opening a pipe would block for ever
            raise ArchiveError(f"a folder or a device, {_NOT_OURS}")
        with path.open("rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size, max_bytes)


def parse_archive(data: bytes | memoryview, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Archive:
    """Parse an archive from bytes, with the checks of `read_archive`; the arrays are a copy.

    Raises
    ------
    ArchiveError
        As in `read_archive`, without the name of a file.
    """
    return _read(io.BytesIO(data), len(data), max_bytes)


def _read(file: BinaryIO, size: int, max_bytes: int) -> Archive:
    if size > (allowed := min(max_bytes, MAX_BYTES)):
        raise UnsafeArchiveError(f"has {size:,} bytes; the limit is {allowed:,}. Raise max_bytes to read it.")
    text = _read_manifest_text(file)
    manifest = _checked_manifest(text)
    specs = _array_specs(manifest.get("arrays"))
    members = lay_out(text, specs)
    if file_size(members) != size:
        raise UnsafeArchiveError(f"has {size:,} bytes; its manifest describes {file_size(members):,}. {_DAMAGED}")
    file.seek(0)
    return Archive(manifest, _checked_arrays(file.read(size), manifest, specs, members))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Prefix the message of every ArchiveError with the file it is about."""
    try:
        yield
    except ArchiveError as error:
        raise type(error)(f"{path}: {error}") from error


def _manifest_text(manifest: Mapping[str, Any], stored: Iterable[tuple[ArraySpec, NDArray[Any]]]) -> bytes:
    own = {"format": FORMAT, "format_version": FORMAT_VERSION, "arrays": _entries(stored)}
    if taken := own.keys() & manifest.keys():
        raise ArchiveError(f"the manifest has the reserved key(s) {', '.join(sorted(taken))}; rename them")
    text = _canonical({**manifest, **own})
    if len(text) > _MAX_MANIFEST_BYTES:
        raise ArchiveError(
            f"the manifest has {len(text):,} bytes; the limit is {_MAX_MANIFEST_BYTES:,}. Store long lists as arrays"
        )
    return text


def _entries(stored: Iterable[tuple[ArraySpec, NDArray[Any]]]) -> dict[str, Any]:
    return {
        spec.name: {
            "dtype": spec.dtype.str,
            "shape": list(spec.shape),
            "sha256": hashlib.sha256(raw_bytes(values)).hexdigest(),
        }
        for spec, values in stored
    }


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    """Serialise a manifest as canonical JSON, indented for readers."""
    try:
        return json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ArchiveError(f"the manifest contains a value that JSON does not support: {error}") from error


def _read_manifest_text(file: BinaryIO) -> bytes:
    record = file.read(LOCAL.size + len(MANIFEST_NAME))
    if len(record) < LOCAL.size or not record.startswith(b"PK\3\4") or not record.endswith(MANIFEST_NAME):
        raise ArchiveError(_NOT_OURS if record else f"empty; {_NOT_OURS}")
    *_, checksum, _, size, _, _ = LOCAL.unpack_from(record)
    if size > _MAX_MANIFEST_BYTES:
        raise UnsafeArchiveError(f"has a manifest of {size:,} bytes; the limit is {_MAX_MANIFEST_BYTES:,}")
    text = file.read(size)
    if zlib.crc32(text) != checksum:
        raise ArchiveError(f"its manifest is damaged. {_DAMAGED}")
    return text


def _checked_manifest(text: bytes) -> dict[str, Any]:
    manifest = parse_json(text)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArchiveError(_NOT_OURS)
    version = manifest.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        raise UnsupportedVersionError(
            f"written in format version {version}; this release reads up to {FORMAT_VERSION}. Upgrade classicvision."
        )
    if type(version) is not int or version != FORMAT_VERSION or _canonical(manifest) != text:
        raise ArchiveError(f"its manifest was altered or damaged. {_DAMAGED}")
    return manifest


def _array_specs(entries: object) -> list[ArraySpec]:
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UnsafeArchiveError(f"its list of arrays was altered or damaged. {_DAMAGED}")
    if len(entries) > MAX_ARRAYS:
        raise UnsafeArchiveError(f"lists {len(entries):,} arrays; the limit is {MAX_ARRAYS:,}")
    return [checked_spec(name, entry.get("dtype"), entry.get("shape")) for name, entry in sorted(entries.items())]


def _checked_arrays(
    data: bytes, manifest: Mapping[str, Any], specs: list[ArraySpec], members: list[Member]
) -> dict[str, NDArray[Any]]:
    """Return views of the arrays after verifying every byte within and around them."""
    if len(data) != file_size(members):
        raise ArchiveError("changed while it was being read; try again")
    view = memoryview(data)
    arrays = [view_of(spec, view, member.values_at) for spec, member in zip(specs, members[1:], strict=True)]
    if _entries(zip(specs, arrays, strict=True)) != manifest["arrays"]:
        raise ArchiveError(f"an array differs from its SHA-256. {_DAMAGED}")
    offset = 0
    for piece in pieces(members, map(raw_bytes, arrays)):
        # The arrays are views of `data`; everything else must equal what would be written around them.
        if isinstance(piece, bytes) and data[offset : offset + len(piece)] != piece:
            raise ArchiveError(f"was altered or damaged at byte {offset:,} or shortly after. {_DAMAGED}")
        offset += len(piece)
    return {spec.name: array for spec, array in zip(specs, arrays, strict=True)}
