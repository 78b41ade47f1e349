"""Comparing pictures as a whole by the features of a network too, where keypoints and signatures decide nothing.

What a cosine of features means depends on the network: between unrelated pictures it may be 0.3 or 0.9. So no
threshold is built in. The cosines of unrelated pairs are measured with that very network (`calibrate_backbone`). The
share of them that are closer than a small distance r falls like a power of r, as the volume of a ball does; the
distance is 1 - cosine, so the tail of -ln(1 - cosine) is exponential, and `Calibration` fits it (its mean excess is
Hill's estimate, 1975). That turns a cosine into a significance: -log10 of the share of unrelated pairs as close.

A network on its own is no surer than a signature, but the two err on different pairs, so their significances are added
(Fisher's method, 1925, but for the law of the sum, which is measured too, because the two are not independent). Without
a measurement the cosine is told, and decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classicvision import config
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.symmetric import SymmetricBackbone, symmetric_features
from classicvision.errors import SettingsError
from classicvision.features.phash import SYMMETRIES
from classicvision.matching.calibration import Calibration
from classicvision.matching.global_match import HASH_THRESHOLD, symmetric_significance
from classicvision.matching.result import MatchResult

__all__ = [
    "FALLBACK_RATE",
    "BackboneCalibration",
    "BackboneFallback",
    "Likeness",
    "Seen",
    "closeness",
    "compare_by_backbone",
    "likeness_result",
    "symmetric_cosines",
]

FALLBACK_RATE: Final = 1e-7
"""Share of unrelated pairs that may be called copies. Whatever the rate, no pair passes that is no surer than the
surest unrelated pair that was measured."""

_LEAST_DISTANCE: Final = 1e-6  # of two float32 vectors of norm 1 that are equal but for rounding


class Seen(NamedTuple):
    """What a picture is compared by as a whole: the signs of its waves, (256,), and its features, (8 d,)."""

    signature: NDArray[np.float32]
    features: NDArray[np.float32]


class Likeness(NamedTuple):
    """How alike picture a and each of N pictures b are as a whole.

    Attributes
    ----------
    significance : (N,) float64
        Of signature and network together, the largest over the eight symmetries.
    symmetry : (N,) int
        Which: b is a as that entry of `SYMMETRIES` says.
    cosine : (N,) float32
        Of the features in that symmetry.
    """

    significance: NDArray[np.float64]
    symmetry: NDArray[np.intp]
    cosine: NDArray[np.float32]


@dataclass(frozen=True)
class BackboneCalibration:
    """What was measured of a network on unrelated pairs.

    Attributes
    ----------
    closeness : Calibration
        The tail of -ln(1 - cosine); its `matcher` names the network.
    together : Calibration
        The tail of the significance of signature and network together.
    """

    closeness: Calibration
    together: Calibration

    def significance(self, cosines: ArrayLike) -> NDArray[np.float64]:
        """Return -log10 of the share of unrelated pairs that are as close, by the law of the tail; at least 0."""
        tail = self.closeness
        excess = (closeness(cosines) - tail.tail_start) / (tail.tail_scale * math.log(10))
        return np.maximum(excess - math.log10(tail.tail_rate), 0)


@dataclass(frozen=True)
class BackboneFallback:
    """The network that pictures with too few keypoints are compared by, and what its cosines mean.

    Raises
    ------
    SettingsError
        If the calibration was measured with another network, stage or preprocessing, or the rate is none.
    """

    backbone: OnnxBackbone
    calibration: BackboneCalibration | None = None  # of this network; without it nothing is called a copy
    false_match_rate: float = FALLBACK_RATE

    def __post_init__(self) -> None:
        if not 0 < self.false_match_rate < 1:
            raise SettingsError(f"the false-match rate is {self.false_match_rate}; it must be above 0 and below 1")
        known = self.calibration
        if known is not None and known.closeness.matcher != self.matcher:
            raise SettingsError(
                "the calibration was measured with another network, stage or preprocessing; measure this one with "
                "`classicvision calibrate --backbone`"
            )

    @cached_property
    def features(self) -> SymmetricBackbone:
        """What is extracted from a picture."""
        return SymmetricBackbone(self.backbone)

    @property
    def matcher(self) -> str:
        """A fingerprint of what decides the features: everything but the device, since they agree."""
        return config.fingerprint(SymmetricBackbone(replace(self.backbone, device="cpu")))

    @property
    def threshold(self) -> float:
        """The significance above which a pair is called a copy; infinite if nothing was measured.

        It is never less than what a signature needs alone.
        """
        if self.calibration is None:
            return math.inf
        together = self.calibration.together
        return max(together.threshold_for(self.false_match_rate), together.highest, HASH_THRESHOLD)

    def compare(self, a: Seen, b: Seen) -> Likeness:
        """Compare picture a with N pictures b, whose signatures are (N, 256) and whose features are (N, 8 d).

        Without a calibration only cosines count.
        """
        cosines = symmetric_cosines(a.features, b.features)
        if self.calibration is None:
            best = cosines.argmax(axis=1)
            together = np.zeros(cosines.shape)
        else:
            together = symmetric_significance(a.signature, b.signature) + self.calibration.significance(cosines)
            best = together.argmax(axis=1)
        rows = np.arange(len(cosines))
        return Likeness(together[rows, best], best, cosines[rows, best])

    def to_dict(self) -> dict[str, Any]:
        """Return what is to be told of it, as plain values."""
        return {
            "backbone": config.to_dict(self.backbone),
            "threshold": self.threshold,
            "false_match_rate": self.false_match_rate,
            "calibration": None if self.calibration is None else config.to_dict(self.calibration),
        }


def closeness(cosines: ArrayLike) -> NDArray[np.float64]:
    """Return -ln(1 - cosine), the scale on which the law of the tail holds; at least 0."""
    return -np.log(np.clip(1 - np.asarray(cosines, np.float64), _LEAST_DISTANCE, 1))


def symmetric_cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how alike picture a, mirrored and turned in eight ways, and each of N pictures b are to a network.

    Parameters
    ----------
    a : (8 d,) float32
        As `SymmetricBackbone` returns it.
    b : (N, 8 d) float32

    Returns
    -------
    (N, 8) float32
        For each of `SYMMETRIES` the mean cosine of the eight versions of b with those of a that show it so. Exchanging
        a and b exchanges a symmetry and its inverse.
    """
    return np.asarray(b @ symmetric_features(a).T)


