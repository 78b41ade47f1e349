"""A segment: some images of an index with their features and postings, written once and mapped for reading."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from classicvision.archive import pack_arrays, unpack_arrays
from classicvision.errors import ArchiveError
from classicvision.features.local import LocalFeatures
from classicvision.files import write_atomically
from classicvision.index.catalogue import Catalogue, IndexedImage
from classicvision.index.manifest import FileEntry, SegmentEntry
from classicvision.index.packed_features import pack_features, unpack_features
from classicvision.index.postings import Postings
from classicvision.index.vocabulary import Vocabulary

__all__ = [
    "NewImage",
    "Segment",
    "merge_segments",
    "naming",
    "read_removed",
    "requantize_segment",
    "write_columns",
    "write_file",
    "write_segment",
]

_REMEDY = "Build the index again, or restore it from a copy."
N_AT_ONCE = 256  # images whose descriptors are in memory while they are quantized


@dataclass(frozen=True, eq=False)
class NewImage:
    """An image to write, and its features."""

    image: IndexedImage
    features: LocalFeatures


@dataclass(frozen=True, eq=False)
class Segment:
    """A segment that is open for reading. It stays readable after its files are removed."""

    folder: Path
    entry: SegmentEntry
    _catalogue_file: memoryview
    _features_file: memoryview
    _postings_file: memoryview

    @classmethod
    def open(cls, folder: Path, entry: SegmentEntry) -> Self:
        """Map the files of a segment.

        Raises
        ------
        FileNotFoundError
            If one is missing, as after a merge.
        ArchiveError
            If one does not have the size that the manifest gives.
        """
        files = (entry.catalogue, entry.features, entry.postings)
        return cls(folder, entry, *(map_file(folder, file) for file in files))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The images; its checksum is verified."""
        with naming(self.folder / self.entry.catalogue.name):
            catalogue = Catalogue.from_arrays(unpack_arrays(self._catalogue_file))
            n_bytes = int(catalogue.block_ends[-1]) if len(catalogue) else 0
            if len(catalogue) != self.entry.n_images or n_bytes != len(self._features_file):
                raise ValueError("its numbers of images and bytes are not those of the segment")
        return catalogue

    @cached_property
    def postings(self) -> Postings:
        """The postings; mapped, so their checksum is not verified."""
        with naming(self.folder / self.entry.postings.name):
            return Postings.from_arrays(unpack_arrays(self._postings_file, checked=False))

    def checked_postings(self) -> Postings:
        """Return the postings after verifying them, as is due before they are written to another segment."""
        with naming(self.folder / self.entry.postings.name):
            postings = Postings.from_arrays(unpack_arrays(self._postings_file))
            if problem := postings.problem(len(self.catalogue)):
                raise ValueError(problem)
        return postings

    def features(self, row: int) -> LocalFeatures:
        """Return the features of one image; their checksum is verified."""
        with naming(self.folder / self.entry.features.name):
            return unpack_features(unpack_arrays(self.block(row)))

    def block(self, row: int) -> memoryview:
        """Return the bytes of the features of one image."""
        return self._features_file[self.catalogue.block(row)]


def write_segment(
    folder: Path, number: int, images: Sequence[NewImage], vocabulary: Vocabulary, root: str, *, n_threads: int = 1
) -> SegmentEntry:
    """Write the files of a segment; they belong to the index once a manifest names them."""
    blocks = [pack_arrays(pack_features(new.features)) for new in images]
    catalogue = Catalogue.of([new.image for new in images], [len(block) for block in blocks], root)
    postings = Postings.of([new.features for new in images], vocabulary, n_threads=n_threads)
    return write_columns(folder, number, catalogue, blocks, postings)


