"""Indexes: build one from a library of images, keep it up to date, and look after it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.errors import ImageReadError, SettingsError
from classicvision.extraction import Failure, extract
from classicvision.files import PathLike
from classicvision.folders import each_path, find_images, images_in, require_images
from classicvision.images import read_bytes
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.index.settings import IndexSettings
from classicvision.index.verify import Damage, find_damage
from classicvision.index.vocabulary import learn_vocabulary, words_for
from classicvision.index.vocabulary_file import read_vocabulary
from classicvision.index.writer import BATCH, Writer
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = [
    "IndexChange",
    "add_to_index",
    "build_index",
    "index_info",
    "remove_from_index",
    "update_index",
    "verify_index",
]

CHECKING = "files"
RELEARN = 4  # times as many words as it has that a grown index must be entitled to, before it learns them anew


@dataclass(frozen=True, eq=False)
class IndexChange:
    """What a command did to an index.

    Attributes
    ----------
    n_added, n_replaced, n_removed, n_unchanged : int
        Images that are new, that have other content than before, that are gone, and that were in already.
    n_images : int
        In the index now.
    n_words : int
        Of its vocabulary.
    relearned : bool
        Whether the vocabulary was learned anew, since the index has grown.
    failures : tuple of Failure
        Image files that could not be used.
    n_kept : int
        Of the failures, those that the index has still as they were when it read them.
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


