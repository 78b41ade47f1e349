"""The file of a vocabulary: each index has one, and other indexes can be built with it."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from classicvision.archive import parse_archive, read_archive, write_archive
from classicvision.errors import ArchiveError
from classicvision.files import PathLike
from classicvision.index.manifest import FileEntry, Manifest
from classicvision.index.segment import map_file, naming
from classicvision.index.vocabulary import Vocabulary

__all__ = ["MappedVocabulary", "read_vocabulary", "write_vocabulary"]


@dataclass(frozen=True, eq=False)
class MappedVocabulary:
    """The vocabulary file of an open index, parsed on first use; snapshots of one vocabulary share it."""

    path: Path
    entry: FileEntry
    _content: memoryview

    @classmethod
    def open(cls, folder: Path, entry: FileEntry) -> Self:
        """Map the file of a vocabulary.

        Raises
        ------
        FileNotFoundError
            If it is missing.
        ArchiveError
            If it does not have the size that the manifest gives.
        """
        return cls(folder / entry.name, entry, map_file(folder, entry))

    @cached_property
    def parsed(self) -> Vocabulary:
        """The vocabulary; its checksums are verified."""
        with naming(self.path):
            return Vocabulary.from_arrays(parse_archive(self._content).arrays)


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> FileEntry:
    """Write a vocabulary as a file of an index, and return its entry for the manifest."""
    write_archive(path, {"kind": "vocabulary"}, vocabulary.to_arrays())
    data = path.read_bytes()
    return FileEntry(path.name, len(data), zlib.crc32(data))


def read_vocabulary(path: PathLike) -> Vocabulary:
    """Read a vocabulary from its file, or from an index.

    Raises
    ------
    ArchiveError
        If it is neither, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        path = path / Manifest.read(path).vocabulary.name
    elif not zipfile.is_zipfile(path):
        raise ArchiveError(f"{path} is not a vocabulary; give an index, or the *.cvwords file in one")
    with naming(path):
        return Vocabulary.from_arrays(read_archive(path).arrays)
