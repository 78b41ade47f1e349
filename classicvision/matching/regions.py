"""Find the regions that two images share, each with its own transform, most significant first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import INVERTED_BINS, MIRRORED_BINS, LocalFeatures
from classicvision.matching.correspondences import Correspondences, Motion
from classicvision.matching.distinct import weigh_distinct
from classicvision.matching.geometry import mirror_transform, warp_points
from classicvision.matching.hypotheses import FEWEST, Agreement, find_agreement, refine
from classicvision.matching.nearest import Matches, match_both_ways
from classicvision.matching.outline import FILLED, connected_parts, contains, filled_share, polygon_area, shared_outline
from classicvision.matching.result import Orientation, Region

__all__ = ["Limits", "Search", "find_regions", "make_region", "search_regions", "seen_in_mirror", "shares"]

ALL_SHARED: Final = 0.9  # share from which a whole image counts as covered; the rest is its border
SAME_TRANSFORM: Final = 0.05  # distance of the corners of a region under two equal transforms, in its diameters
SAME_SHARE: Final = 0.8  # the overlap is kept if it is filled at least this well, relative to the hull
_MANY: Final = 0.125  # mutual matches per keypoint of the smaller set; unrelated images have a few hundredths
_TWICE_THE_TESTS: Final = math.log10(2)  # by which a chance agreement is more likely where two more views are searched
_PROBES: Final = 64  # keypoints that decide whether an image is searched for inverted copies
_FEWEST_PROBES: Final = 7  # of them that have to match; 5 % of unrelated pairs reach it
_SURE: Final = 100.0  # significance far beyond any region by chance


@dataclass(frozen=True)
class Limits:
    """Thresholds of a search for regions."""

    ratio: float  # of the nearest to the second nearest distance; matches above it are ignored
    threshold: float  # least significance of a region
    most: int  # largest number of regions, known ones included


@dataclass(frozen=True, eq=False)
class Search:
    """The significant regions of a search, and the significance of the best candidate, accepted or not."""

    regions: tuple[Region, ...]
    score: float
    n_matches: int


def search_regions(a: LocalFeatures, b: LocalFeatures, limits: Limits, orientation: Orientation) -> Search:
    """Search both orientations of a; matches that the stronger one explains are not available to the other.

    If a highly significant region covers one of the images, the other orientation is not searched. If both orientations
    are searched and nothing is found, a is searched with inverted levels.
    """
    found = _search_upright(a, b, limits, orientation)
    if found.regions or orientation != "both":
        return found
    more = replace(limits, threshold=limits.threshold + _TWICE_THE_TESTS)
    for mirrored, is_likely in zip((False, True), _may_be_inverted(a, b, limits.ratio), strict=True):
        if is_likely:
            inverted = _View.of(a, b, mirrored=mirrored, inverted=True).search(more)
            if inverted.regions:
                return inverted
    return found


def _search_upright(a: LocalFeatures, b: LocalFeatures, limits: Limits, orientation: Orientation) -> Search:
    """Search one or both orientations of a, with its own levels."""
    searched: list[tuple[_View, Search]] = []
    for view in _views(a, b, limits.ratio, orientation):
        found = view.search(limits)
        if found.score >= _SURE and max(shares(found.regions)) >= ALL_SHARED:
            return found
        searched.append((view, found))
    if len(searched) == 1:
        return searched[0][1]
    searched.sort(key=lambda item: (-item[1].score, item[0].is_mirrored))
    (_, best), (view, other) = searched
    if best.regions and other.regions:
        other = view.search(limits, best.regions)
    found_regions = sorted((*best.regions, *other.regions), key=lambda region: -region.significance)
    return replace(best, regions=tuple(found_regions))


def find_regions(
    a: LocalFeatures, b: LocalFeatures, matches: Matches, limits: Limits, known: Sequence[Region] = ()
) -> Search:
    """Find transforms one after the other, each among the matches that the previous ones do not explain.

    An object that occurs twice in one image has mutual nearest neighbours at only one of its places. After the first
    success, matches that pass the ratio test in a single direction are therefore searched too.

    Parameters
    ----------
    a, b : LocalFeatures
    matches : Matches
    limits : Limits
    known : sequence of Region
        Regions found before, in the frames of a and b; matches that they explain are ignored.
    """
    regions: list[Region] = []
    is_clear = matches.ratio < limits.ratio
    rounds = [is_clear & matches.mutual, is_clear]
    n_matches, score = int(rounds[0].sum()), 0.0
    for is_first, chosen in zip((True, False), rounds, strict=True):
        if not is_first and (not (regions or known) or min(shares([*known, *regions])) >= ALL_SHARED):
            break
        left = Correspondences.of(a, b, matches.pairs.take(chosen.nonzero()[0], axis=0))
        left = _unexplained((*known, *regions), left).in_order()
        while len(regions) + len(known) < limits.most:
            found = find_agreement(left)
            if found:
                found = weigh_distinct(found, left, a, b, limits.ratio)
            score = max(score, found.significance if found else 0.0)
            if found is None or found.significance < limits.threshold:
                break
            available = _unexplained((*known, *regions), Correspondences.of(a, b, matches.pairs))
            parts = _parts(a, b, make_region(a, b, available, found))
            regions += [part for part in parts if not any(_is_same(part, other) for other in regions)]
            left = _unexplained(parts, left[~found.inlier])
    return Search(tuple(regions[: limits.most - len(known)]), score, n_matches)


def shares(regions: Sequence[Region]) -> tuple[float, float]:
    """Return the shares of a and of b that regions cover, assuming that they do not overlap."""
    return sum(region.share_a for region in regions), sum(region.share_b for region in regions)


def make_region(a: LocalFeatures, b: LocalFeatures, available: Correspondences, found: Agreement) -> Region:
    """Refit a transform to all available matches that agree, including ambiguous ones, and outline the shared part."""
    inliers, motion = refine(available, found)
    inliers = _one_to_one(inliers, motion)
    empty = np.zeros((0, 2))
    region = Region(motion.b_from_a, found.kind, inliers.pairs, empty, empty, 0.0, 0.0, found.significance)
    return _outlined(a, b, region)


def _outlined(a: LocalFeatures, b: LocalFeatures, region: Region) -> Region:
    """Outline the shared part of a region: the overlap of the images or, if they differ in much of it, the hull.

    The hull of the inliers is smaller than the overlap, but filled with inliers to a larger share.
    """
    outlined, filled = _within(a, b, region, whole=True)
    if filled < 1:
        hull, filled_hull = _within(a, b, region, whole=False)
        if filled < SAME_SHARE * filled_hull:
            return hull
    return outlined


def _within(a: LocalFeatures, b: LocalFeatures, region: Region, *, whole: bool) -> tuple[Region, float]:
    """Return a region with its outline and shares, and the share of the outline that is filled with inliers."""
    rows = region.pairs[:, 0]
    xy, scale = a.xy[rows].astype(np.float64), a.scale[rows].astype(np.float64)
    polygon_a, polygon_b = shared_outline(xy, scale, region.b_from_a, a.image_size, b.image_size, whole=whole)
    filled = filled_share(polygon_a, xy, *_in_frame_of_a(a, b, region)) if len(polygon_a) else 1.0
    area_a, area_b = (math.prod(one.image_size) for one in (a, b))
    share_a = filled * min(polygon_area(polygon_a) / area_a, 1.0)
    share_b = filled * min(polygon_area(polygon_b) / area_b, 1.0)
    return replace(region, polygon_a=polygon_a, polygon_b=polygon_b, share_a=share_a, share_b=share_b), filled


def _parts(a: LocalFeatures, b: LocalFeatures, region: Region) -> tuple[Region, ...]:
    """Split a region that is shared only in separate parts, such as a caption above and one below the image."""
    outlined = polygon_area(region.polygon_a)
    if not outlined or region.share_a * math.prod(a.image_size) >= FILLED * outlined:
        return (region,) if outlined else ()
    xy = a.xy[region.pairs[:, 0]].astype(np.float64)
    part = connected_parts(region.polygon_a, xy, *_in_frame_of_a(a, b, region))
    numbers, counts = np.unique(part, return_counts=True)
    numbers = numbers[np.argsort(-counts, kind="stable")][: np.count_nonzero(counts >= FEWEST)]  # largest first
    parts = (replace(region, pairs=region.pairs[part == number]) for number in numbers)
    return tuple(_outlined(a, b, one) for one in parts) or (region,)


def _in_frame_of_a(
    a: LocalFeatures, b: LocalFeatures, region: Region
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions of the keypoints of a, and those of b mapped into a."""
    a_from_b = np.asarray(np.linalg.inv(region.b_from_a), np.float64)
    return a.xy.astype(np.float64), warp_points(b.xy.astype(np.float64), a_from_b)


