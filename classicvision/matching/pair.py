"""Two pictures: is a part of one a copy of a part of the other, and by which transform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal, Self

import numpy as np

from classicvision.config import require, validate
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.matching.nearest import Matches, match_both_ways, root_bytes
from classicvision.matching.regions import ALL_SHARED, Limits, Search, find_regions, seen_in_mirror, shares
from classicvision.matching.result import MatchResult, Region, Verdict

__all__ = ["MATCHING_SIFT", "MatchSettings", "Orientation", "match_features"]

Orientation = Literal["both", "direct", "mirrored"]

MATCHING_SIFT: Final = Sift(contrast=0.01, max_features=1000, spread=True, max_side=1024)
"""What copies are looked for with. Weak keypoints too, because a small crop or a smooth picture has few others: of 75
pictures cropped to a tenth of their area, 92 % are found with contrast 0.02, 99 % with 0.01 and with 0.005. With 500
keypoints collages and screenshots are missed. They are spread, because letters have the strongest: of 71 photographs in
a page full of text, 33 are found by the strongest keypoints alone and 70 by keypoints spread over the page. Looking at
no more than 1024 pixels costs nothing of that, and makes ten megapixels four times as fast."""


@dataclass(frozen=True)
class MatchSettings:
    """How two pictures are compared by their keypoints."""

    kind: ClassVar[str] = "match"
    version: ClassVar[int] = 3

    ratio: float = 0.8  # best / second-best distance; lower keeps fewer, surer matches (Lowe 2004, 7.1)
    min_keypoints: int = 8  # with fewer in either picture nothing can be decided
    threshold: float = 15.0  # least significance of a copy: -log10 of the expected number of chance agreements
    max_regions: int = 8  # parts that one picture may have from the other, each by a transform of its own
    mirrored: bool = True  # look for mirrored copies too

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        require(self.min_keypoints >= 3, "min_keypoints", self.min_keypoints, "at least 3")
        require(self.threshold >= 0, "threshold", self.threshold, "at least 0")
        require(self.max_regions >= 1, "max_regions", self.max_regions, "at least 1")


def match_features(
    a: LocalFeatures, b: LocalFeatures, settings: MatchSettings | None = None, *, orientation: Orientation = "both"
) -> MatchResult:
    """Compare two pictures by their keypoints.

    Parameters
    ----------
    a, b : LocalFeatures
        Each in the frame of its picture.
    settings : MatchSettings, optional
    orientation : "both", "direct" or "mirrored"
        Which copies to look for, where that is known; mirrored ones only if the settings say so.

    Returns
    -------
    MatchResult
        The same for any order of the keypoints, but for the rows in `pairs`. Exchanging a and b inverts the transforms.
    """
    settings = settings or _DEFAULTS
    if min(len(a), len(b)) < settings.min_keypoints:
        return _result(a, b, "cannot decide", Search((), 0.0, 0), _too_few(a, b, settings.min_keypoints))
    limits = Limits(settings.ratio, settings.threshold, settings.max_regions)
    rooted_a, rooted_b = (replace(one, descriptors=root_bytes(one.descriptors)) for one in (a, b))
    found = _find_regions(rooted_a, rooted_b, limits, orientation if settings.mirrored else "direct")
    if not found.regions:
        reason = f"no transform explains more of {found.n_matches} matches than chance would"
        return _result(a, b, "no evidence", found, reason)
    n_pairs = sum(len(region.pairs) for region in found.regions)
    n_transforms = "one transform" if len(found.regions) == 1 else f"{len(found.regions)} transforms"
    return _result(a, b, "copy", found, f"{n_pairs} keypoints agree on {n_transforms}")


@dataclass(frozen=True, eq=False)
class _View:
    """Picture a as it is, or mirrored, beside b."""

    a: LocalFeatures
    b: LocalFeatures
    matches: Matches
    is_mirrored: bool

    @classmethod
    def of(cls, a: LocalFeatures, b: LocalFeatures, *, mirrored: bool) -> Self:
        seen = a.mirrored() if mirrored else a
        return cls(seen, b, match_both_ways(seen.descriptors, b.descriptors), mirrored)

    def count_clear(self, ratio: float) -> int:
        return int(np.count_nonzero(self.matches.mutual & (self.matches.ratio < ratio)))

    def search(self, limits: Limits, known: tuple[Region, ...] = ()) -> Search:
        """Find regions, beside known ones; all in the frame of a as it is."""
        found = find_regions(self.a, self.b, self.matches, limits, self._seen(known))
        return replace(found, regions=self._seen(found.regions))

    def _seen(self, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        width = self.a.image_size[1]
        return tuple(seen_in_mirror(region, width) for region in regions) if self.is_mirrored else regions


def _find_regions(a: LocalFeatures, b: LocalFeatures, limits: Limits, orientation: Orientation) -> Search:
    """Compare a with b, and the mirrored a; the stronger of the two goes first, and what it explains is explained.

    Where a sure region shows all of one picture already, a part of it the other way round would be news of little use.
    """
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


def _views(a: LocalFeatures, b: LocalFeatures, ratio: float, orientation: Orientation) -> Iterator[_View]:
    """Look at a as it is, and in a mirror; where it has few clear matches as it is, first where it has more."""
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


def _result(a: LocalFeatures, b: LocalFeatures, verdict: Verdict, found: Search, reason: str) -> MatchResult:
    return MatchResult(
        verdict=verdict,
        method="keypoints",
        regions=found.regions,
        score=found.score,
        n_keypoints=(len(a), len(b)),
        n_matches=found.n_matches,
        image_sizes=(a.image_size, b.image_size),
        reason=reason,
    )


def _too_few(a: LocalFeatures, b: LocalFeatures, needed: int) -> str:
    name, n = min((("a", len(a)), ("b", len(b))), key=lambda item: item[1])
    found = f"{n} keypoint{'' if n == 1 else 's'}"
    return f"picture {name} has {found}; at least {needed} are needed to decide"


_MANY: Final = 0.125  # clear matches, of the keypoints of the picture with fewer; strangers have some hundredths
_SURE: Final = 100.0  # significance that no chance region comes near
_DEFAULTS: Final = MatchSettings()  # made once: the check of a settings class takes a while
