"""Images with too few keypoints, compared as a whole by a network where their signatures leave them undecided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.copies.findings import Finding
from classicvision.features.global_features import GlobalFeatures
from classicvision.matching.global_match import (
    HASH_THRESHOLD,
    compare_hashes,
    has_enough_coefficients,
    hash_significance,
)
from classicvision.matching.likeness import BackboneFallback, Seen, likeness_result
from classicvision.matching.result import MatchResult

__all__ = [
    "FeaturesOf",
    "NearestReference",
    "WholeImage",
    "compare_whole_images_by_backbone",
]

BLOCK: Final = 256  # images of a side whose network features are in memory: 10 MB for 1280 numbers per symmetry


@dataclass(frozen=True, eq=False)
class WholeImage:
    """An image to be compared as a whole: what decides whether it is, and what its findings state.

    Attributes
    ----------
    path : Path
    content : str
        SHA-256 of the file.
    n_keypoints : int
    image_size : (height, width)
    whole : GlobalFeatures
    """

    path: Path
    content: str
    n_keypoints: int
    image_size: tuple[int, int]
    whole: GlobalFeatures

    @property
    def signature(self) -> NDArray[np.float32]:
        """The perceptual hash, (256,)."""
        return self.whole.signs


FeaturesOf: TypeAlias = Callable[[WholeImage], NDArray[np.float32]]
"""Returns the network features (8 d,) of an image, as `SymmetricBackbone` does."""


@dataclass(frozen=True)
class NearestReference:
    """The reference that is most similar to a query by a network, where that is not enough to call it a copy."""

    path: Path
    cosine: float


def compare_whole_images_by_backbone(
    queries: Sequence[WholeImage],
    references: Sequence[WholeImage],
    features: FeaturesOf,
    fallback: BackboneFallback,
    *,
    min_keypoints: int,
) -> tuple[list[Finding], dict[Path, NearestReference]]:
    """Find the images that are the same as a whole by signature and network, among pairs that nothing else decides.

    Parameters
    ----------
    queries, references : sequences of WholeImage
    features : callable
        Returns the network features (8 d,) of an image.
    fallback : BackboneFallback
    min_keypoints : int
        A pair is compared only if one of its images has fewer keypoints.

    Returns
    -------
    findings : list of Finding
        Without pairs that their signatures alone reveal, such as equal files. Images with too little texture
        (`has_enough_coefficients`) are not compared: to a network all plain colours are alike.
    nearest : dict from path to NearestReference
        For each query that was compared and is in no finding, the reference most similar to it by the network.
    """
    textured_a = [image for image in queries if has_enough_coefficients(image.signature)]
    textured_b = [image for image in references if has_enough_coefficients(image.signature)]
    few_a, rich_a = _split_by_keypoints(textured_a, min_keypoints)
    few_b, _ = _split_by_keypoints(textured_b, min_keypoints)
    findings: list[Finding] = []
    nearest: dict[Path, NearestReference] = {}
    # Every pair with an image that has too few keypoints, once. The outer blocks stay in memory, the inner ones pass.
    of_few_a = ((a, b) for a in _blocks(few_a) for b in _blocks(textured_b))
    of_few_b = ((a, b) for b in _blocks(few_b) for a in _blocks(rich_a))
    held_a, held_b = _HeldBlock(features), _HeldBlock(features)
    for block_a, block_b in chain(of_few_a, of_few_b):
        seen_a, seen_b = held_a(block_a), held_b(block_b)
        for query, *a in zip(block_a, *seen_a, strict=True):
            found, candidate = _compare_with_block(query, Seen(*a), block_b, seen_b, fallback)
            findings += found
            if candidate and (query.path not in nearest or candidate.cosine > nearest[query.path].cosine):
                nearest[query.path] = candidate
    in_findings = {finding.path_a for finding in findings}
    return findings, {path: reference for path, reference in nearest.items() if path not in in_findings}


class _HeldBlock:
    """Signatures and features of the images of one block, kept until another block is requested."""

    def __init__(self, features: FeaturesOf) -> None:
        self._features = features
        self._block: Sequence[WholeImage] = ()
        self._seen = Seen(np.zeros(0, np.float32), np.zeros(0, np.float32))

    def __call__(self, block: Sequence[WholeImage]) -> Seen:
        if block is not self._block:
            signatures, features = [image.signature for image in block], [self._features(image) for image in block]
            self._block, self._seen = block, Seen(np.stack(signatures), np.stack(features))
        return self._seen


def _compare_with_block(
    query: WholeImage, a: Seen, block: Sequence[WholeImage], b: Seen, fallback: BackboneFallback
) -> tuple[list[Finding], NearestReference | None]:
    """Compare a query with the images of a block that its signature does not reveal; return the nearest too."""
    rows = np.flatnonzero(hash_significance(a.signature, b.signature) < HASH_THRESHOLD)
    if not len(rows):
        return [], None
    found = fallback.compare(a, Seen(b.signature[rows], b.features[rows]))
    findings = []
    for place in np.flatnonzero(found.significance > fallback.threshold).tolist():
        image = block[rows[place]]
        result = likeness_result(found, place, fallback, _compared(query, image))
        findings.append(Finding(query.path, image.path, result))
    best = int(found.cosine.argmax())
    return findings, NearestReference(block[rows[best]].path, float(found.cosine[best]))


def _split_by_keypoints(images: Sequence[WholeImage], min_keypoints: int) -> tuple[list[WholeImage], list[WholeImage]]:
    """Return the images with fewer keypoints, and the others."""
    few = [image for image in images if image.n_keypoints < min_keypoints]
    return few, [image for image in images if image.n_keypoints >= min_keypoints]


def _blocks(images: Sequence[WholeImage]) -> Iterator[Sequence[WholeImage]]:
    return (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))


def _compared(a: WholeImage, b: WholeImage) -> MatchResult:
    return compare_hashes(
        a.signature,
        b.signature,
        image_sizes=(a.image_size, b.image_size),
        n_keypoints=(a.n_keypoints, b.n_keypoints),
    )
