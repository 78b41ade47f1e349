"""Versions of one image: images that are whole copies of the best of them, which represents them all.

n versions are n - 1 findings, each with the representative, instead of one for each of the n (n - 1) / 2 pairs. A copy
that covers only a part of an image makes no versions: all its pairs remain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from classicvision.copies.findings import Finding
from classicvision.index.catalogue import absolute
from classicvision.matching.geometry import warp_points
from classicvision.matching.result import Region

__all__ = ["WHOLE_SHARE", "best_first", "is_whole_copy", "one_finding_per_version", "representatives", "versions_of"]

WHOLE_SHARE: Final = 0.75
"""Share of both images from which a copy is a version of the image: a crop to 90 % of the area leaves 0.90, a caption
across a twelfth of the height 0.79 or more."""

MAX_DEVIATION: Final = 0.02  # of the diagonal of b, up to which two regions have one transform


def is_whole_copy(finding: Finding) -> bool:
    """Tell whether regions of one transform cover nearly the whole of both images, such as those around a caption."""
    regions = finding.result.regions
    if finding.is_within or not regions:
        return not finding.is_within
    largest = max(regions, key=lambda region: region.share_a)
    limit = MAX_DEVIATION * math.hypot(*finding.result.image_sizes[1])
    parts = [region for region in regions if _deviation(region, largest) <= limit]
    return min(sum(part.share_a for part in parts), sum(part.share_b for part in parts)) >= WHOLE_SHARE


def _deviation(region: Region, other: Region) -> float:
    """Return how far apart two transforms map the corners of the other's outline, in pixels of b."""
    moved = [warp_points(other.polygon_a, one.b_from_a) for one in (region, other)]
    return float(np.abs(moved[0] - moved[1]).max())


def best_first(sizes: Mapping[Path, tuple[int, int]]) -> list[Path]:
    """Return paths in the order in which their images represent others: most pixels first, then by absolute path.

    Parameters
    ----------
    sizes : mapping from path to (height, width)
    """
    return sorted(sizes, key=lambda path: (-sizes[path][0] * sizes[path][1], absolute(path).parts))


def representatives(paths: Sequence[Path], pairs: Iterable[tuple[Path, Path]]) -> dict[Path, Path]:
    """Return the representative of each image, which may be itself.

    The first image represents all its whole copies, the first of the others represents its own, and so on. A copy of a
    copy is therefore a version only if it is a whole copy of the representative too.

    Parameters
    ----------
    paths : sequence of path
        Best first.
    pairs : iterable of (path, path)
        Whole copies of each other.
    """
    copies: dict[Path, set[Path]] = {path: set() for path in paths}
    for a, b in pairs:
        copies[a].add(b)
        copies[b].add(a)
    found: dict[Path, Path] = {}
    for path in paths:
        if path not in found:
            found |= dict.fromkeys((path, *(copy for copy in copies[path] if copy not in found)), path)
    return found


def versions_of(findings: Iterable[Finding]) -> dict[Path, Path]:
    """Return the representative of each image in some findings, which may be itself, both by their absolute paths."""
    sizes: dict[Path, tuple[int, int]] = {}
    whole = []
    for finding in findings:
        pair = absolute(finding.path_a), absolute(finding.path_b)
        sizes |= zip(pair, finding.result.image_sizes, strict=True)
        whole += [pair] if is_whole_copy(finding) else []
    return representatives(best_first(sizes), whole)


def one_finding_per_version(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings without those between two versions of an image, neither of which is the representative."""
    represents = versions_of(findings)

    def is_between_versions(finding: Finding) -> bool:
        pair = absolute(finding.path_a), absolute(finding.path_b)
        best = represents[pair[0]]
        return best == represents[pair[1]] and best not in pair

    return [finding for finding in findings if not is_between_versions(finding)]
