"""Two pictures: is a part of one a copy of a part of the other, and by which transform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from classicvision.config import require, validate
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.matching.nearest import root_bytes
from classicvision.matching.regions import Limits, Search, search_regions
from classicvision.matching.result import MatchResult, Orientation, Verdict

__all__ = ["MATCHING_SIFT", "MatchSettings", "match_features"]

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
    found = search_regions(rooted_a, rooted_b, limits, orientation if settings.mirrored else "direct")
    if not found.regions:
        reason = f"no transform explains more of {found.n_matches} matches than chance would"
        return _result(a, b, "no evidence", found, reason)
    n_pairs = sum(len(region.pairs) for region in found.regions)
    n = len({region.b_from_a.tobytes() for region in found.regions})  # parts of one region share its transform
    n_transforms = "one transform" if n == 1 else f"{n} transforms"
    return _result(a, b, "copy", found, f"{n_pairs} keypoints agree on {n_transforms}")


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


_DEFAULTS: Final = MatchSettings()  # made once: the check of a settings class takes a while