def seen_in_mirror(region: Region, width: int) -> Region:
    """Return a region with image a, of this width, mirrored left to right."""
    flat = mirror_transform(width)
    polygon_a = region.polygon_a @ flat[:2, :2] + flat[:2, 2]
    return replace(region, b_from_a=region.b_from_a @ flat, polygon_a=polygon_a)


def _one_to_one(matches: Correspondences, motion: Motion) -> Correspondences:
    """Keep only the match with the smallest error of each keypoint, first of those of a, then of those of b."""
    rows = np.argsort(motion.errors(matches), kind="stable")
    for column in matches.pairs.T.astype(np.intp):
        best, of = np.empty(column.max(initial=0) + 1, np.intp), column.take(rows)
        best[of[::-1]] = rows[::-1]  # the last assignment wins: the smallest error
        rows = rows[best.take(of) == rows]
    return matches[np.sort(rows)]


def _unexplained(regions: Sequence[Region], matches: Correspondences) -> Correspondences:
    """Return the matches that do not lie in one of the regions in both images."""
    for region in regions:
        matches = matches[~(contains(region.polygon_a, matches.a) & contains(region.polygon_b, matches.b))]
    return matches


def _is_same(region: Region, other: Region) -> bool:
    """Return whether another region's transform maps this one to nearly the same place."""
    if not len(region.polygon_a):
        return False
    size = float(np.ptp(region.polygon_b, axis=0).max())
    apart = np.abs(warp_points(region.polygon_a, other.b_from_a) - region.polygon_b).max()
    return bool(apart <= SAME_TRANSFORM * size)


