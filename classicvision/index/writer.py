"""The one process that changes an index: it adds and removes images, and merges small segments.

A change is durable when `commit` returns: then the manifest on disk names it. A process that is killed before that
leaves the manifest of the last commit and stray files, which the next writer removes.

Readers never need a stray file: a reader maps all files when it opens the index, and a mapped file stays readable after
it is removed; a reader that finds a file removed between manifest and mapping reads the manifest again.
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
from classicvision.features.global_features import GlobalFeatures
from classicvision.features.local import LocalFeatures
from classicvision.files import PathLike
from classicvision.images import read_bytes
from classicvision.index.catalogue import IndexedImage, absolute, stored_path
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

__all__ = ["BATCH", "MOST_MERGED", "IndexWriter"]

BATCH = 256  # images after which `add` commits
MOST_MERGED = 16_384  # images in a merged segment, at most


class IndexWriter:
    """Changes an index; a context manager that holds the lock and commits at its end, unless an error ends it.

    Parameters
    ----------
    index : Index or path
        An open index or its folder. The writer changes the newest state, whatever the snapshot; to see the changes,
        `Index.reopen` it.
    n_threads : int
        Threads that quantize descriptors. More are faster; the result is the same.

    Raises
    ------
    IndexInUseError
        On entering, if another process writes to the index.
    """

    def __init__(self, index: Index | PathLike, *, n_threads: int = 1) -> None:
        self._given = index if isinstance(index, Index) else None
        self._folder = index.folder if isinstance(index, Index) else Path(index).absolute()
        self._n_threads = n_threads
        self._stack = ExitStack()
        self._pending: list[NewImage] = []
        self._newly_removed: set[int] = set()

    def __enter__(self) -> Self:
        Manifest.read(self._folder)  # so that a folder that is not an index gets no lock file
        with ExitStack() as stack:
            stack.enter_context(only_writer(self._folder))
            self._index = self._given.reopen() if self._given else Index.open(self._folder)
            self._sweep()
            self._next_id = self._index.manifest.next_id
            self._id_of_stored_path = dict(self._index.id_of_stored_path)
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
        whole: GlobalFeatures,
        *,
        content: str | None = None,
        status: os.stat_result | None = None,
    ) -> int:
        """Add an image, replacing the one at the same path if there is one, and return its ID.

        Every 256 added images are committed, so an interrupted run loses few.

        Parameters
        ----------
        path : path
        features : LocalFeatures
            By the extractor of the index.
        whole : GlobalFeatures
            Of the same image.
        content : str, optional
            SHA-256 of the file; by default it is computed from the file.
        status : os.stat_result, optional
            Of the file before it was read; by default its present status.
        """
        path = absolute(path)
        status = path.stat() if status is None else status
        content = hashlib.sha256(read_bytes(path)).hexdigest() if content is None else content
        stored = stored_path(path, self._index.manifest.root)
        if (earlier := self._id_of_stored_path.get(stored)) is not None:
            self.remove(earlier)
        image_id, self._next_id = self._next_id, self._next_id + 1
        image = IndexedImage(
            image_id, path, content, whole, features.image_size, len(features), status.st_size, status.st_mtime_ns
        )
        self._pending.append(NewImage(image, features))
        self._id_of_stored_path[stored] = image_id
        if len(self._pending) >= BATCH:
            self.commit()
        return image_id

    def remove(self, image_id: int) -> None:
        """Remove an image from the index, but not its file; a KeyError if the index has no such image."""
        for at, new in enumerate(self._pending):
            if new.image.id == image_id:
                path = self._pending.pop(at).image.path
                break
        else:
            if image_id in self._newly_removed:
                raise KeyError(f"the image with ID {image_id} is already removed")
            path = self._index.path(image_id)
            self._newly_removed.add(image_id)
        self._id_of_stored_path.pop(stored_path(path, self._index.manifest.root), None)

    def commit(self) -> None:
        """Write all additions and removals; they are on disk when this returns."""
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
        self._merge()

    def relearn(self, vocabulary: Vocabulary) -> None:
        """Give the index another vocabulary: all postings are computed again from the stored features."""
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
        """Write and open the next state of the index, and remove the files that it no longer needs."""
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
        self._index = self._index.reopen()
        self._sweep()

    def _sweep(self) -> None:
        """Remove the files of earlier states and interrupted writers; nobody else writes here now."""
        current = {file.name for file in self._index.manifest.files}
        for path in owned_files(self._folder):
            if path.name not in current:
                with suppress(OSError):  # Windows keeps a file that a reader has mapped; the next writer tries again
                    path.unlink()

    def _merge(self) -> None:
        """Merge small segments, and rewrite segments of which most images are removed."""
        while (run := _to_merge(self._index.segments, self._index.removed)) is not None:
            parts = self._index.segments[run]
            manifest, removed = self._index.manifest, self._index.removed
            merged = merge_segments(self._folder, manifest.next_file, parts, removed, manifest.root)
            segments = list(manifest.segments)
            segments[run] = [] if merged is None else [merged]
            gone = np.concatenate([part.catalogue.ids for part in parts])
            self._replace(tuple(segments), np.setdiff1d(removed, gone), manifest.next_file + 1)


def _to_merge(segments: Sequence[Segment], removed: NDArray[np.int64]) -> slice | None:
    """Return which neighbouring segments should become one, or None.

    A segment is rewritten if more than half of its images are removed. The last eight become one if each has at most
    2,048 images; the last four, if each has from 2,048 to 4,096. So there are few segments of at most 16,384 images,
    and an image that was committed with 255 others is written at most four times.
    """
    for at, segment in enumerate(segments):
        n_removed = np.isin(segment.catalogue.ids, removed).sum() if len(removed) else 0
        if 2 * n_removed > segment.entry.n_images:
            return slice(at, at + 1)
    sizes = [segment.entry.n_images for segment in segments]
    for n_merged, least, largest in _STEPS:
        if len(sizes) >= n_merged and all(least <= size <= largest for size in sizes[-n_merged:]):
            return slice(len(sizes) - n_merged, len(sizes))
    return None


# How many segments become one, and the fewest and most images that each of them has.
_STEPS = ((8, 0, MOST_MERGED // 8), (4, MOST_MERGED // 8, MOST_MERGED // 4))
