"""The one process that changes an index: adds and removes images, and puts small segments together.

A change is acknowledged when `commit` returns: then the disk has a manifest that names it. Whatever kills the process
before, or in the middle, leaves the manifest of the last commit and stray files, which the next writer removes.

No reader can need a stray file: a reader maps all files when it opens the index, and what is mapped stays readable
after the file is removed; one that comes between a manifest and its files starts again with the new manifest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from classicvision.archive import pack_arrays
from classicvision.features.local import LocalFeatures
from classicvision.files import PathLike
from classicvision.images import read_bytes
from classicvision.index.catalogue import IndexedImage, absolute, kept_path
from classicvision.index.index import Index
from classicvision.index.lock import only_writer
from classicvision.index.manifest import FileEntry, Manifest, SegmentEntry, owned_files
from classicvision.index.segment import (
    NewImage,
    Segment,
    merge_segments,
    requantize_segment,
    write_file,
    write_segment,
)
from classicvision.index.vocabulary import Vocabulary
from classicvision.index.vocabulary_file import write_vocabulary

__all__ = ["BATCH", "MOST_MERGED", "Writer"]

BATCH = 256  # images that are written together when no commit comes before
MOST_MERGED = 16_384  # images of a segment that others were put into


class Writer:
    """Changes an index; a context manager that holds the lock and commits at its end, unless an error ends it.

    Parameters
    ----------
    folder : path
        Of the index.
    n_threads : int
        That look for the words of descriptors.

    Raises
    ------
    IndexInUseError
        On entering, if another process writes to the index.
    """

    def __init__(self, folder: PathLike, *, n_threads: int = 1) -> None:
        self._folder = Path(folder).absolute()
        self._n_threads = n_threads
        self._stack = ExitStack()
        self._pending: list[NewImage] = []
        self._newly_removed: set[int] = set()

    def __enter__(self) -> Self:
        Manifest.read(self._folder)  # no lock file in a folder that is no index
        with ExitStack() as stack:
            stack.enter_context(only_writer(self._folder))
            self._index = Index.open(self._folder)
            self._sweep()
            self._next_id = self._index.manifest.next_id
            self._id_of_name = dict(self._index._id_of_name)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._stack:
            if error is None:
                self.commit()

    @property
    def index(self) -> Index:
        """The state of the last commit."""
        return self._index

    def add(
        self,
        path: PathLike,
        features: LocalFeatures,
        *,
        content: str | None = None,
        status: os.stat_result | None = None,
    ) -> int:
        """Add an image, in place of the one at the same path if there is one, and return its number.

        Every 256 images are committed.

        Parameters
        ----------
        path : path
        features : LocalFeatures
            By the extractor of the index.
        content : str, optional
            SHA-256 of the file; without it, the file is read.
        status : os.stat_result, optional
            Of the file when it was read; without it, the file is looked at.
        """
        path = absolute(path)
        status = path.stat() if status is None else status
        content = hashlib.sha256(read_bytes(path)).hexdigest() if content is None else content
        name = kept_path(path, self._index.manifest.root)
        if (earlier := self._id_of_name.get(name)) is not None:
            self.remove(earlier)
        number, self._next_id = self._next_id, self._next_id + 1
        image = IndexedImage(
            number, path, content, features.image_size, len(features), status.st_size, status.st_mtime_ns
        )
        self._pending.append(NewImage(image, features))
        self._id_of_name[name] = number
        if len(self._pending) >= BATCH:
            self.commit()
        return number

    def remove(self, number: int) -> None:
        """Remove an image by its number; a KeyError if there is none. The file of the image is not touched."""
        for at, new in enumerate(self._pending):
            if new.image.id == number:
                path = self._pending.pop(at).image.path
                break
        else:
            if number in self._newly_removed:
                raise KeyError(f"image number {number} is already removed")
            path = self._index.path(number)
            self._newly_removed.add(number)
        self._id_of_name.pop(kept_path(path, self._index.manifest.root), None)

    def commit(self) -> None:
        """Write what was added and removed; when this returns, the disk has it."""
        if not self._pending and not self._newly_removed:
            return
        manifest, number = self._index.manifest, self._index.manifest.next_file
        segments = manifest.segments
        if self._pending:
            vocabulary = self._index.vocabulary
            entry = write_segment(
                self._folder, number, self._pending, vocabulary, manifest.root, n_threads=self._n_threads
            )
            segments, number = (*segments, entry), number + 1
        removed = np.union1d(self._index.removed, np.array(sorted(self._newly_removed), np.int64))
        self._replace(segments, removed, number)
        self._pending, self._newly_removed = [], set()
        self._tidy()

    def relearn(self, vocabulary: Vocabulary) -> None:
        """Give the index another vocabulary: all postings are made anew, from the features that it has."""
        self.commit()
        manifest, number = self._index.manifest, self._index.manifest.next_file
        entry = write_vocabulary(self._folder / f"vocabulary-{number:06}.cvwords", vocabulary)
        segments = []
        for segment in self._index.segments:
            number += 1
            arguments = self._folder, number, segment, self._index.removed, vocabulary, manifest.root
            segments.append(requantize_segment(*arguments, n_threads=self._n_threads))
        self._replace(tuple(filter(None, segments)), np.zeros(0, np.int64), number + 1, vocabulary=entry)

    def _replace(
        self,
        segments: tuple[SegmentEntry, ...],
        removed: NDArray[np.int64],
        next_file: int,
        *,
        vocabulary: FileEntry | None = None,
    ) -> None:
        """Write and open the next state of the index, and remove the files that are in it no longer."""
        entry = None
        if len(removed):
            entry = write_file(self._folder / f"removed-{next_file:06}.ids", [pack_arrays({"ids": removed})])
            next_file += 1
        manifest = self._index.manifest.after(
            segments=segments,
            removed=entry,
            next_id=self._next_id,
            next_file=next_file,
            vocabulary=vocabulary or self._index.manifest.vocabulary,
        )
        manifest.write(self._folder)
        known = None if vocabulary else self._index.__dict__.get("vocabulary")
        self._index = Index.open(self._folder)
        if known is not None:
            self._index.__dict__["vocabulary"] = known  # it has not changed, and takes a while to read
        self._sweep()

    def _sweep(self) -> None:
        """Remove what earlier states and stopped writers left; this process alone writes here."""
        current = {file.name for file in self._index.manifest.files}
        for path in owned_files(self._folder):
            if path.name not in current:
                with suppress(OSError):  # Windows keeps a file that a reader has mapped; the next writer tries again
                    path.unlink()

    def _tidy(self) -> None:
        """Put small segments together, and write anew those that are mostly removed."""
        while (run := _to_merge(self._index.segments, self._index.removed)) is not None:
            parts = self._index.segments[run]
            manifest, removed = self._index.manifest, self._index.removed
            merged = merge_segments(self._folder, manifest.next_file, parts, removed, manifest.root)
            segments = list(manifest.segments)
            segments[run] = [] if merged is None else [merged]
            gone = np.concatenate([part.catalogue.ids for part in parts])
            self._replace(tuple(segments), np.setdiff1d(removed, gone), manifest.next_file + 1)


def _to_merge(segments: Sequence[Segment], removed: NDArray[np.int64]) -> slice | None:
    """Return which neighbours should become one segment, or None.

    As in a log-structured merge tree (O'Neil et al. 1996), eight of about one size become one of the next size, and at
    last four large ones one of at most 16,384 images. So each image is written a few times at most, and there are few
    segments.
    """
    for at, segment in enumerate(segments):
        n_removed = np.isin(segment.catalogue.ids, removed).sum() if len(removed) else 0
        if 2 * n_removed > segment.entry.n_images:
            return slice(at, at + 1)
    sizes = [segment.entry.n_images for segment in reversed(segments)]
    for least, largest, n_merged in _STEPS:
        run = next((n for n, size in enumerate(sizes) if not least <= size <= largest), len(sizes))
        if run >= n_merged:
            return slice(len(segments) - n_merged, len(segments))
    return None


# Images in a segment, at least and at most, and how many such neighbours become one.
_STEPS = ((0, 8, 8), (0, 64, 8), (0, 512, 8), (0, MOST_MERGED // 8, 8), (MOST_MERGED // 8, MOST_MERGED // 4, 4))