def compare_by_backbone(a: Seen, b: Seen, fallback: BackboneFallback, undecided: MatchResult) -> MatchResult:
    """Say whether two pictures are the same as a whole by their signatures and a network together.

    Parameters
    ----------
    a, b : Seen
    fallback : BackboneFallback
    undecided : MatchResult
        What the signatures of the two said. One that is a copy is returned as it is.

    Returns
    -------
    MatchResult
        Of method ``backbone``; its score is the significance of both together. The verdict is ``copy`` or
        ``cannot decide``.
    """
    if undecided.verdict == "copy":
        return undecided
    found = fallback.compare(a, Seen(b.signature[np.newaxis], b.features[np.newaxis]))
    return likeness_result(found, 0, fallback, undecided)


def likeness_result(found: Likeness, row: int, fallback: BackboneFallback, undecided: MatchResult) -> MatchResult:
    """Return what one row of a likeness says of two pictures of which nothing else says anything."""
    significance, cosine = float(found.significance[row]), float(found.cosine[row])
    few = f"too few keypoints ({undecided.n_keypoints[0]} and {undecided.n_keypoints[1]})"
    alike = f"b is like a {SYMMETRIES[found.symmetry[row]]}, cosine {cosine:.3f} by the network"
    both = f"with the slow waves significance {significance:.1f}, and {fallback.threshold:.1f} is needed"
    is_copy = significance > fallback.threshold
    if fallback.calibration is None:
        reason = f"{undecided.reason}; {alike}, which says nothing before this network is calibrated"
    else:
        reason = f"{few}, but as a whole {alike}; {both}" if is_copy else f"{undecided.reason}; {alike}; {both}"
    return replace(
        undecided,
        verdict="copy" if is_copy else "cannot decide",
        method="backbone",
        score=significance if fallback.calibration else undecided.score,
        cosine=cosine,
        reason=reason,
    )
