"""Match two images by keypoints: whether a part of one is a copy of a part of the other, and by which transform."""

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
    """Compare two images by their keypoints.

    Descriptors are matched as RootSIFT with a ratio test. Regions are found one after the other: every match proposes a
    similarity, the transform with the most inliers is refined as similarity, affinity and homography, and the most
    significant one is kept while its number of inliers is unlikely by chance.

    Parameters
    ----------
    a, b : LocalFeatures
        Keypoints of the two images, usually from `MATCHING_SIFT`.
    settings : MatchSettings, optional
        Thresholds and limits; the defaults if not given.
    orientation : {"both", "direct", "mirrored"}, default "both"
        Which copies to look for, if that is known in advance; one orientation takes half the time. Mirrored copies
        also need ``settings.mirrored``.

    Returns
    -------
    MatchResult
        Independent of the order of the keypoints, except for the row indices in `Region.pairs`. Exchanging a and b
        inverts the transforms.

    Raises
    ------
    TypeError
        If `a` or `b` is not `LocalFeatures`, such as an image.

    Examples
    --------
    >>> from classicvision import MATCHING_SIFT, match_features, read_image
    >>> image = read_image("data/copies/library/astronaut.jpg")
    >>> result = match_features(MATCHING_SIFT(image), MATCHING_SIFT(image[40:240, 60:300]))
    >>> result.verdict
    'copy'
    >>> result.regions[0].b_from_a.round()[:2, 2]  # the crop starts at x = 60, y = 40
    array([-60., -40.])
    """
    _require_features(a=a, b=b)
    settings = settings or _DEFAULTS
    if min(len(a), len(b)) < settings.min_keypoints:
        return _result(a, b, "cannot decide", Search((), 0.0, 0), _too_few(a, b, settings.min_keypoints))
    limits = Limits(settings.ratio, settings.threshold, settings.max_regions)
    rooted_a, rooted_b = (replace(one, descriptors=root_sift_bytes(one.descriptors)) for one in (a, b))
    found = search_regions(rooted_a, rooted_b, limits, orientation if settings.mirrored else "direct")
    if not found.regions:
        reason = f"no transform explains more of the {found.n_matches} matches than expected by chance"
        return _result(a, b, "no evidence", found, reason)
    n_pairs = sum(len(region.pairs) for region in found.regions)
    n = len({region.b_from_a.tobytes() for region in found.regions})  # parts of a split region share its transform
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
    return f"image {name} has {found}; at least {needed} are needed to decide"


_DEFAULTS: Final = MatchSettings()  # created once, since checking settings takes time


def _require_features(**images: object) -> None:
    for name, found in images.items():
        if not isinstance(found, LocalFeatures):
            raise TypeError(
                f"{name} is of type {type(found).__name__}; expected LocalFeatures, such as MATCHING_SIFT(image)"
            )
