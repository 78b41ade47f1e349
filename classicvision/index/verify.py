"""Verification of an index: every checksum, and whether its files are consistent with each other."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from classicvision.errors import ArchiveError
from classicvision.index.index import Index
from classicvision.index.manifest import FileEntry, Manifest
from classicvision.index.segment import Segment
from classicvision.index.vocabulary_file import read_vocabulary

__all__ = ["Damage", "find_damage"]

_PIECE = 2**24  # bytes read at a time


@dataclass(frozen=True)
class Damage:
    """A file of an index that is not as it was written, and how that shows."""

    path: Path
    reason: str


def find_damage(folder: Path, progress: Callable[[int, int], None] | None = None) -> tuple[Damage, ...]:
    """Read every byte of an index and return the damage found; empty if it is intact.

    Parameters
    ----------
    folder : Path
    progress : callable, optional
        Called after each file with the number of files checked and the number of all files.

    Raises
    ------
    ArchiveError
        If the folder is not an index, or its manifest is damaged, so that its files are unknown.
    """
    manifest = Manifest.read(folder)
    files = list(manifest.files)
    found = []
    for n_done, file in enumerate(files):
        found += [Damage(folder / file.name, reason) for reason in _file_reasons(folder, file)]
        if progress is not None:
            progress(n_done + 1, len(files))
    return tuple(found) or tuple(_contradictions(folder, manifest))


def _file_reasons(folder: Path, file: FileEntry) -> Iterator[str]:
    n_bytes = crc = 0
    try:
        with (folder / file.name).open("rb") as stream:
            while piece := stream.read(_PIECE):
                n_bytes, crc = n_bytes + len(piece), zlib.crc32(piece, crc)
    except FileNotFoundError:
        yield "is missing"
    except OSError as error:
        yield f"cannot be read ({error.strerror})"
    else:
        if n_bytes != file.n_bytes:
            yield f"has {n_bytes:,} bytes, expected {file.n_bytes:,}"
        elif crc != file.crc32:
            yield "differs from its checksum"


def _contradictions(folder: Path, manifest: Manifest) -> Iterator[Damage]:
    """Yield inconsistencies of files that are all as they were written: bugs of the program that wrote them."""
    try:
        n_words = len(read_vocabulary(folder / manifest.vocabulary.name))
        segments = Index.open(folder).segments
    except ArchiveError as error:
        yield Damage(folder, str(error))
        return
    for segment in segments:
        yield from (Damage(folder / segment.entry.postings.name, reason) for reason in _reasons(segment, n_words))


def _reasons(segment: Segment, n_words: int) -> Iterator[str]:
    try:
        catalogue, postings = segment.catalogue, segment.postings
        if reason := postings.problem(len(catalogue)):
            yield reason
        if len(postings.offsets) != n_words + 1:
            yield f"has {len(postings.offsets) - 1} words; the vocabulary has {n_words}"
        if len(postings) != int(catalogue.n_keypoints.sum()):
            yield f"has {len(postings)} postings; the images have {int(catalogue.n_keypoints.sum())} keypoints"
        for row, n_keypoints in enumerate(catalogue.n_keypoints.tolist()):
            if len(segment.features(row)) != n_keypoints:
                yield f"the features of the image with ID {catalogue.ids[row]} are not those of the catalogue"
    except ArchiveError as error:
        yield str(error)
