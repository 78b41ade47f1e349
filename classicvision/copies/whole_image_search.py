"""The search among whole images, where keypoints do not decide.

The perceptual hashes of queries and index propose candidates; only the files of candidates are read, to compare their
pixels. A network, if there is one, compares the images of few keypoints that remain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.copies.findings import Finding
from classicvision.copies.whole_images import NearestReference, WholeImage, compare_whole_images_by_backbone
from classicvision.extraction import Extraction, Failure, extract
from classicvision.features.phash import pack_signs
from classicvision.features.thumbnail import Thumbnail, image_of_vector
from classicvision.index.catalogue import IndexedImage, absolute
from classicvision.index.index import Index
from classicvision.matching.global_match import WholeView, compare_views, is_settled
from classicvision.matching.hash_candidates import HashTable
from classicvision.matching.likeness import BackboneFallback
from classicvision.matching.result import MatchResult
from classicvision.matching.whole_image import THUMBNAIL_SIDE
from classicvision.progress import Progress, stage

__all__ = ["WholeImageResult", "first_of_each_content", "images_of_index", "search_by_network", "search_whole_images"]

THUMBNAILS: Final = "wholes"
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
        Images that were to be compared and could not.
    """

    findings: list[Finding]
    nearest: dict[Path, NearestReference] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def search_whole_images(
    index: Index,
    queries: Sequence[WholeImage],
    by_keypoints: Mapping[frozenset[Path], MatchResult],
    *,
    versions: Mapping[Path, Path],
    among: bool,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> WholeImageResult:
    """Find the images of an index that are the same as a query as a whole, other than those of equal pixels.

    Only the files of candidates are read; one that is missing or has changed since is a failure.

    Parameters
    ----------
    index : Index
    queries : sequence of WholeImage
    by_keypoints : mapping from pairs of absolute paths to MatchResult
        What keypoints show of a pair. One that they settle is not compared; another only as it is, not mirrored.
    versions : mapping from absolute path to absolute path
        The representative of an image, as `versions_of` returns it; two images with the same one are not compared.
    among : bool
        The queries are the images of the index: each pair is compared once, and none that earlier findings connect.
    cache, n_jobs, progress
        As in `workflows.find_copies`.
    """
    pairs = [
        pair
        for pair in _candidates(index, queries, among=among)
        if ((result := by_keypoints.get(_pair_of(*pair))) is None or not is_settled(result))
        and not _are_versions(pair, versions)
    ]
    if not pairs:
        return WholeImageResult([])
    images = {(image.path, image.content): image for pair in pairs for image in pair}
    paths = sorted({path for path, _ in images}, key=lambda path: path.parts)
    found = extract(paths, Thumbnail(THUMBNAIL_SIDE), cache=cache, n_jobs=n_jobs, progress=stage(progress, THUMBNAILS))
    row_of = {key: row for row, key in enumerate(_keys(paths, found))}

    def view(image: WholeImage) -> WholeView:
        thumbnail = image_of_vector(found.items[row_of[image.path, image.content]])
        return WholeView(image.whole.signs, thumbnail, image.image_size, image.n_keypoints)

    readable = [(a, b) for a, b in pairs if (a.path, a.content) in row_of and (b.path, b.content) in row_of]
    findings = list(_compared(readable, view, by_keypoints, among=among))
    return WholeImageResult(findings, failures=(*found.failures, *_changed(images.values(), paths, found)))


def search_by_network(
    queries: Sequence[WholeImage],
    references: Sequence[WholeImage],
    fallback: BackboneFallback,
    *,
    min_keypoints: int,
    cache: FeatureCache,
    n_jobs: int,
    progress: Progress | None,
) -> WholeImageResult:
    """Compare by a network the pairs with an image of fewer than `min_keypoints`; files are read only for such pairs.

    Parameters are those of `search_whole_images`.
    """
    a, b = _to_compare(queries, references, min_keypoints)
    if not a or not b:
        return WholeImageResult([])
    paths = sorted({image.path for image in (*a, *b)}, key=lambda path: path.parts)
    seen = extract(paths, fallback.features, cache=cache, n_jobs=n_jobs, progress=stage(progress, NETWORK))
    row_of = {key: row for row, key in enumerate(_keys(paths, seen))}

    def features(image: WholeImage) -> NDArray[np.float32]:
        return seen.items[row_of[image.path, image.content]]

    readable_a, readable_b = ([image for image in side if (image.path, image.content) in row_of] for side in (a, b))
    by_network, nearest = compare_whole_images_by_backbone(
        readable_a, readable_b, features, fallback, min_keypoints=min_keypoints
    )
    return WholeImageResult(by_network, nearest, (*seen.failures, *_changed([*a, *b], paths, seen)))


def images_of_index(index: Index) -> list[WholeImage]:
    """Return all images of an index, one of each content."""
    return first_of_each_content([_whole_image(image) for image in index])


def first_of_each_content(images: Sequence[WholeImage]) -> list[WholeImage]:
    """Return the first image of each content: equal files are found by their hashes, so one represents them all."""
    return list({image.content: image for image in reversed(images)}.values())


def _whole_image(image: IndexedImage) -> WholeImage:
    return WholeImage(image.path, image.content, image.n_keypoints, image.image_size, image.whole)


def _candidates(index: Index, queries: Sequence[WholeImage], *, among: bool) -> Iterator[tuple[WholeImage, WholeImage]]:
    """Yield queries with images of the index whose hashes are alike, those most alike first for each query."""
    table = HashTable.of(index.hashes, index.image_sizes)
    searched = _first_of_equal_pixels(index) if among else np.ones(len(index), bool)
    seen: set[frozenset[Path]] = set()
    for query in queries:
        own = index.with_path(query.path)
        if among and (own is None or not searched[np.searchsorted(index.ids, own)]):
            continue
        found = table.candidates(pack_signs(query.whole.signs), query.image_size)
        for row in dict.fromkeys(candidate.row for candidate in found if searched[candidate.row]):
            image_id = int(index.ids[row])
            reference = _whole_image(index.image(image_id))
            pair = _pair_of(query, reference)
            if image_id == own or reference.whole.pixels == query.whole.pixels or (among and pair in seen):
                continue
            seen.add(pair)
            yield query, reference


def _first_of_equal_pixels(index: Index) -> NDArray[np.bool_]:
    """Tell which images of an index have no equal before them; the others are connected to these already."""
    first = np.zeros(len(index), np.bool_)
    first[np.unique(index.pixels, return_index=True)[1]] = True
    return first


def _compared(
    pairs: Sequence[tuple[WholeImage, WholeImage]],
    view: Callable[[WholeImage], WholeView],
    proposed: Collection[frozenset[Path]],
    *,
    among: bool,
) -> Iterator[Finding]:
    """Yield the pairs that are copies by their pixels; among images, none that earlier ones connect."""
    group: dict[Path, int] = {}
    for number, (a, b) in enumerate(pairs):
        of_a, of_b = (group.setdefault(absolute(path), 2 * number + at) for at, path in enumerate((a.path, b.path)))
        if among and of_a == of_b:
            continue
        result = compare_views(view(a), view(b), orientation="direct" if _pair_of(a, b) in proposed else "both")
        if result.verdict == "copy":
            yield Finding(a.path, b.path, result)
            group.update((path, of_a) for path, other in group.items() if other == of_b)


def _pair_of(a: WholeImage, b: WholeImage) -> frozenset[Path]:
    return frozenset((absolute(a.path), absolute(b.path)))


def _are_versions(pair: Iterable[WholeImage], versions: Mapping[Path, Path]) -> bool:
    """Tell whether two images have the same representative."""
    a, b = (versions.get(absolute(image.path)) for image in pair)
    return a is not None and a == b


def _to_compare(
    a: Sequence[WholeImage], b: Sequence[WholeImage], min_keypoints: int
) -> tuple[Sequence[WholeImage], Sequence[WholeImage]]:
    """Return the images of both sides that are in a pair with too few keypoints."""
    few_a, few_b = ([image for image in side if image.n_keypoints < min_keypoints] for side in (a, b))
    return (a if few_b else few_a), (b if few_a else few_b)


def _keys(paths: Sequence[Path], found: Extraction[Any]) -> list[ImageKey]:
    """Return path and content of each item."""
    return [(paths[row], content) for row, content in zip(found.rows.tolist(), found.contents, strict=True)]


def _changed(images: Iterable[WholeImage], paths: Sequence[Path], found: Extraction[Any]) -> list[Failure]:
    """Return the files whose content is not what it was when their keypoints were extracted."""
    contents = dict(_keys(paths, found))
    return [
        Failure(image.path, "it has changed since its keypoints were extracted, so it was not compared as a whole")
        for image in images
        if contents.get(image.path, image.content) != image.content
    ]
