"""The first half of every pipeline: an extractor over many image files, in parallel, cached and resumable.

What is extracted goes to a cache at once (`classicvision.cache`), under a key made of the content of the file, the
fingerprint of the extractor and the libraries behind it. So a run that was interrupted, or killed, goes on where it was
when it is started again. Memory does not grow with the number of images: `Items` reads one from the cache when it is
asked for it. Items that are made faster than megabytes are written, as a dense grid's, are not kept: the cache
remembers only that the image works, and `Items` makes them anew from the file.
"""

from __future__ import annotations

import functools
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
    libraries_of,
    source_key,
)
from classicvision.workers import Workers, count_workers

__all__ = ["Extraction", "Failure", "extract", "require_every_class"]

MAX_CHUNK = 4  # images sent to a worker at once: sending costs far less than extracting


@dataclass(frozen=True)
class Failure:
    """An image file that gave no item, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Extraction(Generic[ItemT]):
    """What came of a list of image files.

    Attributes
    ----------
    items : Items
        Of the N images that worked, in the order of the paths.
    contents : tuple of str
        SHA-256 of the file of each.
    rows : (N,) int
        Where each stands in the list of paths.
    failures : tuple of Failure
        The other images, in the order of the paths.
    n_cached : int
        Items that were found in the cache and not extracted.
    seconds : float
        Wall time.
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
    """Extract one item from each image file.

    An image that cannot be read, that makes the extractor fail, or that kills its worker is a `Failure` and no error.

    Parameters
    ----------
    paths : sequence of paths
    extractor : Extractor
    cache : FeatureCache, optional
        Where items are looked up and kept. Without one, a temporary cache lasts as long as the items.
    n_jobs : int
        Worker processes, each with one thread; -1 for one a core; 1 works in this process. It changes no item.
    progress : callable, optional
        Told the number of images done and of all images, after each.

    Raises
    ------
    SettingsError, CacheError, ImportError
        What would meet every image is raised and not listed. What is done by then is in the cache.
    """
    start = time.perf_counter()
    _require_types(paths, extractor, cache)
    parts = getattr(extractor, "parts", None)
    if parts is not None:
        return _extract_parts(paths, parts, cache or FeatureCache.temporary(), n_jobs, progress)
    images = [Path(path) for path in paths]
    libraries = " ".join(filter(None, (LIBRARIES, libraries_of(extractor))))
    job = _Job(extractor, f"{fingerprint(extractor)} {libraries}", cache or FeatureCache.temporary())
    n_workers = count_workers(n_jobs, len(images))
    found = _in_workers(job, images, n_workers) if n_workers > 1 else _in_this_process(job, images)
    outcomes = _collect(found, len(images), progress)
    done = [outcome for outcome in outcomes if outcome.key]
    source = None
    if not cacheable(extractor):
        source = Source(tuple(images[outcome.row] for outcome in done), extractor, job.fingerprint)
    return Extraction(
        items=Items(job.cache, tuple(outcome.key for outcome in done), source),
        contents=tuple(outcome.content for outcome in done),
        rows=np.fromiter((outcome.row for outcome in done), np.intp, len(done)),
        failures=tuple(Failure(images[outcome.row], outcome.reason) for outcome in outcomes if not outcome.key),
        n_cached=sum(outcome.cached for outcome in outcomes),
        seconds=time.perf_counter() - start,
    )


def require_every_class(readable: ImageFolder, failures: Sequence[Failure]) -> None:
    """Refuse labelled images of which a class has none left: classes are numbered by what is learned from.

    Raises
    ------
    NotEnoughDataError
        It names the class, and the first of its failures.
    """
    lost = sorted(set(readable.classes) - set(readable.labels))
    if lost:
        first = next(failure for failure in failures if failure.path.is_relative_to(readable.root / lost[0]))
        raise NotEnoughDataError(
            f"no image of class {lost[0]!r} can be read. The first problem was {first.path}: {first.reason}. "
            "Mend its images or take the folder away."
        )


