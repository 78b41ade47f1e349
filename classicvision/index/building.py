"""Building an index of a library of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from classicvision.cache import FeatureCache
from classicvision.errors import SettingsError
from classicvision.extraction import extract
from classicvision.features.global_features import GlobalFeatures
from classicvision.files import PathLike
from classicvision.folders import each_path, images_in
from classicvision.index.catalogue import absolute
from classicvision.index.changes import IndexChange, file_statuses
from classicvision.index.growth import learn_from
from classicvision.index.index import Index
from classicvision.index.settings import IndexSettings
from classicvision.index.vocabulary_file import read_vocabulary
from classicvision.index.writer import IndexWriter
from classicvision.items import parts_of
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.workers import count_threads

__all__ = ["build"]


def build(
    library: PathLike | Sequence[PathLike],
    output: Path,
    settings: IndexSettings,
    vocabulary: PathLike | None,
    *,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> IndexChange:
    """Build an index: parameters and errors are those of `workflows.build_index`.

    Features pass through the cache: words are learned from all of them before the first is quantized, and they need
    not fit into memory.
    """
    _require_new(output)
    files = images_in(library)
    words = None if vocabulary is None else read_vocabulary(vocabulary)
    before = file_statuses(files)
    found = extract(files, settings.extractors, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    if words is None:
        words = learn_from(parts_of(found.items)[0], found.contents, settings, n_threads=count_threads(n_jobs))
    root, folders = _common_folder(each_path(library)), filter(os.path.isdir, each_path(library))
    index = Index.create(output, words, settings, root=root, folders=folders, learned=vocabulary is None)
    with IndexWriter(index, n_threads=count_threads(n_jobs)) as writer:
        for row, content, (features, whole) in zip(found.rows.tolist(), found.contents, found.items, strict=True):
            of_whole = GlobalFeatures.from_vector(whole)
            writer.add(files[row], features, of_whole, content=content, status=before.get(files[row]))
    n = len(found.items)
    return IndexChange(n, 0, 0, 0, len(writer.index), len(words), False, found.failures)


def _require_new(output: Path) -> None:
    if Index.is_index(output):
        raise SettingsError(
            f"{output} is already an index. `classicvision index update {output}` brings it up to date and resumes an "
            "interrupted build; for a new index choose another name or remove the folder."
        )
    if output.exists() and not output.is_dir():
        raise SettingsError(f"{output} is a file, but an index is a folder; choose another name")


def _common_folder(paths: Sequence[PathLike]) -> Path:
    """Return the folder that contains all images of a library."""
    folders = [path if path.is_dir() else path.parent for path in map(absolute, paths)]
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # on different drives
        return folders[0]
