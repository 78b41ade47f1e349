"""Copies of pictures with too few keypoints: they are compared as wholes, by their global signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.signature import SIGNATURE_THRESHOLD, compare_signatures, signature_significance
from classicvision.retrieval.findings import Finding

__all__ = ["Whole", "compare_wholes"]


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


def _finding(a: Whole, b: Whole) -> Finding:
    result = compare_signatures(
        a.signature,
        b.signature,
        image_sizes=(a.image_size, b.image_size),
        n_keypoints=(a.n_keypoints, b.n_keypoints),
    )
    return Finding(a.path, b.path, result)
