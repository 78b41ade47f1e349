"""Repeatability and matching accuracy of keypoints on pairs of images with a known homography.

The measures are those of Mikolajczyk and Schmid (2005, doi:10.1109/TPAMI.2005.188), the mean matching accuracy of
Dusmanu et al. (2019) and the homography accuracy of DeTone et al. (2018). They depend on the number
of keypoints, the size of the images and the tolerances: the `MatchingProtocol`, which is part of every result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.config import require, validate
from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.homography import corner_error, estimate_homography, in_resized
from classicvision.evaluation.repeatability import Features, count_repeated, match_by_ratio, shared_places
from classicvision.images import Image, shrink
from classicvision.matching.geometry import warp_points

__all__ = [
    "ACCURACY_THRESHOLDS",
    "HOMOGRAPHY_THRESHOLDS",
    "MatchingProtocol",
    "MatchingSummary",
    "PairScores",
    "score_pair",
    "shrink_pair",
    "summarise",
]

ACCURACY_THRESHOLDS: Final = tuple(range(1, 11))
"""Distances in pixels at which the share of correct matches is reported."""

HOMOGRAPHY_THRESHOLDS: Final = (1, 3, 5)
"""Corner errors in pixels up to which a homography counts as correct."""


@dataclass(frozen=True)
class MatchingProtocol:
    """What the scores depend on, apart from the images and the detector.

    Parameters
    ----------
    max_side : int, optional
        Shrink larger images to this longest side in pixels first; all errors are in pixels of the shrunk images. None
        never shrinks.
    n_keypoints : int, default 2000
        Keep the strongest keypoints of each image. More keypoints also agree by accident: compare detectors with
        the same number.
    ratio : float, default 0.8
        Accept a match if it is nearer than this times the second nearest (Lowe 2004, section 7.1). Larger values accept
        more matches, of which more are wrong; 1 accepts all but ties.
    mutual : bool, default True
        Require that each keypoint of a match is the nearest of the other.
    threshold : float, default 3
        Largest error in pixels of a repeated keypoint, a correct match and an inlier.
    scale_factor : float, default 1.29
        Largest ratio of the scales of a repeated keypoint; circles then overlap by 60 % or more.
    n_hypotheses : int, default 2000
        Random hypotheses of four matches each for the homography. More are needed where few matches are correct.
    seed : int, default 0
        Random seed of the hypotheses.

    Raises
    ------
    SettingsError
        For a value out of range.
    """

    kind: ClassVar[str] = "matching-protocol"
    version: ClassVar[int] = 1

    max_side: int | None = None
    n_keypoints: int = 2000
    ratio: float = 0.8
    mutual: bool = True
    threshold: float = 3.0
    scale_factor: float = 1.29
    n_hypotheses: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        validate(self)
        require(self.max_side is None or self.max_side >= 16, "max_side", self.max_side, "at least 16")
        require(self.n_keypoints >= 1, "n_keypoints", self.n_keypoints, "at least 1")
        require(0 < self.ratio <= 1, "ratio", self.ratio, "above 0 and at most 1")
        require(self.threshold > 0, "threshold", self.threshold, "above 0")
        require(self.scale_factor > 1, "scale_factor", self.scale_factor, "above 1")
        require(self.n_hypotheses >= 1, "n_hypotheses", self.n_hypotheses, "at least 1")
        require(self.seed >= 0, "seed", self.seed, "at least 0")


@dataclass(frozen=True)
class PairScores:
    """The scores of one detector on one pair.

    Attributes
    ----------
    n_keypoints : (int, int)
        Of a and of b, within the budget.
    n_visible : (int, int)
        Those in the part that both images show.
    n_places : (int, int)
        The same without repeats: a place with two directions is one.
    n_repeated : int
        Places that are repeated, matched one to one.
    n_matches, n_right : int
    accuracies : tuple of float
        Share of the matches with an error within each of `ACCURACY_THRESHOLDS`; 0 without matches.
    corner_error : float
        Of the homography estimated from the matches, in pixels; infinite without one.
    """

    n_keypoints: tuple[int, int]
    n_visible: tuple[int, int]
    n_places: tuple[int, int]
    n_repeated: int
    n_matches: int
    n_right: int
    accuracies: tuple[float, ...]
    corner_error: float

    @property
    def repeatability(self) -> float:
        """Repeated places over the smaller number of places in either image; 0 without places."""
        return self.n_repeated / max(min(self.n_places), 1)

    @property
    def matching_score(self) -> float:
        """Correct matches over the smaller number of visible keypoints in either image; 0 without keypoints.

        Above 1 only where matches need not be mutual.
        """
        return self.n_right / max(min(self.n_visible), 1)

    @property
    def precision(self) -> float:
        """Correct matches over all matches; 0 without matches."""
        return self.n_right / max(self.n_matches, 1)


@dataclass(frozen=True)
class MatchingSummary:
    """Means over pairs, all of equal weight.

    Attributes
    ----------
    n_pairs : int
    n_keypoints, repeatability, n_matches, n_right, matching_score, precision : float
    accuracies : tuple of float
        Mean matching accuracy within each of `ACCURACY_THRESHOLDS`.
    homographies : tuple of float
        Share of the pairs with a corner error of at most 1, 3 and 5 pixels.
    median_corner_error : float
    """

    n_pairs: int
    n_keypoints: float
    repeatability: float
    n_matches: float
    n_right: float
    matching_score: float
    precision: float
    accuracies: tuple[float, ...]
    homographies: tuple[float, ...]
    median_corner_error: float


def score_pair(
    a: Features, b: Features, b_from_a: NDArray[np.float64], protocol: MatchingProtocol | None = None
) -> PairScores:
    """Measure repeatability and matching accuracy on one pair.

    Parameters
    ----------
    a, b : LocalFeatures or BinaryFeatures
        Of one detector, each in the frame of its image.
    b_from_a : (3, 3) float64
        The true homography.
    protocol : MatchingProtocol, optional
        `max_side` is ignored: the images were shrunk before.
    """
    protocol = protocol or MatchingProtocol()
    a, b = a.strongest(protocol.n_keypoints), b.strongest(protocol.n_keypoints)
    places_a, places_b, n_visible = shared_places(a, b, b_from_a)
    pairs = match_by_ratio(a, b, ratio=protocol.ratio, mutual=protocol.mutual)
    matched_a, matched_b = (f.xy[rows].astype(np.float64) for f, rows in zip((a, b), pairs.T, strict=True))
    errors = np.linalg.norm(warp_points(matched_a, b_from_a) - matched_b, axis=1)
    estimated = estimate_homography(
        matched_a,
        matched_b,
        threshold=protocol.threshold,
        n_hypotheses=protocol.n_hypotheses,
        rng=np.random.default_rng(protocol.seed),
    )
    return PairScores(
        n_keypoints=(len(a), len(b)),
        n_visible=n_visible,
        n_places=(len(places_a), len(places_b)),
        n_repeated=count_repeated(places_a, places_b, distance=protocol.threshold, scale_factor=protocol.scale_factor),
        n_matches=len(pairs),
        n_right=int((errors <= protocol.threshold).sum()),
        accuracies=tuple(float((errors <= limit).sum() / max(len(pairs), 1)) for limit in ACCURACY_THRESHOLDS),
        corner_error=corner_error(estimated, b_from_a, a.image_size),
    )


def shrink_pair(
    a: Image, b: Image, b_from_a: NDArray[np.float64], max_side: int | None
) -> tuple[Image, Image, NDArray[np.float64]]:
    """Shrink two images to a longest side, if one is given, and return them with the homography between them."""
    if max_side is None:
        return a, b, b_from_a
    small_a, small_b = shrink(a, max_side), shrink(b, max_side)
    sizes, new_sizes = (
        ((one.shape[0], one.shape[1]), (other.shape[0], other.shape[1])) for one, other in ((a, b), (small_a, small_b))
    )
    return small_a, small_b, in_resized(b_from_a, sizes, new_sizes)


def summarise(pairs: Sequence[PairScores]) -> MatchingSummary:
    """Return the means over pairs.

    Raises
    ------
    NotEnoughDataError
        If there is no pair.
    """
    if not pairs:
        raise NotEnoughDataError("no pair of images was scored; at least one is needed")
    errors = np.array([pair.corner_error for pair in pairs])
    mean = {
        name: float(np.mean([getattr(pair, name) for pair in pairs]))
        for name in ("n_keypoints", "repeatability", "n_matches", "n_right", "matching_score", "precision")
    }
    return MatchingSummary(
        n_pairs=len(pairs),
        **mean,
        accuracies=tuple(np.mean([pair.accuracies for pair in pairs], axis=0).tolist()),
        homographies=tuple(float(np.mean(errors <= limit)) for limit in HOMOGRAPHY_THRESHOLDS),
        median_corner_error=float(np.median(errors)),
    )
