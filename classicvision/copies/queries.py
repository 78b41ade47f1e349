"""The search for copies of many pictures: each against an index, in parallel, without what is no news.

A picture is no copy of itself, whatever path leads to it. Files of equal bytes are compared once: by their content they
are found without looking at keypoints.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding, region_points
from classicvision.copies.search import find_copied_contents
from classicvision.copies.settings import SearchSettings
from classicvision.features.local import LocalFeatures
from classicvision.index.catalogue import absolute
from classicvision.index.index import Index
from classicvision.items import Items
from classicvision.matching.result import MatchResult
from classicvision.workers import in_order

__all__ = ["Answer", "Suspect", "best_of_each_pair", "search_suspects"]


@dataclass(frozen=True)
class Suspect:
    """A picture to search for.

    Attributes
    ----------
    path : Path
    content : str
        SHA-256 of the file.
    key : str
        Of its features in their cache.
    """

    path: Path
    content: str
    key: str


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one suspect: its findings, and what it had to be found by."""

    findings: tuple[Finding, ...]
    n_keypoints: int
    image_size: tuple[int, int]


def search_suspects(
    index: Index,
    suspects: Sequence[Suspect],
    cache: FeatureCache,
    settings: SearchSettings,
    *,
    among: bool = False,
    n_workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Search an index for copies of pictures.

    Parameters
    ----------
    index : Index
    suspects : sequence of Suspect
    cache : FeatureCache
        Has the features of each.
    settings : SearchSettings
    among : bool
        The suspects are the library. Of files with equal bytes then only the first is searched for and found; each of
        the others is a finding with the first, so that n equal files are n - 1 findings. A pair can be found from both
        its sides: see `best_of_each_pair`.
    n_workers : int
        Processes. It changes no answer.
    progress : callable, optional
        Told the number of suspects done and of all.

    Returns
    -------
    list of Answer
        In the order of the suspects.
    """
    search = _Search(index.folder, secrets.token_hex(8), cache, settings, among)
    return in_order(search, suspects, n_workers, progress)


def best_of_each_pair(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding of each two pictures, whichever is a and whichever b: the one with the larger score."""
    best: dict[frozenset[Path], Finding] = {}
    for finding in findings:
        pair = frozenset((finding.path_a, finding.path_b))
        if pair not in best or finding.result.score > best[pair].result.score:
            best[pair] = finding
    return list(best.values())


@dataclass(frozen=True)
class _Search:
    """What is done for each suspect, in this process or in a worker."""

    folder: Path
    name: str  # of this search, so that no earlier snapshot is taken for its own
    cache: FeatureCache
    settings: SearchSettings
    among: bool

    def __call__(self, suspect: Suspect) -> Answer:
        library = _snapshot(self.folder, self.name)
        features: LocalFeatures = Items[LocalFeatures](self.cache, (suspect.key,))[0]
        equal = library.equals(suspect.content)
        is_first = not equal.paths or equal.paths[0] == absolute(suspect.path)
        exact = _equal_bytes(features)
        findings = [
            Finding(suspect.path, path, exact)
            for path in (equal.paths[:1] if self.among else equal.paths)
            if not _is_same_file(path, suspect.path)
        ]
        if is_first or not self.among:
            known = {*equal.numbers, *self._known(library.index, suspect)}
            findings += self._copies(library, suspect, features, known)
        return Answer(tuple(findings), len(features), features.image_size)

    def _known(self, index: Index, suspect: Suspect) -> Iterable[int]:
        """Return the suspect's own number, even if the file changed, and those whose turn compares them with it."""
        own = index.with_path(suspect.path)
        if own is None:
            return ()
        all_are_compared = len(index) <= self.settings.n_candidates
        return index.ids[index.ids <= own].tolist() if self.among and all_are_compared else (own,)

    def _copies(
        self, library: _Library, suspect: Suspect, features: LocalFeatures, known: set[int]
    ) -> Iterator[Finding]:
        index = library.index
        for numbers, result in find_copied_contents(index, features, self.settings, exclude=known):
            if self.among:
                first = library.equals(index.image(numbers[0]).content).numbers[0]
                numbers = (first,) if first in numbers else ()
            points = region_points(result, features, index.features(numbers[0])) if numbers else ()
            for number in numbers:
                yield Finding(suspect.path, index.path(number), result, points)


class _Equals(NamedTuple):
    """The images of one content: their numbers and paths, sorted by path."""

    numbers: tuple[int, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class _Library:
    """A snapshot of an index, and what was asked of it about files with many equals."""

    index: Index
    _known: dict[str, _Equals] = field(default_factory=dict)

    def equals(self, content: str) -> _Equals:
        """Return the images of a content, which may be none."""
        if (known := self._known.get(content)) is not None:
            return known
        paths = {number: self.index.path(number) for number in self.index.with_content(content)}
        numbers = sorted(paths, key=lambda number: paths[number].parts)
        equals = _Equals(tuple(numbers), tuple(paths[number] for number in numbers))
        if len(numbers) > 1:  # a file without an equal is hardly asked for again
            self._known[content] = equals
        return equals


@lru_cache(maxsize=1)
def _snapshot(folder: Path, search: str) -> _Library:
    """Open an index, once in each process for all suspects of a search."""
    return _Library(Index.open(folder))


def _is_same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file; a file that is gone is no other's."""
    try:
        return path.samefile(other)
    except OSError:
        return absolute(path) == absolute(other)


def _equal_bytes(features: LocalFeatures) -> MatchResult:
    n, size = len(features), features.image_size
    return MatchResult("copy", "bytes", (), math.inf, (n, n), 0, (size, size), "the files are equal, byte for byte")
