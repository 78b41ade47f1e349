"""The search among whole images: signatures and network features are extracted where keypoints cannot decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding
from classicvision.copies.whole_images import (
    NearestReference,
    SignedImage,
    WholeImage,
    compare_whole_images,
    compare_whole_images_by_backbone,
)
from classicvision.extraction import Extraction, Failure, extract
from classicvision.features.phash import PerceptualHash
from classicvision.matching.likeness import BackboneFallback
from classicvision.progress import Progress, stage

__all__ = ["WholeImageResult", "first_of_each_content", "search_whole_images"]

SIGNING: Final = "wholes"
NETWORK: Final = "network"

ImageKey: TypeAlias = tuple[Path, str]
"""Path and SHA-256 of a file: an item of a file that has changed since is not an item of the image."""


@dataclass(frozen=True, eq=False)
class WholeImageResult:
    """What comparing images as a whole gave.

    Attributes
    ----------
    findings : list of Finding
    nearest : mapping from path to NearestReference
        For each query that a network compared but did not find, the reference most similar to it.
    failures : tuple of Failure
        Images that a network was to compare and could not.
    """

    findings: list[Finding]
    nearest: dict[Path, NearestReference] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def search_whole_images(
    queries: Sequence[WholeImage],
    references: Sequence[WholeImage],
    *,
    min_keypoints: int,
    fallback: BackboneFallback | None,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> WholeImageResult:
    """Compare as a whole the pairs with an image of too few keypoints; files are read only if there are such pairs.

    Images of an index are read from their original files: one that is missing or has changed is not compared.

    Parameters
    ----------
    queries, references : sequences of WholeImage
    min_keypoints : int
        A pair is compared only if one of its images has fewer.
    fallback : BackboneFallback, optional
        A network for what signatures do not decide.
    cache, n_jobs, progress
        As in `workflows.find_copies`.
    """
    a, b = _to_compare(queries, references, min_keypoints)
    if not a or not b:
        return WholeImageResult([])
    paths = sorted({image.path for image in (*a, *b)}, key=lambda path: path.parts)
    signed = extract(paths, PerceptualHash(), cache=cache, n_jobs=n_jobs, progress=stage(progress, SIGNING))
    signatures = dict(zip(_keys(paths, signed), signed.items, strict=True))
    signed_a, signed_b = _signed(a, signatures), _signed(b, signatures)
    findings = compare_whole_images(signed_a, signed_b, min_keypoints=min_keypoints)
    if fallback is None:
        return WholeImageResult(findings)
    seen = extract(paths, fallback.features, cache=cache, n_jobs=n_jobs, progress=stage(progress, NETWORK))
    row_of = {key: row for row, key in enumerate(_keys(paths, seen))}

    def features(image: WholeImage) -> NDArray[np.float32]:
        return seen.items[row_of[_key(image)]]

    readable_a, readable_b = ([image for image in side if _key(image) in row_of] for side in (signed_a, signed_b))
    by_network, nearest = compare_whole_images_by_backbone(
        readable_a, readable_b, features, fallback, min_keypoints=min_keypoints
    )
    return WholeImageResult([*findings, *by_network], nearest, (*seen.failures, *_changed([*a, *b], paths, seen)))


def first_of_each_content(images: Sequence[WholeImage]) -> list[WholeImage]:
    """Return the first image of each content: equal files are found by their hashes, so one represents them all."""
    return list({image.content: image for image in reversed(images)}.values())


def _to_compare(
    a: Sequence[WholeImage], b: Sequence[WholeImage], min_keypoints: int
) -> tuple[Sequence[WholeImage], Sequence[WholeImage]]:
    """Return the images of both sides that are in a pair with too few keypoints."""
    few_a, few_b = ([image for image in side if image.n_keypoints < min_keypoints] for side in (a, b))
    return (a if few_b else few_a), (b if few_a else few_b)


def _key(image: WholeImage) -> ImageKey:
    return image.path, image.content


def _keys(paths: Sequence[Path], found: Extraction[Any]) -> list[ImageKey]:
    """Return path and content of each item."""
    return [(paths[row], content) for row, content in zip(found.rows, found.contents, strict=True)]


def _signed(images: Sequence[WholeImage], signatures: dict[ImageKey, NDArray[np.float32]]) -> list[SignedImage]:
    return [image.signed(signatures[_key(image)]) for image in images if _key(image) in signatures]


def _changed(images: Sequence[WholeImage], paths: Sequence[Path], found: Extraction[Any]) -> list[Failure]:
    """Return the files whose content is not what it was when their keypoints were extracted."""
    contents = dict(_keys(paths, found))
    return [
        Failure(image.path, "it has changed since its keypoints were extracted, so the network did not compare it")
        for image in images
        if contents.get(image.path, image.content) != image.content
    ]
