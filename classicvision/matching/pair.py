"""Two pictures: is a part of one a copy of a part of the other, and by which transform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal

from classicvision.config import validate
from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.matching.nearest import match_both_ways, root_bytes
from classicvision.matching.regions import ALL_SHARED, Limits, Search, find_regions, seen_in_mirror, shares
from classicvision.matching.result import MatchResult, Verdict

__all__ = ["MATCHING_SIFT", "MatchSettings", "Orientation", "match_features"]

Orientation = Literal["both", "direct", "mirrored"]

MATCHING_SIFT: Final = Sift(contrast=0.01, max_features=1000, max_side=1024)
"""What copies are looked for with. Weak keypoints too, because a small crop or a smooth picture has few others: of 75
pictures cropped to a tenth of their area, 92 % are found with contrast 0.02, 99 % with 0.01 and with 0.005. With 500
keypoints collages and screenshots are missed. Looking at no more than 1024 pixels costs nothing of that, and makes ten
megapixels four times as fast."""


@dataclass(frozen=True)
class MatchSettings:
    """How two pictures are compared by their keypoints."""

    kind: ClassVar[str] = "match"
    version: ClassVar[int] = 1

    ratio: float = 0.8  # best / second-best distance; lower keeps fewer, surer matches (Lowe 2004, 7.1)
    min_keypoints: int = 8  # with fewer in either picture nothing can be decided
    threshold: float = 6.0  # least significance of a copy: -log10 of the expected number of chance agreements
    max_regions: int = 8  # parts that one picture may have from the other, each by a transform of its own
    mirrored: bool = True  # look for mirrored copies too

    def __post_init__(self) -> None:
        validate(self)
        _require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        _require(self.min_keypoints >= 3, "min_keypoints", self.min_keypoints, "at least 3")
        _require(self.threshold >= 0, "threshold", self.threshold, "at least 0")
        _require(self.max_regions >= 1, "max_regions", self.max_regions, "at least 1")


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


def _find_regions(a: LocalFeatures, b: LocalFeatures, limits: Limits, orientation: Orientation) -> Search:
    """Compare a with b, and the mirrored a; the stronger of the two goes first, and what it explains is explained.

    Where a sure region shows all of one picture already, a mirrored part of it would be news of little use.
    """
    if orientation == "mirrored":
        flat = a.mirrored()
        return _in_mirror(find_regions(flat, b, match_both_ways(flat.descriptors, b.descriptors), limits), a)
    matches = match_both_ways(a.descriptors, b.descriptors)
    direct = find_regions(a, b, matches, limits)
    if orientation == "direct" or (direct.score >= _SURE and max(shares(direct.regions)) >= ALL_SHARED):
        return direct
    flat, width = a.mirrored(), a.image_size[1]
    flat_matches = match_both_ways(flat.descriptors, b.descriptors)
    in_mirror = find_regions(flat, b, flat_matches, limits)
    if direct.regions and in_mirror.regions:
        if direct.score >= in_mirror.score:
            known = tuple(seen_in_mirror(region, width) for region in direct.regions)
            in_mirror = find_regions(flat, b, flat_matches, limits, known)
        else:
            known = tuple(seen_in_mirror(region, width) for region in in_mirror.regions)
            direct = find_regions(a, b, matches, limits, known)
    in_mirror = _in_mirror(in_mirror, a)
    found = sorted((*direct.regions, *in_mirror.regions), key=lambda region: -region.significance)
    return replace(max((direct, in_mirror), key=lambda search: search.score), regions=tuple(found))


def _in_mirror(found: Search, a: LocalFeatures) -> Search:
    """Return what was found with the mirrored a in the frame of a."""
    return replace(found, regions=tuple(seen_in_mirror(region, a.image_size[1]) for region in found.regions))


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


def _require(is_good: bool, name: str, value: Any, allowed: str) -> None:
    if not is_good:
        raise SettingsError(f"{name} is {value!r}; it must be {allowed}")


_SURE: Final = 100.0  # significance that no chance region comes near
_DEFAULTS: Final = MatchSettings()  # made once: the check of a settings class takes a while
