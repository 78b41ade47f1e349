"""The first half of every pipeline: run an extractor over many image files, in parallel, cached and resumable.

Each item is written to the cache as soon as it is extracted (`classicvision.cache`). Its key is a hash of the file's
content, the extractor's fingerprint and the versions of the libraries, so an interrupted or killed run resumes where it
stopped. Memory does not grow with the number of images, since `Items` reads from the cache on access. Items that are
faster to compute than to read, such as those of a dense grid, are not cached: the cache records only that extraction
succeeded, and `Items` recomputes them from the file.
"""

from __future__ import annotations

import hashlib
import operator
import os
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.config import fingerprint
from classicvision.errors import ClassicVisionError, ImageReadError, NotEnoughDataError
from classicvision.folders import ImageFolder
from classicvision.images import LIBRARIES, decode_image, read_bytes
from classicvision.items import (
    Extractor,
    Items,
    ItemT,
    JointItems,
    Source,
    arrays_of_item,
    cacheable,
    item_key,
    libraries_of,
)
from classicvision.workers import Workers, count_workers

__all__ = ["Extraction", "Failure", "extract", "require_every_class"]

MAX_CHUNK = 4  # images sent to a worker together; small, as sending costs far less than extracting


@dataclass(frozen=True)
class Failure:
    """An image file whose features could not be extracted.

    Attributes
    ----------
    path : Path
        The file.
    reason : str
        What was wrong with it, in one line.

    Examples
    --------
    >>> from classicvision import Sift, extract
    >>> extraction = extract(["data/textures/brick/00.jpg", "data/README.md"], Sift())
    >>> [(failure.path.name, failure.reason[:24]) for failure in extraction.failures]
    [('README.md', 'is not a supported image')]
    """

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Extraction(Generic[ItemT]):
    """The features of a list of image files, as returned by `extract`.

    Attributes
    ----------
    items : Items
        The features of the N images that succeeded, in the order of the paths.
    contents : tuple of str
        SHA-256 of each of the N files.
    rows : (N,) int
        Position of each of the N images in the list of paths; use it to select their labels.
    failures : tuple of Failure
        The other images and what was wrong with them, in the order of the paths.
    n_cached : int
        Number of items that were found in the cache.
    seconds : float
        Wall time.

    Examples
    --------
    >>> from classicvision import Sift, extract, find_images
    >>> paths = [*find_images("data/textures/brick"), "data/README.md"]
    >>> extraction = extract(paths, Sift(max_features=50))
    >>> len(extraction.items), len(extraction.failures), extraction.rows[-1]
    (20, 1, np.int64(19))
    """

    items: Items[ItemT]
    contents: tuple[str, ...]
    rows: NDArray[np.intp]
    failures: tuple[Failure, ...]
    n_cached: int
    seconds: float


