"""The archive as a file: written whole or not at all, read only if it is exactly what would have been written."""

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
from classicvision.files import write_whole

__all__ = ["DEFAULT_MAX_BYTES", "FORMAT_VERSION", "Archive", "read_archive", "write_archive"]

FORMAT = "classicvision archive"

FORMAT_VERSION = 1
"""Version of the archive's own layout; what callers put into the manifest is theirs to version.

To raise it: (1) keep ``manifest.json`` the first member, stored, with ``format`` and ``format_version`` among its
keys, so that old releases can name the version that they refuse; (2) write the new layout only, and read this one as
well, from a function of its own; (3) add one tiny file of the new version to ``tests/golden/`` and keep the old ones
for ever; (4) say in the change log which release can no longer read new files.
"""

DEFAULT_MAX_BYTES = 2**30  # of a whole archive; nothing larger is written, so whatever was written can be read

_MAX_MANIFEST_BYTES = 2**22
_NOT_OURS = "not a classicvision archive; give a file that `classicvision fit` wrote"
_DAMAGED = "Copy it again from where it was made, or make it anew."


@dataclass(frozen=True, eq=False)
class Archive:
    """What an archive holds.

    Attributes
    ----------
    manifest : dict
        The caller's values, and ``format``, ``format_version`` and ``arrays`` (dtype, shape and SHA-256 by name).
    arrays : dict of str to array
        Read-only; they share one buffer of the size of the file.
    """

    manifest: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def write_archive(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write an archive under a temporary name in the same folder and rename it at the end, so an earlier file survives.

    Equal content gives equal bytes. A process that is killed outright can leave its temporary file behind.

    Parameters
    ----------
    path : path
    manifest : mapping
        Values that JSON can say, without the keys ``format``, ``format_version`` and ``arrays``.
    arrays : mapping of str to array
        Boolean, integer or floating point, of any shape. Names are lower case, digits, ``_`` and ``/``.

    Raises
    ------
    ArchiveError
        If something cannot be stored; nothing is written then.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    with _naming(path):
        stored = [storable(name, array) for name, array in sorted(arrays.items())]
        members = lay_out(_manifest_text(manifest, stored), [spec for spec, _ in stored])
        if (size := file_size(members)) > DEFAULT_MAX_BYTES or len(stored) > MAX_ARRAYS:
            raise ArchiveError(f"{size:,} bytes in {len(stored)} arrays are too much for one archive; store fewer")
    write_whole(path, pieces(members, [raw_bytes(values) for _, values in stored]), sync=True)


def read_archive(path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> Archive:
    """Read an archive, and accept it only if every byte is as `write_archive` would have written it.

    Memory stays within the size of the file and a small multiple of its manifest, whatever the file claims.

    Raises
    ------
    ArchiveError
        If the file is not an archive, is damaged, or was altered. As `UnsafeArchiveError` if it is larger than
        `max_bytes` or describes more than it holds, as `UnsupportedVersionError` if a later release wrote it.
    OSError
        If there is no such file (`FileNotFoundError`), or it may not be read.
    """
    path = Path(path)
    with _naming(path):
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise ArchiveError(f"a folder or a device, {_NOT_OURS}")
        with path.open("rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size, max_bytes)


def unpack_archive(data: bytes | memoryview) -> Archive:
    """Read an archive from its bytes, as `read_archive` does from a file; an ArchiveError says what is wrong."""
    return _read(io.BytesIO(data), len(data), DEFAULT_MAX_BYTES)


def _read(file: BinaryIO, size: int, max_bytes: int) -> Archive:
    if size > (allowed := min(max_bytes, MAX_BYTES)):
        raise UnsafeArchiveError(f"has {size:,} bytes; {allowed:,} are allowed. See max_bytes of read_archive.")
    text = _read_manifest_text(file)
    manifest = _checked_manifest(text)
    specs = _array_specs(manifest.get("arrays"))
    members = lay_out(text, specs)
    if file_size(members) != size:
        raise UnsafeArchiveError(f"has {size:,} bytes; it describes {file_size(members):,}. {_DAMAGED}")
    file.seek(0)
    return Archive(manifest, _checked_arrays(file.read(size), manifest, specs, members))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Begin the message of every ArchiveError with the file that it is about."""
    try:
        yield
    except ArchiveError as error:
        raise type(error)(f"{path}: {error}") from error


def _manifest_text(manifest: Mapping[str, Any], stored: Iterable[tuple[ArraySpec, NDArray[Any]]]) -> bytes:
    own = {"format": FORMAT, "format_version": FORMAT_VERSION, "arrays": _entries(stored)}
    if taken := own.keys() & manifest.keys():
        raise ArchiveError(f"the manifest may not set {', '.join(sorted(taken))}; the archive itself does")
    text = _canonical({**manifest, **own})
    if len(text) > _MAX_MANIFEST_BYTES:
        raise ArchiveError(
            f"the manifest has {len(text):,} bytes of {_MAX_MANIFEST_BYTES:,}; keep long lists in arrays"
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
    """Return the one text of a manifest, laid out to be read by people."""
    try:
        return json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ArchiveError(f"the manifest holds what JSON cannot say: {error}") from error


def _read_manifest_text(file: BinaryIO) -> bytes:
    record = file.read(LOCAL.size + len(MANIFEST_NAME))
    if len(record) < LOCAL.size or not record.startswith(b"PK\3\4") or not record.endswith(MANIFEST_NAME):
        raise ArchiveError(_NOT_OURS if record else f"empty; {_NOT_OURS}")
    *_, checksum, _, size, _, _ = LOCAL.unpack_from(record)
    if size > _MAX_MANIFEST_BYTES:
        raise UnsafeArchiveError(f"has a manifest of {size:,} bytes; {_MAX_MANIFEST_BYTES:,} are allowed")
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
        raise ArchiveError(f"its manifest is not as it was written. {_DAMAGED}")
    return manifest


def _array_specs(entries: object) -> list[ArraySpec]:
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UnsafeArchiveError(f"its list of arrays is not as it was written. {_DAMAGED}")
    if len(entries) > MAX_ARRAYS:
        raise UnsafeArchiveError(f"lists {len(entries):,} arrays; {MAX_ARRAYS:,} are allowed")
    return [checked_spec(name, entry.get("dtype"), entry.get("shape")) for name, entry in sorted(entries.items())]


def _checked_arrays(
    data: bytes, manifest: Mapping[str, Any], specs: list[ArraySpec], members: list[Member]
) -> dict[str, NDArray[Any]]:
    """Return views of the arrays, once every byte around and within them is accounted for."""
    if len(data) != file_size(members):
        raise ArchiveError("changed while it was read; try again")
    view = memoryview(data)
    arrays = [view_of(spec, view, member.values_at) for spec, member in zip(specs, members[1:], strict=True)]
    if _entries(zip(specs, arrays, strict=True)) != manifest["arrays"]:
        raise ArchiveError(f"an array differs from its SHA-256. {_DAMAGED}")
    offset = 0
    for piece in pieces(members, map(raw_bytes, arrays)):
        # The arrays are these very bytes; all else must be what we would write around them.
        if isinstance(piece, bytes) and data[offset : offset + len(piece)] != piece:
            raise ArchiveError(f"differs at byte {offset:,} or soon after from what was written. {_DAMAGED}")
        offset += len(piece)
    return {spec.name: array for spec, array in zip(specs, arrays, strict=True)}
