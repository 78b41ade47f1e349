"""Copies of pictures with too few keypoints: they are compared as wholes.

Their global signatures come first; what these do not decide, a network may, where one is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.likeness import BackboneFallback, Seen, likeness_result
from classicvision.matching.result import MatchResult
from classicvision.matching.signature import (
    SIGNATURE_THRESHOLD,
    compare_signatures,
    has_waves_enough,
    signature_significance,
)
from classicvision.retrieval.findings import Finding

__all__ = ["FeaturesOf", "Lead", "Whole", "compare_wholes", "compare_wholes_by_backbone"]

BLOCK: Final = 256  # pictures of the library whose features are held at a time: 10 MB with 1280 numbers a version


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
        As `GlobalSignature` returns it.
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
        surely = signature_significance(suspect.signature, signatures[rows]) >= SIGNATURE_THRESHOLD
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
        `has_waves_enough` tells, is in none: plain colours are all alike to a network.
    leads : dict from path to Lead
        Of each suspect that was compared and is in no finding, what it is most like by the network.
    """
    suspects, library = ([whole for whole in side if has_waves_enough(whole.signature)] for side in (suspects, library))
    findings: list[Finding] = []
    leads: dict[Path, Lead] = {}
    for start in range(0, len(library), BLOCK):
        block = library[start : start + BLOCK]
        seen = Seen(np.stack([whole.signature for whole in block]), np.stack([features(whole) for whole in block]))
        for suspect in suspects:
            rows = _open_rows(suspect, block, seen.signature, min_keypoints)
            if not len(rows):
                continue
            a = Seen(suspect.signature, features(suspect))
            found = fallback.compare(a, Seen(seen.signature[rows], seen.features[rows]))
            best = int(found.cosine.argmax())
            if suspect.path not in leads or found.cosine[best] > leads[suspect.path].cosine:
                leads[suspect.path] = Lead(block[rows[best]].path, float(found.cosine[best]))
            for place in np.flatnonzero(found.significance > fallback.threshold).tolist():
                whole = block[rows[place]]
                result = likeness_result(found, place, fallback, _compared(suspect, whole))
                findings.append(Finding(suspect.path, whole.path, result))
    in_findings = {finding.path_a for finding in findings}
    return findings, {path: lead for path, lead in leads.items() if path not in in_findings}


def _open_rows(
    suspect: Whole, block: Sequence[Whole], signatures: NDArray[np.float32], min_keypoints: int
) -> NDArray[np.intp]:
    """Return the rows of the pictures that nothing has compared with a suspect, or nothing surely."""
    few = np.array([min(suspect.n_keypoints, whole.n_keypoints) < min_keypoints for whole in block])
    return np.flatnonzero(few & (signature_significance(suspect.signature, signatures) < SIGNATURE_THRESHOLD))


def _finding(a: Whole, b: Whole) -> Finding:
    return Finding(a.path, b.path, _compared(a, b))


def _compared(a: Whole, b: Whole) -> MatchResult:
    return compare_signatures(
        a.signature,
        b.signature,
        image_sizes=(a.image_size, b.image_size),
        n_keypoints=(a.n_keypoints, b.n_keypoints),
    )
