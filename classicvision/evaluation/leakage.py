"""Images of a test set that are in the training set too: a common reason why an accuracy is too good.

Copies are searched for among all images once. Which of them a split separates is then a matter of sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.findings import Findings
from classicvision.copies.settings import SearchSettings
from classicvision.evaluation.plan import PlannedSplit
from classicvision.folders import ImageFolder
from classicvision.images import LIBRARIES, read_bytes
from classicvision.index.settings import IndexSettings

__all__ = ["Duplicate", "Duplicates", "Leak", "Leakage", "find_duplicates", "find_leaks", "find_leaks_of_splits"]

Kind: TypeAlias = Literal["exact", "near"]


@dataclass(frozen=True)
class Duplicate:
    """Two image files with the same content, in whole or in part.

    Attributes
    ----------
    a, b : Path
    kind : "exact" or "near"
        Equal byte for byte, or found by the search for copies.
    score : float
        Significance of a near one: -log10 of the expected number of chance agreements as good. Infinite for exact ones.
    """

    a: Path
    b: Path
    kind: Kind
    score: float


@dataclass(frozen=True)
class Duplicates:
    """All duplicates among some images.

    Attributes
    ----------
    pairs : tuple of Duplicate
        Every pair, in the order of the findings, including those that follow from others: a near copy of one file is
        one of all its byte-identical copies.
    """

    pairs: tuple[Duplicate, ...]

    @classmethod
    def of(cls, findings: Findings) -> Self:
        """Return the pairs that a search for copies among images has found.

        The search reports one file for all with equal pixels, and compares only that one with the rest. Two photographs
        of one scene are duplicates too: a classifier that has seen one of them has seen the other.
        """
        equals = _equals(findings)
        compared: set[frozenset[Path]] = set()
        found: list[Duplicate] = []
        same_scene = (finding for finding in findings.related if "same scene" in finding.labels)
        for finding in (*findings.findings, *same_scene):
            of_a, of_b = (equals.get(path, [path]) for path in (finding.path_a, finding.path_b))
            groups = frozenset((of_a[0], of_b[0]))
            if finding.is_within or groups in compared:  # the pairs of two groups are those of any finding of theirs
                continue
            compared.add(groups)
            kind: Kind = "exact" if finding.result.is_equal else "near"
            pairs = combinations(of_a, 2) if of_a is of_b else product(of_a, of_b)
            found += (Duplicate(a, b, kind, finding.result.score) for a, b in pairs)
        return cls(tuple(found))


@dataclass(frozen=True)
class Leak:
    """A test image of which the training set has a copy.

    Attributes
    ----------
    train, test : Path
    kind : "exact" or "near"
    score : float
        As in `Duplicate`.
    contradicts : bool
        Whether the two have different classes, so that one label is wrong.
    """

    train: Path
    test: Path
    kind: Kind
    score: float
    contradicts: bool = False


@dataclass(frozen=True)
class Leakage:
    """What a split leaks.

    Attributes
    ----------
    leaks : tuple of Leak
        In the order of the duplicates.
    n_test : int
        Test images of the split.
    """

    leaks: tuple[Leak, ...]
    n_test: int

    @property
    def test_images(self) -> tuple[Path, ...]:
        """The test images that leaked, sorted, each once: exclude them to see the effect of the leak."""
        return tuple(sorted({leak.test for leak in self.leaks}, key=lambda path: path.parts))

    @property
    def sentence(self) -> str:
        """The leakage in one sentence."""
        n = len(self.test_images)
        if not n:
            return f"None of {self.n_test} test images is a copy of a training image."
        n_exact = len({leak.test for leak in self.leaks if leak.kind == "exact"})
        n_contradicting = len({leak.test for leak in self.leaks if leak.contradicts})
        are_copies = "is a copy" if n == 1 else "are copies"
        sentence = (
            f"{n} of {self.n_test} test images ({100 * n / self.n_test:.1f} %) {are_copies}, in full or in part, of "
            f"training images; identical files: {n_exact}"
        )
        return sentence + (f", copies with a different class: {n_contradicting}." if n_contradicting else ".")


def find_duplicates(
    paths: Sequence[Path], search: Callable[[Sequence[Path]], Findings], *, cache: FeatureCache
) -> Duplicates:
    """Search images for copies among them, or return the cached result of the same search.

    Parameters
    ----------
    paths : sequence of Path
    search : callable
        Searches the images for copies with default settings, as `workflows.find_copies_among` does.
    cache : FeatureCache
    """
    contents = [hashlib.sha256(read_bytes(path)).hexdigest() for path in paths]
    settings = [config.fingerprint(one) for one in (SearchSettings(), IndexSettings())]
    key = hashlib.sha256(" ".join(["duplicates 2", LIBRARIES, *settings, *contents]).encode()).hexdigest()
    known = cache.get(key)
    if known is None:
        found = Duplicates.of(search(paths)).pairs
        row_of = {path: row for row, path in enumerate(paths)}
        known = {
            "rows": np.array([(row_of[pair.a], row_of[pair.b]) for pair in found], np.int64).reshape(-1, 2),
            "is_exact": np.array([pair.kind == "exact" for pair in found], np.bool_),
            "score": np.array([pair.score for pair in found], np.float64),
        }
        cache.put(key, known)
    pairs = []
    for (a, b), is_exact, score in zip(known["rows"].tolist(), known["is_exact"], known["score"].tolist(), strict=True):
        pairs.append(Duplicate(paths[a], paths[b], "exact" if is_exact else "near", score))
    return Duplicates(tuple(pairs))


def find_leaks_of_splits(
    images: ImageFolder, splits: Sequence[PlannedSplit], duplicates: Duplicates
) -> tuple[Leakage, ...]:
    """Return what each split leaks."""
    labels = dict(zip(images.paths, images.labels, strict=True))
    return tuple(
        find_leaks(
            duplicates,
            [images.paths[row] for row in split.train.ravel()],
            [images.paths[row] for row in split.test],
            labels=labels,
        )
        for split in splits
    )


def find_leaks(
    duplicates: Duplicates,
    train: Iterable[Path],
    test: Iterable[Path],
    *,
    labels: Mapping[Path, str] | None = None,
) -> Leakage:
    """Return the duplicates that a split separates into training and test images.

    Parameters
    ----------
    duplicates : Duplicates
        Among all images, with the same form of paths as `train` and `test`.
    train, test : iterable of Path
    labels : mapping from path to str, optional
        The class of each image.

    Raises
    ------
    ValueError
        If one path is in both sets.
    """
    learned, tested = frozenset(train), frozenset(test)
    if both := sorted(map(str, learned & tested)):
        raise ValueError(f"{both[0]} is a training and a test image, like {len(both) - 1} more; a split has each once")
    known = labels or {}
    leaks = []
    for pair in duplicates.pairs:
        for one, other in ((pair.a, pair.b), (pair.b, pair.a)):
            if one in learned and other in tested:
                contradicts = known.get(one) != known.get(other)
                leaks.append(Leak(one, other, pair.kind, pair.score, contradicts))
    return Leakage(tuple(leaks), len(tested))


def _equals(findings: Findings) -> dict[Path, list[Path]]:
    """Return for each file that has an equal all files of its pixels, one list for all of these."""
    group: dict[Path, list[Path]] = {}
    for finding in findings.findings:
        if finding.result.is_equal and not finding.is_within:
            a, b = (group.setdefault(path, [path]) for path in (finding.path_a, finding.path_b))
            if a is not b:
                few, many = sorted((a, b), key=len)  # so no file changes its list often
                many += few
                group.update(dict.fromkeys(few, many))
    return group
