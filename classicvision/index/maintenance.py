"""Keeping an index up to date: images are added, replaced when their files change, and removed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from classicvision.cache import FeatureCache
from classicvision.errors import SettingsError
from classicvision.extraction import Failure, extract
from classicvision.features.global_features import GlobalFeatures
from classicvision.files import PathLike
from classicvision.folders import each_path, find_images, images_in, require_images
from classicvision.index.catalogue import absolute
from classicvision.index.changes import IndexChange, file_statuses, is_known
from classicvision.index.growth import relearn_if_grown
from classicvision.index.index import Index
from classicvision.index.writer import BATCH, IndexWriter
from classicvision.progress import EXTRACTING, Progress
from classicvision.workers import count_threads

__all__ = ["add", "remove", "update"]


def add(
    index: PathLike,
    paths: PathLike | Sequence[PathLike],
    *,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> IndexChange:
    """Add images: parameters and errors are those of `workflows.add_to_index`."""
    with IndexWriter(index, n_threads=count_threads(n_jobs)) as writer:
        return _bring_in(writer, images_in(paths), (), cache, n_jobs, progress)


def update(
    index: PathLike,
    library: PathLike | Sequence[PathLike] | None,
    *,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> IndexChange:
    """Bring an index up to date: parameters and errors are those of `workflows.update_index`."""
    with IndexWriter(index, n_threads=count_threads(n_jobs)) as writer:
        files, missing = _compare_with_library(writer.index, library)
        return _bring_in(writer, files, missing, cache, n_jobs, progress)


def remove(index: PathLike, paths: Sequence[PathLike]) -> IndexChange:
    """Remove images: parameters and errors are those of `workflows.remove_from_index`."""
    with IndexWriter(index) as writer:
        chosen = _named_images(writer.index, paths)
        for image_id in chosen:
            writer.remove(image_id)
        writer.commit()
        now = writer.index
        return IndexChange(0, 0, len(chosen), len(now), len(now), len(now.vocabulary), False, ())


def _compare_with_library(index: Index, library: PathLike | Sequence[PathLike] | None) -> tuple[list[Path], list[int]]:
    """Return the files that a library has now, and the IDs of the images of the index that it no longer has.

    Parameters
    ----------
    index : Index
    library : path or paths, optional
        By default the library that the index was built from. Images outside of it are not affected.
    """
    if library is None:
        places, around = index.folders, {index.root}
    else:
        places = tuple(map(absolute, each_path(library)))
        around = set(places)
    inside = [image for image in index if not around.isdisjoint((image.path, *image.path.parents))]
    found = {place: find_images(place) for place in places}
    for place, files_here in found.items():
        if not files_here and any(image.path.is_relative_to(place) for image in inside):
            require_images(files_here, place)  # as when a disk is not mounted
    # Files that were added by name are still there, whatever their ending.
    present = (image.path for image in inside if image.path.is_file())
    files = require_images(find_images([*chain(*found.values()), *present]), places or index.root)
    known = set(files)
    return files, [image.id for image in inside if image.path not in known]


def _named_images(index: Index, paths: Sequence[PathLike]) -> list[int]:
    """Return the IDs of the images at some paths and in some folders; each path must name at least one."""
    given = {absolute(path): path for path in paths}
    chosen: list[int] = []
    found: set[Path] = set()
    for image in index:
        if named := given.keys() & {image.path, *image.path.parents}:
            chosen.append(image.id)
            found |= named
    if unknown := [path for full, path in given.items() if full not in found]:
        raise SettingsError(f"{unknown[0]} is not in the index; nothing was removed")
    return chosen


def _bring_in(
    writer: IndexWriter,
    files: Sequence[Path],
    missing: Sequence[int],
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> IndexChange:
    """Remove the missing images, and add the files that the index does not have, extracting a batch at a time."""
    for image_id in missing:
        writer.remove(image_id)
    before = file_statuses(files)
    changed = [path for path in files if not is_known(writer.index, path, before.get(path))]
    earlier = {path for path in changed if writer.index.with_path(path) is not None}
    failures: list[Failure] = []
    for start in range(0, len(changed), BATCH):
        batch = changed[start : start + BATCH]
        found = extract(batch, writer.index.settings.extractors, cache=cache, n_jobs=n_jobs)
        for row, content, (features, whole) in zip(found.rows.tolist(), found.contents, found.items, strict=True):
            of_whole = GlobalFeatures.from_vector(whole)
            writer.add(batch[row], features, of_whole, content=content, status=before.get(batch[row]))
        failures += found.failures
        if progress is not None:
            progress(EXTRACTING, start + len(batch), len(changed))
    writer.commit()
    failed = {failure.path for failure in failures}
    relearned = relearn_if_grown(writer, n_threads=count_threads(n_jobs))
    now = writer.index
    return IndexChange(
        n_added=len(set(changed) - earlier - failed),
        n_replaced=len(earlier - failed),
        n_removed=len(missing),
        n_unchanged=len(files) - len(changed),
        n_images=len(now),
        n_words=len(now.vocabulary),
        relearned=relearned,
        failures=tuple(failures),
        n_kept=len(earlier & failed),
    )