def merge_segments(
    folder: Path, number: int, parts: Sequence[Segment], removed: NDArray[np.int64], root: str
) -> SegmentEntry | None:
    """Write one segment in place of several, without the removed images; None if no image remains."""
    kept = [np.flatnonzero(~np.isin(part.catalogue.ids, removed)) for part in parts]
    new_rows, n_images = [], 0
    for part, rows in zip(parts, kept, strict=True):
        new_rows.append(np.full(len(part.catalogue), -1, np.int64))
        new_rows[-1][rows] = n_images + np.arange(len(rows))
        n_images += len(rows)
    if not n_images:
        return None
    images = [part.catalogue.image(row, root) for part, rows in zip(parts, kept, strict=True) for row in rows.tolist()]
    sizes = [len(part.block(row)) for part, rows in zip(parts, kept, strict=True) for row in rows.tolist()]
    blocks = (part.block(row) for part, rows in zip(parts, kept, strict=True) for row in rows.tolist())
    postings = Postings.merged([part.checked_postings() for part in parts], new_rows)
    return write_columns(folder, number, Catalogue.of(images, sizes, root), blocks, postings)


def requantize_segment(
    folder: Path,
    number: int,
    segment: Segment,
    removed: NDArray[np.int64],
    vocabulary: Vocabulary,
    root: str,
    *,
    n_threads: int = 1,
) -> SegmentEntry | None:
    """Write a segment again with another vocabulary and without the removed images; None if no image remains."""
    rows = np.flatnonzero(~np.isin(segment.catalogue.ids, removed)).tolist()
    if not rows:
        return None
    postings, places = [], []
    for start in range(0, len(rows), N_AT_ONCE):
        some = rows[start : start + N_AT_ONCE]
        postings.append(Postings.of([segment.features(row) for row in some], vocabulary, n_threads=n_threads))
        places.append(np.arange(start, start + len(some)))
    images = [segment.catalogue.image(row, root) for row in rows]
    sizes = [len(segment.block(row)) for row in rows]
    blocks = map(segment.block, rows)
    return write_columns(folder, number, Catalogue.of(images, sizes, root), blocks, Postings.merged(postings, places))


def write_file(path: Path, pieces: Iterable[bytes | memoryview]) -> FileEntry:
    """Write a file of the index, wait until it is on disk, and return its entry for the manifest."""
    n_bytes = crc = 0

    def counted() -> Iterator[bytes | memoryview]:
        nonlocal n_bytes, crc
        for piece in pieces:
            n_bytes, crc = n_bytes + len(piece), zlib.crc32(piece, crc)
            yield piece

    write_atomically(path, counted(), sync=True)
    return FileEntry(path.name, n_bytes, crc)


def read_removed(folder: Path, entry: FileEntry | None) -> NDArray[np.int64]:
    """Return the IDs of removed images, ascending, from the file that lists them, if there is one."""
    if entry is None:
        return np.zeros(0, np.int64)
    with naming(folder / entry.name):
        removed = unpack_arrays(map_file(folder, entry)).get("ids")
        if removed is None or removed.dtype != np.int64 or removed.ndim != 1:
            raise ValueError("it is not a list of IDs")
    return removed


def map_file(folder: Path, entry: FileEntry) -> memoryview:
    """Map a file of the index into memory; an ArchiveError if it does not have the size that the manifest gives."""
    with (folder / entry.name).open("rb") as file:
        size = file.seek(0, 2)
        if size != entry.n_bytes:
            raise ArchiveError(f"{folder / entry.name} has {size:,} bytes, expected {entry.n_bytes:,}. {_REMEDY}")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn errors about the content of a file into an ArchiveError that names it."""
    try:
        yield
    except (ArchiveError, ValueError) as error:
        reason = str(error).removesuffix(" Create it again.").rstrip(".")
        raise ArchiveError(f"{path} is damaged: {reason}. {_REMEDY}") from error


def write_columns(
    folder: Path, number: int, catalogue: Catalogue, blocks: Iterable[bytes | memoryview], postings: Postings
) -> SegmentEntry:
    """Write the three files of a segment: its catalogue, one block of features per image, and its postings."""
    stem = f"segment-{number:06}"
    return SegmentEntry(
        n_images=len(catalogue),
        catalogue=write_file(folder / f"{stem}.catalogue", [pack_arrays(catalogue.to_arrays())]),
        features=write_file(folder / f"{stem}.features", blocks),
        postings=write_file(folder / f"{stem}.postings", [pack_arrays(postings.to_arrays())]),
    )
