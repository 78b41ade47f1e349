"""Benchmark of keypoint detectors: repeatability and matching accuracy on scenes with known homographies."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classicvision.errors import ImageReadError, NotEnoughDataError, SettingsError
from classicvision.evaluation.detectors import DETECTORS, absence
from classicvision.evaluation.keypoints import (
    MatchingProtocol,
    MatchingSummary,
    PairScores,
    score_pair,
    shrink_pair,
    summarise,
)
from classicvision.evaluation.scenes import Scene, find_scenes
from classicvision.extraction import Failure
from classicvision.images import read_image
from classicvision.progress import Progress, stage
from classicvision.workers import count_workers, in_order

__all__ = ["DEFAULT_DETECTORS", "MatchingBenchmark", "ScoredPair", "compare_detectors"]

DEFAULT_DETECTORS: Final = ("sift-exact", "sift-fast", "sift-opencv", "orb", "akaze")
"""All detectors but the reference, which takes seconds per image."""

MATCHING: Final = "scenes"  # the stage of progress


@dataclass(frozen=True)
class ScoredPair:
    """The scores of one detector on one pair of a scene.

    Attributes
    ----------
    detector, scene : str
    a, b : Path
        The two images; the homography maps a onto b.
    scores : PairScores
    """

    detector: str
    scene: str
    a: Path
    b: Path
    scores: PairScores


@dataclass(frozen=True, eq=False)
class MatchingBenchmark:
    """The results of a benchmark of detectors, and how they were measured.

    Attributes
    ----------
    summaries : mapping from detector to MatchingSummary
        In the order in which the detectors were given.
    pairs : tuple of ScoredPair
        Ordered by detector, scene and image.
    absent : mapping from detector to str
        Detectors that this installation lacks, and why.
    failures : tuple of Failure
        Images that could not be read; their pairs are skipped for all detectors.
    protocol : MatchingProtocol
    scenes : str
        The folder, as the user named it.
    seconds : float
        Wall time.
    """

    summaries: Mapping[str, MatchingSummary]
    pairs: tuple[ScoredPair, ...]
    absent: Mapping[str, str]
    failures: tuple[Failure, ...]
    protocol: MatchingProtocol
    scenes: str
    seconds: float


def compare_detectors(
    folder: Path,
    *,
    detectors: Sequence[str] = DEFAULT_DETECTORS,
    protocol: MatchingProtocol | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> MatchingBenchmark:
    """Measure repeatability and matching accuracy of detectors on pairs of images with known homographies.

    Parameters and errors are those of `workflows.benchmark_matching`.
    """
    start = time.perf_counter()
    protocol = protocol or MatchingProtocol()
    names = _known(detectors)
    absent = {name: reason for name in names if (reason := absence(name))}
    present = [name for name in names if name not in absent]
    if not present:
        raise NotEnoughDataError("no detector to compare: " + "; ".join(f"{n}: {why}" for n, why in absent.items()))
    tasks = [_Task(name, scene, protocol) for name in present for scene in find_scenes(folder)]
    scored = in_order(_score, tasks, count_workers(n_jobs, len(tasks)), progress=stage(progress, MATCHING))
    pairs = tuple(pair for found, _ in scored for pair in found)
    failures = {failure.path: failure for _, failed in scored for failure in failed}
    if not pairs:
        raise NotEnoughDataError(f"no pair of images in {folder} could be read; the first: {next(iter(failures))}")
    return MatchingBenchmark(
        summaries={name: summarise([p.scores for p in pairs if p.detector == name]) for name in present},
        pairs=pairs,
        absent=absent,
        failures=tuple(failures.values()),
        protocol=protocol,
        scenes=str(folder),
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, eq=False)
class _Task:
    detector: str
    scene: Scene
    protocol: MatchingProtocol


def _score(task: _Task) -> tuple[list[ScoredPair], list[Failure]]:
    """Score the pairs of a scene by one detector."""
    detect, scene, max_side = DETECTORS[task.detector], task.scene, task.protocol.max_side
    try:
        first = read_image(scene.first)
    except ImageReadError as error:
        return [], [Failure(scene.first, error.reason)]
    scored, failures = [], []
    of_first = None
    for path, b_from_a in scene.others:
        try:
            a, b, shrunk_b_from_a = shrink_pair(first, read_image(path), b_from_a, max_side)
        except ImageReadError as error:
            failures.append(Failure(path, error.reason))
            continue
        of_first = detect(a) if of_first is None else of_first
        scores = score_pair(of_first, detect(b), shrunk_b_from_a, task.protocol)
        scored.append(ScoredPair(task.detector, scene.name, scene.first, path, scores))
    return scored, failures


def _known(detectors: Sequence[str]) -> list[str]:
    for name in detectors:
        if name not in DETECTORS:
            raise SettingsError(f"detector is {name!r}; choose from {', '.join(DETECTORS)}")
    return list(dict.fromkeys(detectors))