def _extract_parts(
    paths: Sequence[str | os.PathLike[str]],
    extractors: Sequence[Extractor[Any]],
    cache: FeatureCache,
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
) -> Extraction[Any]:
    """Extract with one extractor after the other: each has entries of its own in the cache. Kept is what all can do."""
    found = [
        extract(paths, extractor, cache=cache, n_jobs=n_jobs, progress=_after(progress, part, len(extractors)))
        for part, extractor in enumerate(extractors)
    ]
    rows = functools.reduce(np.intersect1d, (one.rows for one in found))
    chosen = [np.searchsorted(one.rows, rows) for one in found]
    reasons = {failure.path: failure for one in reversed(found) for failure in one.failures}
    return Extraction(
        items=JointItems.of([one.items[places] for one, places in zip(found, chosen, strict=True)]),
        contents=tuple(found[0].contents[place] for place in chosen[0].tolist()),
        rows=rows,
        failures=tuple(reasons[path] for path in map(Path, paths) if path in reasons),
        n_cached=min(one.n_cached for one in found),
        seconds=sum(one.seconds for one in found),
    )


def _after(progress: Callable[[int, int], None] | None, part: int, n_parts: int) -> Callable[[int, int], None] | None:
    """Return what reports the progress of one part as that of the whole."""
    return progress and (lambda done, total: progress(part * total + done, n_parts * total))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of the image in one row: its content and the key of its item, or the reason why there is none."""

    row: int
    content: str = ""
    key: str = ""
    reason: str = ""
    cached: bool = False


@dataclass(frozen=True)
class _Job:
    """What is to be done to every image."""

    extractor: Extractor[Any]
    fingerprint: str
    cache: FeatureCache

    def run(self, image: tuple[int, Path]) -> _Outcome:
        """Extract from the image in a row, unless the cache has its item."""
        row, path = image
        try:
            data = read_bytes(path)
            content, key = source_key(data, self.fingerprint)
            if self.cache.get(key) is not None:
                return _Outcome(row, content, key, cached=True)
            item = self.extractor(decode_image(data, path))
        except ImageReadError as error:
            return _Outcome(row, reason=error.reason)
        except (ClassicVisionError, ImportError):
            raise
        except Exception as error:  # whatever the extractor trips over is a matter of this image
            return _Outcome(row, reason=" ".join(traceback.format_exception_only(error)[-1].split()))
        arrays = arrays_of_item(item)
        self.cache.put(key, arrays if cacheable(self.extractor) else {})
        return _Outcome(row, content, key)

    def find(self, row: int, path: Path) -> _Outcome | None:
        """Look an image up in the cache."""
        try:
            content, key = source_key(read_bytes(path), self.fingerprint)
        except ImageReadError:  # `run` says why
            return None
        return None if self.cache.get(key) is None else _Outcome(row, content, key, cached=True)


def _require_types(paths: object, extractor: object, cache: object) -> None:
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"paths is {paths!r}; a list of paths was expected")
    if isinstance(extractor, type) or not callable(extractor):
        raise TypeError(f"extractor is {extractor!r}; an extractor such as Sift() was expected")
    if cache is not None and not isinstance(cache, FeatureCache):
        raise TypeError(f"cache is {cache!r}; a FeatureCache or None was expected, such as FeatureCache(folder)")


def _collect(
    found: Generator[_Outcome, None, None], total: int, progress: Callable[[int, int], None] | None
) -> list[_Outcome]:
    """Return the outcomes in the order of the rows, and report each as it comes."""
    outcomes = []
    with closing(found):  # so that workers stop at once if `progress` raises
        for outcome in found:
            outcomes.append(outcome)
            if progress is not None:
                progress(len(outcomes), total)
    return sorted(outcomes, key=operator.attrgetter("row"))


def _in_this_process(job: _Job, images: list[Path]) -> Generator[_Outcome, None, None]:
    yield from map(job.run, enumerate(images))


def _in_workers(job: _Job, images: list[Path], n_workers: int) -> Generator[_Outcome, None, None]:
    """Look images up here, and send those that the cache lacks to workers, which are started for the first of them."""
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
        yield outcome or _Outcome(row, reason="its worker process died twice: out of memory, or a crash in native code")
