"""Copies of pictures with too few keypoints: they are compared as wholes.

Their global signatures come first; what these do not decide, a network may, where one is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.copies.findings import Finding
from classicvision.matching.global_match import (
    HASH_THRESHOLD,
    compare_hashes,
    has_enough_coefficients,
    hash_significance,
)
from classicvision.matching.likeness import BackboneFallback, Seen, likeness_result
from classicvision.matching.result import MatchResult

__all__ = ["FeaturesOf", "Lead", "Whole", "compare_wholes", "compare_wholes_by_backbone"]

BLOCK: Final = 256  # pictures of a side whose features are held at a time: 10 MB with 1280 numbers a version


@dataclass(frozen=True, eq=False)
class Whole:
    """A picture as a whole.

    Attributes
    ----------
    path : Path
    content : str
        SHA-256 of the file.
    n_keypoints : int
    image_size : (height, width)
    signature : (256,) float32
        As `PerceptualHash` returns it.
    """

    path: Path
    content: str
    n_keypoints: int
    image_size: tuple[int, int]
    signature: NDArray[np.float32]


FeaturesOf: TypeAlias = Callable[[Whole], NDArray[np.float32]]


@dataclass(frozen=True)
class Lead:
    """The picture that another is most like by a network, where that is not enough to call it a copy."""

    path: Path
    cosine: float


def compare_wholes(suspects: Sequence[Whole], library: Sequence[Whole], *, min_keypoints: int) -> list[Finding]:
    """Find the pictures that are the same as a whole, among pairs that keypoints cannot decide.

    Parameters
    ----------
    suspects, library : sequences of Whole
    min_keypoints : int
        Pairs in which both have so many are left to the keypoints.

    Returns
    -------
    list of Finding
        Without pairs of equal content, which are found by it.
    """
    if not library:
        return []
    signatures = np.stack([whole.signature for whole in library])
    has_few = np.array([whole.n_keypoints < min_keypoints for whole in library])
    findings = []
    for suspect in suspects:
        rows = np.flatnonzero(has_few | (suspect.n_keypoints < min_keypoints))
        surely = hash_significance(suspect.signature, signatures[rows]) >= HASH_THRESHOLD
        found = (library[row] for row in rows[surely].tolist())
        findings += [_finding(suspect, whole) for whole in found if whole.content != suspect.content]
    return findings


def compare_wholes_by_backbone(
    suspects: Sequence[Whole],
    library: Sequence[Whole],
    features: FeaturesOf,
    fallback: BackboneFallback,
    *,
    min_keypoints: int,
) -> tuple[list[Finding], dict[Path, Lead]]:
    """Find the pictures that are the same as a whole by signature and network, among pairs that nothing else decides.

    Parameters
    ----------
    suspects, library : sequences of Whole
    features : callable
        Returns (8 d,) of a picture, as `SymmetricBackbone` does.
    fallback : BackboneFallback
    min_keypoints : int
        Pairs in which both have so many are left to the keypoints.

    Returns
    -------
    findings : list of Finding
        Without pairs that their signatures show, as those of equal files do. A picture with too little in it, as
        `has_enough_coefficients` tells, is in none: plain colours are all alike to a network.
    leads : dict from path to Lead
        Of each suspect that was compared and is in no finding, what it is most like by the network.
    """
    suspects, library = (
        [whole for whole in side if has_enough_coefficients(whole.signature)] for side in (suspects, library)
    )
    few_a, rich_a = _parted(suspects, min_keypoints)
    few_b, _ = _parted(library, min_keypoints)
    findings: list[Finding] = []
    leads: dict[Path, Lead] = {}
    # Every pair with a picture that has too few keypoints, and no other. The side with few is held, the other passes.
    of_few_a = ((a, b) for a in _blocks(few_a) for b in _blocks(library))
    of_few_b = ((a, b) for b in _blocks(few_b) for a in _blocks(rich_a))
    seen_a, seen_b = _Held(features), _Held(features)
    for block_a, block_b in chain(of_few_a, of_few_b):
        all_a, all_b = seen_a(block_a), seen_b(block_b)
        for suspect, *a in zip(block_a, *all_a, strict=True):
            found, lead = _compare_with_block(suspect, Seen(*a), block_b, all_b, fallback)
            findings += found
            if lead and (suspect.path not in leads or lead.cosine > leads[suspect.path].cosine):
                leads[suspect.path] = lead
    in_findings = {finding.path_a for finding in findings}
    return findings, {path: lead for path, lead in leads.items() if path not in in_findings}


class _Held:
    """What is compared of the pictures of a block, until another block is asked for."""

    def __init__(self, features: FeaturesOf) -> None:
        self._features = features
        self._block: Sequence[Whole] = ()
        self._seen = Seen(np.zeros(0, np.float32), np.zeros(0, np.float32))

    def __call__(self, block: Sequence[Whole]) -> Seen:
        if block is not self._block:
            signatures, features = [whole.signature for whole in block], [self._features(whole) for whole in block]
            self._block, self._seen = block, Seen(np.stack(signatures), np.stack(features))
        return self._seen


def _compare_with_block(
    suspect: Whole, a: Seen, block: Sequence[Whole], b: Seen, fallback: BackboneFallback
) -> tuple[list[Finding], Lead | None]:
    """Compare a suspect with some pictures, but for those that its signature shows; a lead if any is left."""
    rows = np.flatnonzero(hash_significance(a.signature, b.signature) < HASH_THRESHOLD)
    if not len(rows):
        return [], None
    found = fallback.compare(a, Seen(b.signature[rows], b.features[rows]))
    findings = []
    for place in np.flatnonzero(found.significance > fallback.threshold).tolist():
        whole = block[rows[place]]
        result = likeness_result(found, place, fallback, _compared(suspect, whole))
        findings.append(Finding(suspect.path, whole.path, result))
    best = int(found.cosine.argmax())
    return findings, Lead(block[rows[best]].path, float(found.cosine[best]))


def _parted(wholes: Sequence[Whole], min_keypoints: int) -> tuple[list[Whole], list[Whole]]:
    """Return the pictures with fewer keypoints, and the others."""
    few = [whole for whole in wholes if whole.n_keypoints < min_keypoints]
    return few, [whole for whole in wholes if whole.n_keypoints >= min_keypoints]


def _blocks(wholes: Sequence[Whole]) -> Iterator[Sequence[Whole]]:
    return (wholes[start : start + BLOCK] for start in range(0, len(wholes), BLOCK))


def _finding(a: Whole, b: Whole) -> Finding:
    return Finding(a.path, b.path, _compared(a, b))


def _compared(a: Whole, b: Whole) -> MatchResult:
    return compare_hashes(
        a.signature,
        b.signature,
        image_sizes=(a.image_size, b.image_size),
        n_keypoints=(a.n_keypoints, b.n_keypoints),
    )
