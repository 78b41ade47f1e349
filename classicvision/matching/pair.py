"""Two pictures: is a part of one a copy of a part of the other, and by which transform."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift_bytes
from classicvision.matching.regions import Limits, Search, search_regions
from classicvision.matching.result import MatchResult, Orientation, Verdict
from classicvision.matching.settings import MatchSettings

__all__ = ["match_features"]


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
    rooted_a, rooted_b = (replace(one, descriptors=root_sift_bytes(one.descriptors)) for one in (a, b))
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
