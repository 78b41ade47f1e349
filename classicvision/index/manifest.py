"""The manifest of an index: the file that lists which others belong to it. Replacing it is what commits a change.

An index is a folder::

    manifest.json               what belongs to the index now; a checksum of itself
    vocabulary-000001.cvwords   an archive: words, medians, projection
    segment-000002.catalogue    a block: paths, digests, perceptual hashes, sizes and times of a segment's images
    segment-000002.features     one block per image: keypoints and descriptors
    segment-000002.postings     a block: the postings of each word
    removed-000003.ids          a block: IDs of images that are removed but still in a segment
    writer.lock                 held by the one process that writes

Files other than the manifest and the lock are written once and never changed; their numbers are never used twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classicvision import config
from classicvision.errors import ArchiveError, SettingsError, UnsupportedVersionError
from classicvision.files import write_atomically
from classicvision.index.settings import IndexSettings

__all__ = ["FORMAT_VERSION", "MANIFEST_NAME", "FileEntry", "Manifest", "SegmentEntry", "owned_files"]

FORMAT = "classicvision index"

FORMAT_VERSION = 2
"""Version of the layout of the folder. Version 2 added the digest of the pixels and the perceptual hash of each image.

To raise it: (1) keep ``manifest.json`` with ``format`` and ``format_version``, so that old releases can name the
version that they refuse; (2) write the new layout only, and read this one as well, or let the error tell the user to
build the index again; (3) mention it in the change log.
"""

MANIFEST_NAME = "manifest.json"

_MAX_BYTES = 2**26  # of a manifest; a segment takes about 600 and holds up to 16,384 images
_OWN_FILE = re.compile(
    r"(segment-\d{6,}\.(catalogue|features|postings))|vocabulary-\d{6,}\.cvwords|removed-\d{6,}\.ids"
)
_REMEDY = "Build the index again, or restore the folder from a copy."


@dataclass(frozen=True)
class FileEntry:
    """A file of the index: its name, its size, and the CRC-32 of all its bytes."""

    name: str
    n_bytes: int
    crc32: int


@dataclass(frozen=True)
class SegmentEntry:
    """A segment: its three files, and the number of its images, including removed ones."""

    n_images: int
    catalogue: FileEntry
    features: FileEntry
    postings: FileEntry


@dataclass(frozen=True)
class Manifest:
    """The files and settings that make up an index.

    Attributes
    ----------
    settings : IndexSettings
    root : str
        Absolute path of the library; paths of images in it are kept relative to it.
    generation : int
        Increased with every change.
    next_id, next_file : int
        ID of the next image and number of the next file; neither is ever used twice.
    vocabulary : FileEntry
    learned : bool
        Whether the vocabulary was learned from the library rather than taken from another index.
    segments : tuple of SegmentEntry
        In the order of the IDs of their images.
    removed : FileEntry or None
    folders : tuple of str, optional
        Absolute paths of the folders where an update looks for new images; by default the root alone.
    """

    settings: IndexSettings
    root: str
    generation: int
    next_id: int
    next_file: int
    vocabulary: FileEntry
    learned: bool = True
    segments: tuple[SegmentEntry, ...] = ()
    removed: FileEntry | None = None
    folders: tuple[str, ...] | None = None

    @property
    def files(self) -> Iterator[FileEntry]:
        """All files that belong to the index."""
        yield self.vocabulary
        for segment in self.segments:
            yield from (segment.catalogue, segment.features, segment.postings)
        if self.removed is not None:
            yield self.removed

    def after(self, **changes: Any) -> Manifest:
        """Return the manifest of the next generation."""
        return replace(self, generation=self.generation + 1, **changes)

    def write(self, folder: Path) -> None:
        """Make this the state of the index; it is on disk when this returns."""
        data = config.to_dict(self) | {"format": FORMAT, "format_version": FORMAT_VERSION}
        data["sha256"] = _checksum(data)
        write_atomically(folder / MANIFEST_NAME, [json.dumps(data, indent=1).encode() + b"\n"], sync=True)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the state of an index.

        Raises
        ------
        ArchiveError
            If the folder is not an index, or its manifest is damaged or of another version.
        """
        path = folder / MANIFEST_NAME
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArchiveError(
                f"{folder} is not an index; `classicvision index build LIBRARY -o {folder.name}` builds one"
            ) from error
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
        try:
            return _parse(text)
        except UnsupportedVersionError as error:
            raise UnsupportedVersionError(f"{path}: {error}") from error
        except (ValueError, SettingsError, RecursionError) as error:
            raise ArchiveError(f"{path}: {error}. {_REMEDY}") from error


def _parse(text: bytes) -> Manifest:
    data = json.loads(text[:_MAX_BYTES].decode("utf-8"))
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ArchiveError("not the manifest of an index")
    version = data.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        raise UnsupportedVersionError(
            f"written in format version {version}; this release reads up to {FORMAT_VERSION}. Upgrade classicvision."
        )
    if type(version) is int and version < FORMAT_VERSION:
        raise UnsupportedVersionError(
            f"written in format version {version}, without what this release needs of whole images; it reads version "
            f"{FORMAT_VERSION}. Remove the folder and build the index again with `classicvision index build`."
        )
    if version != FORMAT_VERSION or data.pop("sha256", None) != _checksum(data):
        raise ArchiveError("it was changed after it was written: its checksum differs")
    del data["format"], data["format_version"]
    manifest = config.from_dict(Manifest, data)
    for file in manifest.files:
        if not _OWN_FILE.fullmatch(file.name):  # so that no file outside the folder is ever opened
            raise ArchiveError(f"it names a file {file.name!r:.80}, which does not belong in an index")
    return manifest


def _checksum(data: dict[str, Any]) -> str:
    return hashlib.sha256(config.canonical_json(data).encode()).hexdigest()


def owned_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are named like files of an index, whether they belong to it or are stray."""
    return sorted(path for path in folder.iterdir() if _OWN_FILE.fullmatch(path.name) or _is_unfinished(path.name))


def _is_unfinished(name: str) -> bool:
    return name.startswith(".classicvision-") and name.endswith(".tmp")
