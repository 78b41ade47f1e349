"""Compare whole images by the features of a network as well, if neither keypoints nor hashes decide.

The meaning of a cosine depends on the network: between unrelated images it may be 0.3 or 0.9. No threshold is built in;
the cosines of unrelated pairs are measured with the network in use (`calibrate_backbone`). The share of pairs closer
than a small distance r falls like a power of r, as the volume of a ball does. With 1 - cosine as the distance, the tail
of -ln(1 - cosine) is exponential, and `Calibration` fits it (its mean excess is Hill's estimator, 1975). This turns a
cosine into a significance: -log10 of the share of unrelated pairs at least as close.

A network alone is no more reliable than a hash, but they fail on different pairs, so their significances are added as
in Fisher's method (1925); the distribution of the sum is measured too, because they are not independent. Without a
calibration the cosine is reported but never decides.
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
"""Accepted share of unrelated pairs reported as copies. Whatever the rate, a pair must be more significant than the
most significant unrelated pair measured."""

_LEAST_DISTANCE: Final = 1e-6  # between float32 vectors of norm 1 that are equal up to rounding


class Seen(NamedTuple):
    """What whole images are compared by: the perceptual hash, (256,), and the features, (8 d,)."""

    signature: NDArray[np.float32]
    features: NDArray[np.float32]


class Likeness(NamedTuple):
    """Similarity of image a and each of N images b as a whole.

    Attributes
    ----------
    significance : (N,) float64
        Of hash and network together, the largest over the eight symmetries.
    symmetry : (N,) int
        Index in `SYMMETRIES` of the symmetry that maps a to b.
    cosine : (N,) float32
        Cosine of the features in that symmetry.
    """

    significance: NDArray[np.float64]
    symmetry: NDArray[np.intp]
    cosine: NDArray[np.float32]


@dataclass(frozen=True)
class BackboneCalibration:
    """The tails of the scores of a network on unrelated pairs.

    Attributes
    ----------
    closeness : Calibration
        The tail of -ln(1 - cosine); its `matcher` names the network.
    together : Calibration
        The tail of the combined significance of hash and network.
    """

    closeness: Calibration
    together: Calibration

    def significance(self, cosines: ArrayLike) -> NDArray[np.float64]:
        """Return -log10 of the share of unrelated pairs at least as close, by the fitted tail; at least 0."""
        tail = self.closeness
        excess = (closeness(cosines) - tail.tail_start) / (tail.tail_scale * math.log(10))
        return np.maximum(excess - math.log10(tail.tail_rate), 0)


@dataclass(frozen=True)
class BackboneFallback:
    """The network that compares images with too few keypoints, and the calibration of its cosines.

    Parameters
    ----------
    backbone : OnnxBackbone
        The network that computes the features.
    calibration : BackboneCalibration, optional
        Measured with this network. Without it cosines are reported but never decide.
    false_match_rate : float
        Accepted share of unrelated pairs reported as copies; smaller values give a higher threshold.

    Raises
    ------
    SettingsError
        If the calibration was measured with another network, stage or preprocessing, or the rate is not in (0, 1).
    """

    backbone: OnnxBackbone
    calibration: BackboneCalibration | None = None
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
        """The extractor of the features, in all eight symmetries."""
        return SymmetricBackbone(self.backbone)

    @property
    def matcher(self) -> str:
        """A fingerprint of the settings that affect the features: all but the device, since devices agree."""
        return config.fingerprint(SymmetricBackbone(replace(self.backbone, device="cpu")))

    @property
    def threshold(self) -> float:
        """The significance above which a pair counts as a copy; infinite without a calibration.

        It is never below the threshold of the hash alone.
        """
        if self.calibration is None:
            return math.inf
        together = self.calibration.together
        return max(together.threshold_for(self.false_match_rate), together.highest, HASH_THRESHOLD)

    def compare(self, a: Seen, b: Seen) -> Likeness:
        """Compare image a with N images b, whose hashes are (N, 256) and whose features are (N, 8 d).

        Without a calibration the symmetry is the one of the largest cosine and significances are 0.
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
        """Return the settings and the threshold as plain values, for reports."""
        return {
            "backbone": config.to_dict(self.backbone),
            "threshold": self.threshold,
            "false_match_rate": self.false_match_rate,
            "calibration": None if self.calibration is None else config.to_dict(self.calibration),
        }


def closeness(cosines: ArrayLike) -> NDArray[np.float64]:
    """Return -ln(1 - cosine), the scale on which the tail is exponential; at least 0."""
    return -np.log(np.clip(1 - np.asarray(cosines, np.float64), _LEAST_DISTANCE, 1))


def symmetric_cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosines between image a, under each of its eight symmetries, and N images b.

    Parameters
    ----------
    a : (8 d,) float32
        As returned by `SymmetricBackbone`.
    b : (N, 8 d) float32

    Returns
    -------
    (N, 8) float32
        For each of `SYMMETRIES` the mean cosine over the eight versions of b and the corresponding versions of a.
        Exchanging a and b exchanges a symmetry and its inverse.
    """
    return np.asarray(b @ symmetric_features(a).T)


def compare_by_backbone(a: Seen, b: Seen, fallback: BackboneFallback, undecided: MatchResult) -> MatchResult:
    """Compare two whole images by their hashes and the features of a network together.

    Parameters
    ----------
    a, b : Seen
    fallback : BackboneFallback
    undecided : MatchResult
        The result of comparing the hashes. A copy is returned unchanged.

    Returns
    -------
    MatchResult
        With method ``backbone``; its score is the combined significance. The verdict is ``copy`` or ``cannot decide``.
    """
    if undecided.verdict == "copy":
        return undecided
    found = fallback.compare(a, Seen(b.signature[np.newaxis], b.features[np.newaxis]))
    return likeness_result(found, 0, fallback, undecided)


def likeness_result(found: Likeness, row: int, fallback: BackboneFallback, undecided: MatchResult) -> MatchResult:
    """Return the result of one row of a likeness, for two images that nothing else decided."""
    significance, cosine = float(found.significance[row]), float(found.cosine[row])
    few = f"too few keypoints ({undecided.n_keypoints[0]} and {undecided.n_keypoints[1]})"
    alike = f"b is like a {SYMMETRIES[found.symmetry[row]]}, cosine {cosine:.3f} by the network"
    both = f"significance {significance:.1f} with the perceptual hash, {fallback.threshold:.1f} needed"
    is_copy = significance > fallback.threshold
    if fallback.calibration is None:
        reason = f"{undecided.reason}; {alike}, which decides nothing until this network is calibrated"
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