@dataclass(frozen=True, eq=False)
class _View:
    """Image a, direct or mirrored, perhaps with inverted levels, matched with b."""

    a: LocalFeatures
    b: LocalFeatures
    matches: Matches
    is_mirrored: bool
    is_inverted: bool

    @classmethod
    def of(cls, a: LocalFeatures, b: LocalFeatures, *, mirrored: bool, inverted: bool = False) -> Self:
        seen = a.mirrored() if mirrored else a
        seen = seen.inverted() if inverted else seen
        return cls(seen, b, match_both_ways(seen.descriptors, b.descriptors), mirrored, inverted)

    def count_clear(self, ratio: float) -> int:
        return int(np.count_nonzero(self.matches.mutual & (self.matches.ratio < ratio)))

    def search(self, limits: Limits, known: tuple[Region, ...] = ()) -> Search:
        """Find regions in addition to known ones; all are in the frame of the direct a."""
        found = find_regions(self.a, self.b, self.matches, limits, self._seen(known))
        regions = self._seen(found.regions)
        return replace(found, regions=tuple(replace(region, is_inverted=self.is_inverted) for region in regions))

    def _seen(self, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        width = self.a.image_size[1]
        return tuple(seen_in_mirror(region, width) for region in regions) if self.is_mirrored else regions


def _views(a: LocalFeatures, b: LocalFeatures, ratio: float, orientation: Orientation) -> Iterator[_View]:
    """Yield a direct and mirrored; if the direct one has few mutual matches, the one with more of them first."""
    if orientation != "both":
        yield _View.of(a, b, mirrored=orientation == "mirrored")
        return
    straight = _View.of(a, b, mirrored=False)
    if straight.count_clear(ratio) >= _MANY * min(len(a), len(b)):
        yield straight
        yield _View.of(a, b, mirrored=True)
    else:
        both = (straight, _View.of(a, b, mirrored=True))
        yield from sorted(both, key=lambda view: -view.count_clear(ratio))


def _may_be_inverted(a: LocalFeatures, b: LocalFeatures, ratio: float) -> tuple[bool, bool]:
    """Return whether some strong keypoints match after inversion, direct and mirrored.

    Both permutations are their own inverses, so it does not matter which image is inverted.
    """
    few, many = (a, b) if len(a) <= len(b) else (b, a)
    probes = few.descriptors[np.argsort(-few.response, kind="stable")[:_PROBES], :]
    both = np.concatenate([probes[:, INVERTED_BINS], probes[:, INVERTED_BINS[MIRRORED_BINS]]])
    matches = match_both_ways(both, many.descriptors)
    rows = matches.pairs[matches.mutual & (matches.ratio < ratio), 0]
    n_direct = int(np.count_nonzero(rows < len(probes)))
    return n_direct >= _FEWEST_PROBES, len(rows) - n_direct >= _FEWEST_PROBES