def build_index(
    library: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    settings: IndexSettings | None = None,
    vocabulary: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> IndexChange:
    """Make an index of the images of a library.

    Parameters
    ----------
    library : path or paths
        Folders, searched at every depth, and files.
    output : path
        The folder of the index.
    settings : IndexSettings, optional
    vocabulary : path, optional
        Of another index or of its file of words; without it, the words are learned from the library.

    Raises
    ------
    SettingsError
        If there is something in `output`.
    NotEnoughDataError
        If there is no image.
    """
    settings = settings or IndexSettings()
    _require_nothing_in(Path(output))
    files = images_in(library)
    words = None if vocabulary is None else read_vocabulary(vocabulary)
    before = _statuses(files)
    cache = cache or FeatureCache.temporary()
    found = extract(files, settings.extractor, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    if words is None:
        rng = np.random.default_rng(settings.seed)
        items = found.items[_first_of_each(np.array(found.contents))]  # equal files teach no more than one of them
        words = learn_vocabulary(items, settings.n_words, settings.n_samples, rng, n_threads=_count_threads(n_jobs))
    root, folders = _root_of(each_path(library)), filter(os.path.isdir, each_path(library))
    index = Index.create(output, words, settings, root=root, folders=folders, learned=vocabulary is None)
    with Writer(index.folder, n_threads=_count_threads(n_jobs)) as writer:
        for row, content, features in zip(found.rows.tolist(), found.contents, found.items, strict=True):
            writer.add(files[row], features, content=content, status=before.get(files[row]))
    n = len(found.items)
    return IndexChange(n, 0, 0, 0, len(writer.index), len(words), False, found.failures)


def add_to_index(
    index: PathLike,
    paths: PathLike | Sequence[PathLike],
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> IndexChange:
    """Add images to an index; those that are in with the same content are passed over.

    Every 256 images are written together, so a run that is stopped loses little, and goes on when it is started again.
    """
    with Writer(index, n_threads=_count_threads(n_jobs)) as writer:
        return _bring_in(writer, images_in(paths), (), cache, n_jobs, progress)


def update_index(
    index: PathLike,
    library: PathLike | Sequence[PathLike] | None = None,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> IndexChange:
    """Make an index say what a library holds now: new images are added, changed ones replaced, missing ones removed.

    A file whose size and time are as before is not read. Images that lie outside of the library are left alone.

    Parameters
    ----------
    index : path
    library : path or sequence of paths, optional
        Folders, or files; by default what the index was built from.

    Raises
    ------
    NotEnoughDataError
        If the library holds no image, or one of its folders that the index has images of, as when a disk is not
        mounted; nothing is removed then.
    """
    with Writer(index, n_threads=_count_threads(n_jobs)) as writer:
        if library is None:
            places, around = writer.index.folders, {writer.index.root}
        else:
            places = tuple(map(absolute, each_path(library)))
            around = set(places)
        inside = [image for image in writer.index if not around.isdisjoint((image.path, *image.path.parents))]
        found = {place: find_images(place) for place in places}
        for place, here in found.items():
            if not here and any(image.path.is_relative_to(place) for image in inside):
                require_images(here, place)
        # Files that were added by name are there still, whatever their ending.
        there = (image.path for image in inside if image.path.is_file())
        files = require_images(find_images([*chain(*found.values()), *there]), places or writer.index.root)
        present = set(files)
        missing = [image.id for image in inside if image.path not in present]
        return _bring_in(writer, files, missing, cache, n_jobs, progress)


def remove_from_index(index: PathLike, paths: Sequence[PathLike]) -> IndexChange:
    """Remove images from an index, named by their paths or by folders; the files themselves are not touched.

    Raises
    ------
    SettingsError
        If a path names no image of the index; nothing is removed then.
    """
    with Writer(index) as writer:
        asked = {absolute(path): path for path in paths}
        chosen: list[int] = []
        met: set[Path] = set()
        for image in writer.index:
            if named := asked.keys() & {image.path, *image.path.parents}:
                chosen.append(image.id)
                met |= named
        if strange := [path for whole, path in asked.items() if whole not in met]:
            raise SettingsError(f"{strange[0]} is no image of the index, and no folder with one; nothing was removed")
        for number in chosen:
            writer.remove(number)
        writer.commit()
        now = writer.index
        return IndexChange(0, 0, len(chosen), len(now), len(now), len(now.vocabulary), False, ())


def index_info(index: PathLike) -> dict[str, Any]:
    """Return what there is to say about an index."""
    return Index.open(index).info()


def verify_index(index: PathLike, *, progress: Progress | None = None) -> tuple[Damage, ...]:
    """Read every byte of an index and return what is damaged; empty if it is sound."""
    return find_damage(Path(index).absolute(), stage(progress, CHECKING))


def _bring_in(
    writer: Writer,
    files: Sequence[Path],
    missing: Sequence[int],
    cache: FeatureCache | None,
    n_jobs: int,
    progress: Progress | None,
) -> IndexChange:
    """Remove the missing images, and add those of the files that the index has not, a batch at a time."""
    for number in missing:
        writer.remove(number)
    before = _statuses(files)
    changed = [path for path in files if not _is_known(writer.index, path, before.get(path))]
    n_added = n_replaced = n_done = 0
    failures: list[Failure] = []
    for start in range(0, len(changed), BATCH):
        batch = changed[start : start + BATCH]
        found = extract(batch, writer.index.settings.extractor, cache=cache, n_jobs=n_jobs)
        for row, content, features in zip(found.rows.tolist(), found.contents, found.items, strict=True):
            is_new = writer.index.with_path(batch[row]) is None
            n_added, n_replaced = n_added + is_new, n_replaced + (not is_new)
            writer.add(batch[row], features, content=content, status=before.get(batch[row]))
        writer.commit()
        failures += found.failures
        n_done += len(batch)
        if progress is not None:
            progress(EXTRACTING, n_done, len(changed))
    writer.commit()
    relearned = _relearn(writer, n_jobs)
    now = writer.index
    n_unchanged = len(files) - len(changed)
    words = len(now.vocabulary)
    n_kept = sum(now.with_path(failure.path) is not None for failure in failures)
    return IndexChange(
        n_added, n_replaced, len(missing), n_unchanged, len(now), words, relearned, tuple(failures), n_kept
    )


def _is_known(index: Index, path: Path, status: os.stat_result | None) -> bool:
    """Tell whether an index has the image at a path with the content that it has now."""
    number = index.with_path(path)
    if number is None or status is None:
        return False
    image = index.image(number)
    if (image.n_bytes, image.mtime_ns) == (status.st_size, status.st_mtime_ns):
        return True
    if image.n_bytes != status.st_size:
        return False
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest() == image.content
    except ImageReadError:  # extraction says why
        return False


def _relearn(writer: Writer, n_jobs: int) -> bool:
    """Learn the words anew if the index has grown far beyond the images that they were learned from."""
    index, settings = writer.index, writer.index.settings
    columns = [np.zeros(0, np.int32), *(segment.catalogue.n_keypoints for segment in index.segments)]
    n_keypoints = np.concatenate(columns)[np.isin(index.all_ids, index.ids)]
    different = _first_of_each(index.contents)
    entitled = words_for(min(int(n_keypoints[different].sum()), settings.n_samples), settings.n_words)
    if not index.manifest.learned or entitled < RELEARN * len(index.vocabulary):
        return False
    items = (index.features(number) for number in index.ids[different].tolist())
    rng, n_threads = np.random.default_rng(settings.seed), _count_threads(n_jobs)
    writer.relearn(learn_vocabulary(items, settings.n_words, settings.n_samples, rng, n_threads=n_threads))
    return True


def _first_of_each(contents: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rows of the images that have no equal before them."""
    return np.sort(np.unique(contents, return_index=True)[1])


def _statuses(files: Sequence[Path]) -> Mapping[Path, os.stat_result]:
    """Return size and time of each file that is there, as they are before it is read."""

    def looked_at() -> Iterator[tuple[Path, os.stat_result]]:
        for path in files:
            try:
                yield path, path.stat()
            except OSError:  # extraction says why
                continue

    return dict(looked_at())


def _root_of(paths: Sequence[PathLike]) -> Path:
    """Return the folder that the images of a library lie in."""
    folders = [path if path.is_dir() else path.parent for path in map(absolute, paths)]
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # on different drives
        return folders[0]


def _require_nothing_in(output: Path) -> None:
    if Index.is_index(output):
        raise SettingsError(
            f"{output} is an index already. `classicvision index update {output}` brings it up to date and goes on "
            "where a build was stopped; for a new one choose another name or remove the folder."
        )
    if output.exists() and not output.is_dir():
        raise SettingsError(f"{output} is a file, and an index is a folder; choose another name")


def _count_threads(n_jobs: int) -> int:
    return (os.cpu_count() or 1) if n_jobs < 0 else max(n_jobs, 1)
