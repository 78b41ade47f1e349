"""The file of a vocabulary: one of each index, that other indexes can be made with."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from classicvision.archive import read_archive, write_archive
from classicvision.errors import ArchiveError
from classicvision.files import PathLike
from classicvision.index.manifest import FileEntry, Manifest
from classicvision.index.segment import naming
from classicvision.index.vocabulary import Vocabulary

__all__ = ["read_vocabulary", "write_vocabulary"]


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> FileEntry:
    """Write a vocabulary as a file of an index."""
    write_archive(path, {"kind": "vocabulary"}, vocabulary.to_arrays())
    data = path.read_bytes()
    return FileEntry(path.name, len(data), zlib.crc32(data))


def read_vocabulary(path: PathLike) -> Vocabulary:
    """Read a vocabulary from its file, or from the index that has it.

    Raises
    ------
    ArchiveError
        If it is neither, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        path = path / Manifest.read(path).vocabulary.name
    elif not zipfile.is_zipfile(path):
        raise ArchiveError(f"{path} is no vocabulary; give an index, or the file *.cvwords in one")
    with naming(path):
        return Vocabulary.from_arrays(read_archive(path).arrays)
