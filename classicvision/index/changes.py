"""What a command changed in an index, and how it recognises files that the index already has."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from classicvision.errors import ImageReadError
from classicvision.extraction import Failure
from classicvision.images import read_bytes
from classicvision.index.index import Index

__all__ = ["IndexChange", "file_statuses", "is_known"]


@dataclass(frozen=True, eq=False)
class IndexChange:
    """What a command did to an index.

    Attributes
    ----------
    n_added, n_replaced, n_removed, n_unchanged : int
        Images that are new, whose content is new, that are no longer in the index, and that were already in it.
    n_images : int
        Images in the index now.
    n_words : int
        Words of its vocabulary.
    relearned : bool
        Whether the vocabulary was learned again because the index has grown.
    failures : tuple of Failure
        Image files that could not be read.
    n_kept : int
        Failures whose earlier version is still in the index.
    """

    n_added: int
    n_replaced: int
    n_removed: int
    n_unchanged: int
    n_images: int
    n_words: int
    relearned: bool
    failures: tuple[Failure, ...]
    n_kept: int = 0


def file_statuses(files: Sequence[Path]) -> Mapping[Path, os.stat_result]:
    """Return size and time of each file that exists.

    Taken before the files are read: one that changes while it is read then has another time at the next update.
    """

    def found() -> Iterator[tuple[Path, os.stat_result]]:
        for path in files:
            try:
                yield path, path.stat()
            except OSError:  # extraction reports it
                continue

    return dict(found())


def is_known(index: Index, path: Path, status: os.stat_result | None) -> bool:
    """Tell whether an index has the image at a path with its present content.

    A file of the same size and time counts as unchanged without being read; one of the same size and another time is
    read and compared by its hash.
    """
    image_id = index.with_path(path)
    if image_id is None or status is None:
        return False
    image = index.image(image_id)
    if image.n_bytes != status.st_size:
        return False
    if image.mtime_ns == status.st_mtime_ns:
        return True
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest() == image.content
    except ImageReadError:  # extraction reports it
        return False
