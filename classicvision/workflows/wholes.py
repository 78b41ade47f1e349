"""Pictures with too few keypoints in a search: compared as wholes, by signatures and perhaps by a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding
from classicvision.copies.whole_images import Lead, Whole, compare_wholes, compare_wholes_by_backbone
from classicvision.extraction import Extraction, Failure, extract
from classicvision.features.phash import PerceptualHash
from classicvision.matching.likeness import BackboneFallback
from classicvision.progress import Progress, stage

__all__ = ["Facts", "SameWholes", "same_wholes"]

WHOLES: Final = "wholes"
NETWORK: Final = "network"

Facts: TypeAlias = tuple[Path, str, int, tuple[int, int]]
"""Of a picture: path, SHA-256 of the file, number of keypoints, (height, width)."""


@dataclass(frozen=True, eq=False)
class SameWholes:
    """What comparing pictures as wholes gave.

    Attributes
    ----------
    findings : list of Finding
    leads : mapping from path to Lead
        Of suspects that a network compared and that it did not find, what they are most like by it.
    failures : tuple of Failure
        Pictures that a network was to compare and could not.
    """

    findings: list[Finding]
    leads: dict[Path, Lead] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def same_wholes(
    suspects: Sequence[Facts],
    library: Sequence[Facts],
    *,
    among: bool,
    min_keypoints: int,
    fallback: BackboneFallback | None,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> SameWholes:
    """Compare as wholes what has too few keypoints. Files are read again only if there is such a picture.

    Pictures of a library are read from where they lie: one that is gone or has changed is left out.

    Parameters
    ----------
    suspects, library : sequences of Facts
    among : bool
        The suspects are the library.
    min_keypoints : int
        Pairs in which both have so many are left to the keypoints.
    fallback : BackboneFallback, optional
    cache, n_jobs, progress
        As for each verb.
    """
    a, b = _to_compare(suspects, library, min_keypoints, among=among)
    if not a or not b:
        return SameWholes([])
    paths = sorted({facts[0] for facts in (*a, *b)}, key=lambda path: path.parts)
    run: dict[str, Any] = {"cache": cache, "n_jobs": n_jobs}
    signed = extract(paths, PerceptualHash(), **run, progress=stage(progress, WHOLES))
    signatures = dict(zip(_keys(paths, signed), signed.items, strict=True))
    wholes = [[Whole(*f, signatures[f[:2]]) for f in side if f[:2] in signatures] for side in (a, b)]
    findings = compare_wholes(*wholes, min_keypoints=min_keypoints)
    if fallback is None:
        return SameWholes(findings)
    seen = extract(paths, fallback.features, **run, progress=stage(progress, NETWORK))
    rows = {key: row for row, key in enumerate(_keys(paths, seen))}

    def features(whole: Whole) -> NDArray[np.float32]:
        return seen.items[rows[whole.path, whole.content]]

    readable = [[whole for whole in side if (whole.path, whole.content) in rows] for side in wholes]
    by_network, leads = compare_wholes_by_backbone(
        readable[0], readable[1], features, fallback, min_keypoints=min_keypoints
    )
    return SameWholes([*findings, *by_network], leads, (*seen.failures, *_changed([*a, *b], paths, seen)))


def _to_compare(
    suspects: Sequence[Facts], library: Sequence[Facts], least: int, *, among: bool
) -> tuple[Sequence[Facts], Sequence[Facts]]:
    """Return the pictures of both sides that are in a pair with too few keypoints."""
    a, b = suspects, library
    if among:  # equal files are found by their content: the first stands for all
        a, b = (list({facts[1]: facts for facts in reversed(side)}.values()) for side in (a, b))
    few_a, few_b = ([facts for facts in side if facts[2] < least] for side in (a, b))
    return (a if few_b else few_a), (b if few_a else few_b)


def _keys(paths: Sequence[Path], found: Extraction[Any]) -> list[tuple[Path, str]]:
    """Return path and content of each item."""
    return [(paths[row], content) for row, content in zip(found.rows, found.contents, strict=True)]


def _changed(pictures: Sequence[Facts], paths: Sequence[Path], found: Extraction[Any]) -> list[Failure]:
    """Return the files that are not what they were when their keypoints were found."""
    contents = dict(_keys(paths, found))
    return [
        Failure(path, "it has changed since its keypoints were found, so the network did not compare it")
        for path, content, *_ in pictures
        if contents.get(path, content) != content
    ]
