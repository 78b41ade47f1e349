"""Calibration of keypoint matching: thresholds for rates of false matches, measured on unrelated images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.copies.calibration_file import FORMAT_VERSION, common_facts, read_calibrated
from classicvision.copies.calibration_pairs import Pair, WorstPair, draw_pairs, groups_of, worst_pairs
from classicvision.errors import SettingsError
from classicvision.extraction import Failure, extract
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.folders import images_in
from classicvision.items import Items
from classicvision.matching.calibration import Calibration, fit_calibration
from classicvision.matching.pair import match_features
from classicvision.matching.settings import MatchSettings
from classicvision.progress import EXTRACTING, Progress, StageProgress, stage
from classicvision.workers import count_workers, in_order

__all__ = ["COMPARING", "CalibrationRun", "calibrate_keypoints", "matcher_fingerprint", "read_calibration"]

COMPARING: Final = "pairs"
"""The stage in which pairs are compared, a step for each pair."""

KIND: Final = "classicvision-calibration"
TASK_PAIRS: Final = 16  # pairs that are one task of a worker


@dataclass(frozen=True, eq=False)
class CalibrationRun:
    """A calibration, and what it was made from.

    Attributes
    ----------
    calibration : Calibration
    scores : (N,) float64
        Of all pairs.
    worst : tuple of WorstPair
        The pairs of highest score, highest first, to be checked by eye.
    n_undecided : int
        Images with too few keypoints, which were skipped.
    extractor, matching
        The settings that were measured.
    failures : tuple of Failure
        Images that could not be read.
    seconds : float
        Wall time.
    """

    calibration: Calibration
    scores: NDArray[np.float64]
    worst: tuple[WorstPair, ...]
    n_undecided: int
    extractor: Sift
    matching: MatchSettings
    failures: tuple[Failure, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the scores and the time as plain values."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "calibration": config.to_dict(self.calibration),
            "extractor": config.to_dict(self.extractor),
            "matching": config.to_dict(self.matching),
            **common_facts(self.n_undecided, self.worst, self.failures),
        }


def calibrate_keypoints(
    folder: PathLike | Sequence[PathLike],
    extractor: Sift,
    matching: MatchSettings,
    *,
    n_pairs: int,
    across_folders: bool,
    seed: int,
    cache: FeatureCache | None,
    n_jobs: int,
    progress: Progress | None,
) -> CalibrationRun:
    """Compare unrelated images and fit the tail of their scores; parameters are those of `workflows.calibrate`."""
    start = time.perf_counter()
    paths = images_in(folder)
    found = extract(paths, extractor, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    rows = [row for row, item in enumerate(found.items) if len(item) >= matching.min_keypoints]
    groups = groups_of(found, paths, rows, across_folders=across_folders)
    pairs = [(rows[i], rows[j]) for i, j in draw_pairs(groups, n_pairs, np.random.default_rng(seed))]
    scores = _scores(found.items, pairs, matching, n_jobs, stage(progress, COMPARING))
    calibration = fit_calibration(scores, n_images=len(rows), matcher=matcher_fingerprint(extractor, matching))
    worst = worst_pairs(pairs, scores, [paths[row] for row in found.rows])
    return CalibrationRun(
        calibration=calibration,
        scores=scores,
        worst=tuple(pair for pair in worst if pair.score > 0),
        n_undecided=len(found.items) - len(rows),
        extractor=extractor,
        matching=matching,
        failures=found.failures,
        seconds=time.perf_counter() - start,
    )


def read_calibration(path: PathLike, *, extractor: Sift, matching: MatchSettings) -> Calibration:
    """Read a calibration file and check that it was measured with these settings.

    Raises
    ------
    SettingsError
        If the file is not a calibration, or one of another matcher.
    """
    calibration = read_calibrated(path, Calibration, KIND, "calibration file", "`classicvision calibrate` makes one")
    if calibration.matcher != matcher_fingerprint(extractor, matching):
        raise SettingsError(f"{path} was measured with other settings of extractor or matching; calibrate again")
    return calibration


def matcher_fingerprint(extractor: Sift, matching: MatchSettings) -> str:
    """Return the fingerprint of everything that decides the score of a pair: not the threshold, nor the engine."""
    return config.fingerprint((replace(extractor, engine="reference"), replace(matching, threshold=0.0)))


@dataclass(frozen=True)
class _Comparison:
    """Compares some pairs, in this process or in a worker."""

    items: Items[LocalFeatures]
    settings: MatchSettings

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the scores of pairs, most of which share their first image."""
        first = lru_cache(maxsize=1)(self.items.__getitem__)
        return [match_features(first(i), self.items[j], self.settings).score for i, j in pairs]


def _scores(
    items: Items[LocalFeatures],
    pairs: Sequence[Pair],
    settings: MatchSettings,
    n_jobs: int,
    progress: StageProgress | None,
) -> NDArray[np.float64]:
    """Return the score of each pair, in order, the same for any number of workers."""
    tasks = [pairs[start : start + TASK_PAIRS] for start in range(0, len(pairs), TASK_PAIRS)]

    def report(n_done: int, n_tasks: int) -> None:
        if progress is not None:
            progress(min(n_done * TASK_PAIRS, len(pairs)), len(pairs))

    found = in_order(_Comparison(items, settings), tasks, count_workers(n_jobs, len(tasks)), report)
    return np.array([score for scores in found for score in scores])
