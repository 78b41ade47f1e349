"""How well detectors of keypoints do on scenes with known homographies, in the layouts of Oxford and of HPatches."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.errors import ImageReadError, NotEnoughDataError, SettingsError
from classicvision.evaluation.matching import (
    ACCURACY_THRESHOLDS,
    DETECTORS,
    HOMOGRAPHY_THRESHOLDS,
    MatchingProtocol,
    MatchingSummary,
    PairScores,
    absence,
    score_pair,
    shrink_pair,
    summarise,
)
from classicvision.extraction import Failure
from classicvision.files import PathLike
from classicvision.folders import EXTENSIONS
from classicvision.images import read_image
from classicvision.progress import Progress, stage
from classicvision.versions import library_versions
from classicvision.workers import count_workers, in_order

__all__ = ["DEFAULT_DETECTORS", "MatchingBenchmark", "ScoredPair", "benchmark_matching", "matching_to_dict"]

DEFAULT_DETECTORS: Final = ("sift-exact", "sift-fast", "sift-opencv", "orb", "akaze")
"""All but the reference, which takes seconds an image."""

MATCHING: Final = "scenes"
FORMAT_VERSION: Final = 1

# H1to3p beside img1.png and img3.png (Mikolajczyk et al. 2005); H_1_3 beside 1.ppm and 3.ppm (Balntas et al. 2017).
_LAYOUTS: Final = ((re.compile(r"H1to(\d+)p"), "img{}"), (re.compile(r"H_1_(\d+)"), "{}"))


@dataclass(frozen=True)
class ScoredPair:
    """How one detector did on one pair of a scene.

    Attributes
    ----------
    detector, scene : str
    a, b : Path
        The two pictures; the homography maps a onto b.
    scores : PairScores
    """

    detector: str
    scene: str
    a: Path
    b: Path
    scores: PairScores


@dataclass(frozen=True, eq=False)
class MatchingBenchmark:
    """What a benchmark of matching measured, and how.

    Attributes
    ----------
    summaries : mapping from detector to MatchingSummary
        In the order in which the detectors were asked for.
    pairs : tuple of ScoredPair
        By detector, scene and picture.
    absent : mapping from detector to str
        Those that this installation lacks, and why.
    failures : tuple of Failure
        Pictures that could not be read; their pairs are left out for all detectors.
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


def benchmark_matching(
    folder: PathLike,
    *,
    detectors: Sequence[str] = DEFAULT_DETECTORS,
    protocol: MatchingProtocol | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> MatchingBenchmark:
    """Measure how keypoints come back and match, on pairs of pictures with known homographies.

    Parameters
    ----------
    folder : path
        A scene, or a folder of scenes: ``img1.png`` to ``img6.png`` with ``H1to2p`` to ``H1to6p``, or ``1.ppm`` to
        ``6.ppm`` with ``H_1_2`` to ``H_1_6``. A homography is nine numbers in three rows and maps points of the first
        picture onto the other.
    detectors : sequence of str
        Names in `DETECTORS`. Those that the installation lacks are listed and left out.
    protocol : MatchingProtocol, optional
    n_jobs, progress
        As for each verb.

    Raises
    ------
    NotEnoughDataError
        If there is no scene, a picture is missing, none of the pairs can be read or none of the detectors is here.
    SettingsError
        For a detector that does not exist, or a file that holds no homography.
    """
    start = time.perf_counter()
    protocol = protocol or MatchingProtocol()
    absent = {name: reason for name in _known(detectors) if (reason := absence(name))}
    present = [name for name in _known(detectors) if name not in absent]
    if not present:
        raise NotEnoughDataError("no detector to compare: " + "; ".join(f"{n}: {why}" for n, why in absent.items()))
    scenes = _find_scenes(Path(folder))
    tasks = [_Task(name, scene, protocol) for name in present for scene in scenes]
    answers = in_order(_run, tasks, count_workers(n_jobs, len(tasks)), progress=stage(progress, MATCHING))
    pairs = tuple(pair for scored, _ in answers for pair in scored)
    failures = {failure.path: failure for _, failed in answers for failure in failed}
    if not pairs:
        raise NotEnoughDataError(f"no pair of pictures in {folder} could be read; the first: {next(iter(failures))}")
    return MatchingBenchmark(
        summaries={name: summarise([p.scores for p in pairs if p.detector == name]) for name in present},
        pairs=pairs,
        absent=absent,
        failures=tuple(failures.values()),
        protocol=protocol,
        scenes=str(folder),
        seconds=time.perf_counter() - start,
    )


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


@dataclass(frozen=True, eq=False)
class _Scene:
    name: str
    first: Path
    others: tuple[tuple[Path, NDArray[np.float64]], ...]  # picture and the homography onto it


@dataclass(frozen=True, eq=False)
class _Task:
    detector: str
    scene: _Scene
    protocol: MatchingProtocol


def _run(task: _Task) -> tuple[list[ScoredPair], list[Failure]]:
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


def _find_scenes(folder: Path) -> list[_Scene]:
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise NotEnoughDataError(f"{folder} {found}; expected a folder of scenes")
    places = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
    scenes = [scene for place in places if (scene := _read_scene(place)) is not None]
    if not scenes:
        raise NotEnoughDataError(
            f"no scene in {folder} or its sub-folders; a scene has img1.png, img2.png ... with H1to2p ..., "
            "or 1.ppm, 2.ppm ... with H_1_2 ..."
        )
    return scenes


def _read_scene(place: Path) -> _Scene | None:
    """Read a scene, or return None for a folder that holds no homographies."""
    for pattern, name in _LAYOUTS:
        numbers = sorted(int(match[1]) for entry in place.iterdir() if (match := pattern.fullmatch(entry.name)))
        if numbers:
            files = {int(m[1]): entry for entry in place.iterdir() if (m := pattern.fullmatch(entry.name))}
            others = tuple((_picture(place, name.format(n)), _read_homography(files[n])) for n in numbers)
            return _Scene(place.resolve().name, _picture(place, name.format(1)), others)
    return None


def _picture(place: Path, stem: str) -> Path:
    found = sorted(path for path in place.glob(f"{stem}.*") if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise NotEnoughDataError(f"{place} has a homography for {stem}, but no picture of that name; add {stem}.png")
    return found[0]


def _read_homography(path: Path) -> NDArray[np.float64]:
    try:
        numbers = np.array(path.read_text("utf-8").split(), np.float64)
    except ValueError:  # other text, or bytes that are no text
        numbers = np.zeros(0)
    if numbers.size != 9 or not np.isfinite(numbers).all() or np.linalg.det(numbers.reshape(3, 3)) == 0:
        raise SettingsError(f"{path} holds no homography; nine numbers in three rows were expected, and an inverse")
    return numbers.reshape(3, 3)


def _pair_to_dict(pair: ScoredPair) -> dict[str, Any]:
    rates = {name: getattr(pair.scores, name) for name in ("repeatability", "matching_score", "precision")}
    where = {"detector": pair.detector, "scene": pair.scene, "a": str(pair.a), "b": str(pair.b)}
    return where | _finite(asdict(pair.scores) | rates)


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """Replace numbers that JSON cannot say."""
    return {name: None if value == float("inf") else value for name, value in facts.items()}