def extract(
    paths: Sequence[str | os.PathLike[str]],
    extractor: Extractor[ItemT],
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Extraction[ItemT]:
    """Extract features from image files, in parallel and cached.

    A bad image does not stop the run: one that cannot be read, or on which the extractor fails or crashes its worker
    process, becomes a `Failure`.

    Parameters
    ----------
    paths : sequence of paths
        Image files, e.g. from `find_images` or `ImageFolder.paths`.
    extractor : Extractor
        What to extract: `Sift`, `DenseSift`, `OnnxBackbone`, or any frozen dataclass that maps an image to
        `LocalFeatures` or a vector. One with `parts`, such as `Joint`, runs several extractors on one decoded image;
        only images on which all succeed give an item, a tuple.
    cache : FeatureCache, optional
        Features found here are not extracted again, new ones are added. By default a temporary cache that is deleted
        with the items.
    n_jobs : int
        Number of worker processes, each with one thread: more are faster, up to the number of cores, and take memory
        for one image each. -1 is one per core; 1 extracts in this process. The features do not depend on it.
    progress : callable, optional
        Called after each image with the number of images done and the total.

    Returns
    -------
    Extraction
        The features of the images that succeeded, and the failures.

    Raises
    ------
    SettingsError, CacheError, ImportError
        Errors that would affect every image are raised instead of listed. Features extracted so far stay in the cache.
    TypeError
        If `paths` is a single path, or `extractor` or `cache` has the wrong type.

    Examples
    --------
    >>> from classicvision import Sift, extract, find_images
    >>> extraction = extract(find_images("data/textures/brick"), Sift(max_features=50))
    >>> len(extraction.items), extraction.failures
    (20, ())
    >>> extraction.items[0].descriptors.shape
    (18, 128)
    """
    start = time.perf_counter()
    _require_types(paths, extractor, cache)
    images = [Path(path) for path in paths]
    job = _Job(tuple(_Part.of(leaf) for leaf in _leaves(extractor)), cache or FeatureCache.temporary())
    n_workers = count_workers(n_jobs, len(images))
    found = _in_workers(job, images, n_workers) if n_workers > 1 else _in_this_process(job, images)
    outcomes = _collect(found, len(images), progress)
    done = [outcome for outcome in outcomes if outcome.keys]
    paths_done = tuple(images[outcome.row] for outcome in done)
    keys_of_parts = [tuple(outcome.keys[at] for outcome in done) for at in range(len(job.parts))]
    items = (part.items(job.cache, keys, paths_done) for part, keys in zip(job.parts, keys_of_parts, strict=True))
    return Extraction(
        items=_joined(extractor, items),
        contents=tuple(outcome.content for outcome in done),
        rows=np.fromiter((outcome.row for outcome in done), np.intp, len(done)),
        failures=tuple(Failure(images[outcome.row], outcome.reason) for outcome in outcomes if not outcome.keys),
        n_cached=sum(outcome.cached for outcome in outcomes),
        seconds=time.perf_counter() - start,
    )


def require_every_class(readable: ImageFolder, failures: Sequence[Failure]) -> None:
    """Require at least one readable image of each class: the classes of a model are those of its training images.

    Raises
    ------
    NotEnoughDataError
        Names a class without readable images, and the first of its failures.
    """
    lost = sorted(set(readable.classes) - set(readable.labels))
    if lost:
        first = next(failure for failure in failures if failure.path.is_relative_to(readable.root / lost[0]))
        raise NotEnoughDataError(
            f"no image of class {lost[0]!r} can be read. The first failure was {first.path}: {first.reason}. "
            "Replace its images or remove the folder."
        )


def _leaves(extractor: Any) -> Iterator[Extractor[Any]]:
    """Yield the single extractors that an extractor consists of, in order; each has separate cache entries."""
    parts = getattr(extractor, "parts", None)
    if parts is None:
        yield extractor
    else:
        for part in parts:
            yield from _leaves(part)


def _joined(extractor: Any, items: Iterator[Items[Any]]) -> Items[Any]:
    """Join the items of the single extractors as these are nested."""
    parts = getattr(extractor, "parts", None)
    return next(items) if parts is None else JointItems.of([_joined(part, items) for part in parts])


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome for one image: the SHA-256 of its file and the keys of its items, or the reason why it failed."""

    row: int
    content: str = ""
    keys: tuple[str, ...] = ()
    reason: str = ""
    cached: bool = False


@dataclass(frozen=True)
class _Part:
    """A single extractor, with the fingerprint of its settings and libraries."""

    extractor: Extractor[Any]
    fingerprint: str

    @classmethod
    def of(cls, extractor: Extractor[Any]) -> _Part:
        libraries = " ".join(filter(None, (LIBRARIES, libraries_of(extractor))))
        return cls(extractor, f"{fingerprint(extractor)} {libraries}")

    def items(self, cache: FeatureCache, keys: tuple[str, ...], paths: tuple[Path, ...]) -> Items[Any]:
        """Return the items with these keys, which were extracted from these files."""
        source = None if cacheable(self.extractor) else Source(paths, self.extractor, self.fingerprint)
        return Items(cache, keys, source)


@dataclass(frozen=True)
class _Job:
    """The task that is the same for every image; sent to the workers."""

    parts: tuple[_Part, ...]
    cache: FeatureCache

    def run(self, image: tuple[int, Path]) -> _Outcome:
        """Extract from the image in a row what the cache does not have; the image is decoded once."""
        row, path = image
        try:
            data = read_bytes(path)
            content, keys = self._keys(data)
            missing = [at for at, key in enumerate(keys) if self.cache.get(key) is None]
            if not missing:
                return _Outcome(row, content, keys, cached=True)
            pixels = decode_image(data, path)
            items = {at: self.parts[at].extractor(pixels) for at in missing}
        except ImageReadError as error:
            return _Outcome(row, reason=error.reason)
        except (ClassicVisionError, ImportError):
            raise
        except Exception as error:  # an extractor fails on this image only: any kind of error
            return _Outcome(row, reason=" ".join(traceback.format_exception_only(error)[-1].split()))
        for at, item in items.items():
            arrays = arrays_of_item(item)
            self.cache.put(keys[at], arrays if cacheable(self.parts[at].extractor) else {})
        return _Outcome(row, content, keys)

    def find(self, row: int, path: Path) -> _Outcome | None:
        """Look up an image in the cache."""
        try:
            content, keys = self._keys(read_bytes(path))
        except ImageReadError:  # `run` reports it
            return None
        if any(self.cache.get(key) is None for key in keys):
            return None
        return _Outcome(row, content, keys, cached=True)

    def _keys(self, data: bytes) -> tuple[str, tuple[str, ...]]:
        """Return the SHA-256 of a file, and the cache key of each part's item."""
        content = hashlib.sha256(data).hexdigest()
        return content, tuple(item_key(content, part.fingerprint) for part in self.parts)


def _require_types(paths: object, extractor: object, cache: object) -> None:
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths is {paths!r}; expected a list of paths")
    if isinstance(extractor, type) or not callable(extractor):
        raise TypeError(f"extractor is {extractor!r}; expected an extractor such as Sift()")
    if cache is not None and not isinstance(cache, FeatureCache):
        raise TypeError(f"cache is {cache!r}; expected None or a FeatureCache such as FeatureCache(folder)")


def _collect(
    found: Generator[_Outcome, None, None], total: int, progress: Callable[[int, int], None] | None
) -> list[_Outcome]:
    """Collect the outcomes in row order, and report progress after each."""
    outcomes = []
    with closing(found):  # so that workers stop immediately if `progress` raises
        for outcome in found:
            outcomes.append(outcome)
            if progress is not None:
                progress(len(outcomes), total)
    return sorted(outcomes, key=operator.attrgetter("row"))


def _in_this_process(job: _Job, images: list[Path]) -> Generator[_Outcome, None, None]:
    yield from map(job.run, enumerate(images))


def _in_workers(job: _Job, images: list[Path], n_workers: int) -> Generator[_Outcome, None, None]:
    """Look up images in this process and send those that are not cached to workers, started when first needed."""
    chunk_size = max(1, min(MAX_CHUNK, len(images) // (4 * n_workers)))
    chunk: list[tuple[int, Path]] = []
    with Workers(job.run, n_workers) as workers:
        for row, path in enumerate(images):
            if (outcome := job.find(row, path)) is not None:
                yield outcome
                continue
            chunk.append((row, path))
            if len(chunk) == chunk_size:
                workers.send(chunk)
                chunk = []
                yield from _outcomes(workers, n_left=workers.capacity)
        if chunk:
            workers.send(chunk)
        yield from _outcomes(workers, n_left=0)


def _outcomes(workers: Workers[tuple[int, Path], _Outcome], *, n_left: int) -> Iterator[_Outcome]:
    for (row, _), outcome in workers.finished(n_left=n_left):
        yield outcome or _Outcome(
            row, reason="killed its worker process twice: out of memory, or a crash in native code"
        )
