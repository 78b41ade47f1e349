"""The result of a benchmark of detectors as plain values, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from classicvision import config
from classicvision.evaluation.detectors import DETECTORS
from classicvision.evaluation.keypoints import ACCURACY_THRESHOLDS, HOMOGRAPHY_THRESHOLDS
from classicvision.versions import library_versions

if TYPE_CHECKING:
    from classicvision.evaluation.keypoint_benchmark import MatchingBenchmark, ScoredPair

__all__ = ["matching_to_dict"]

FORMAT_VERSION: Final = 1


def matching_to_dict(measured: MatchingBenchmark) -> dict[str, Any]:
    """Return a benchmark as plain values, for JSON; a corner error is null where there is no homography."""
    used = {name: config.to_dict(DETECTORS[name]) for name in measured.summaries}
    return {
        "format_version": FORMAT_VERSION,
        "scenes": measured.scenes,
        "protocol": config.to_dict(measured.protocol),
        "accuracy_thresholds": list(ACCURACY_THRESHOLDS),
        "homography_thresholds": list(HOMOGRAPHY_THRESHOLDS),
        "detectors": used,
        "absent": dict(measured.absent),
        "summaries": {name: _finite(asdict(summary)) for name, summary in measured.summaries.items()},
        "pairs": [_pair_to_dict(pair) for pair in measured.pairs],
        "failures": [{"path": str(failure.path), "reason": failure.reason} for failure in measured.failures],
        "versions": library_versions(),
        "seconds": measured.seconds,
    }


def _pair_to_dict(pair: ScoredPair) -> dict[str, Any]:
    rates = {name: getattr(pair.scores, name) for name in ("repeatability", "matching_score", "precision")}
    where = {"detector": pair.detector, "scene": pair.scene, "a": str(pair.a), "b": str(pair.b)}
    return where | _finite(asdict(pair.scores) | rates)


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """Replace numbers that JSON cannot express."""
    return {name: None if value == float("inf") else value for name, value in facts.items()}
