"""Calibration: which threshold has which rate of false matches, measured on pictures that are known to be unrelated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.errors import SettingsError
from classicvision.extraction import Extraction, Failure, extract
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.files import PathLike, write_whole
from classicvision.folders import images_in
from classicvision.items import Items
from classicvision.matching.calibration import Calibration, fit_calibration
from classicvision.matching.pair import match_features
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.workers import count_workers, in_order

__all__ = ["CalibrationRun", "WorstPair", "calibrate", "read_calibration", "write_calibration"]

COMPARING: Final = "pairs"
KIND: Final = "classicvision-calibration"
FORMAT_VERSION: Final = 1
N_WORST: Final = 20
TASK_PAIRS: Final = 16  # pairs that are one task of a worker

Pair: TypeAlias = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class WorstPair:
    """Two pictures that look much alike to the matcher; if they do share something, take one of them out."""

    path_a: Path
    path_b: Path
    score: float


@dataclass(frozen=True, eq=False)
class CalibrationRun:
    """A calibration, and what it was made from.

    Attributes
    ----------
    calibration : Calibration
    scores : (N,) float64
        Of all pairs, in no telling order.
    worst : tuple of WorstPair
        The pairs of highest score, highest first: look at them.
    n_undecided : int
        Pictures with too few keypoints, which were left out.
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
        """Return everything as plain values, but for the scores and the time."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "calibration": config.to_dict(self.calibration),
            "extractor": config.to_dict(self.extractor),
            "matching": config.to_dict(self.matching),
            **common_facts(self.n_undecided, self.worst, self.failures),
        }


class SupportsToDict(Protocol):
    """What was measured, of keypoints or of a network."""

    def to_dict(self) -> dict[str, Any]: ...


def calibrate(
    folder: PathLike | Sequence[PathLike],
    *,
    extractor: Sift | None = None,
    matching: MatchSettings | None = None,
    n_pairs: int = 100_000,
    across_folders: bool = False,
    seed: int = 0,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> CalibrationRun:
    """Compare unrelated pictures with each other and fit the tail of their scores.

    Parameters
    ----------
    folder : path or paths
        Pictures of which no two show the same thing. Byte-equal files are compared with nothing of their kind.
    extractor, matching : settings, optional
        Those that copies are looked for with.
    n_pairs : int
        At most so many pairs, drawn at random if there are more.
    across_folders : bool
        Compare only pictures that lie in different folders, as when each folder holds one motif.
    seed : int
        Of the draw.

    Raises
    ------
    NotEnoughDataError
        If there is no picture, or too few pairs to see a tail.
    """
    start = time.perf_counter()
    extractor, matching = extractor or MATCHING_SIFT, matching or MatchSettings()
    paths = images_in(folder)
    extraction = extract(paths, extractor, cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    rows, groups = _decidable(extraction, paths, matching.min_keypoints, across_folders)
    pairs = [(int(rows[i]), int(rows[j])) for i, j in draw_pairs(groups, n_pairs, np.random.default_rng(seed))]
    scores = _scores(extraction.items, pairs, matching, n_jobs, stage(progress, COMPARING))
    calibration = fit_calibration(scores, n_images=len(rows), matcher=matcher_fingerprint(extractor, matching))
    names = [paths[row] for row in extraction.rows]
    worst = [WorstPair(names[pairs[k][0]], names[pairs[k][1]], float(scores[k])) for k in np.argsort(-scores)[:N_WORST]]
    return CalibrationRun(
        calibration=calibration,
        scores=scores,
        worst=tuple(pair for pair in worst if pair.score > 0),
        n_undecided=len(extraction.items) - len(rows),
        extractor=extractor,
        matching=matching,
        failures=extraction.failures,
        seconds=time.perf_counter() - start,
    )


def write_calibration(path: PathLike, run: SupportsToDict) -> None:
    """Write a calibration, of keypoints or of a network, as a small JSON file, whole or not at all."""
    write_whole(Path(path), [(json.dumps(run.to_dict(), indent=2) + "\n").encode()])


def read_calibration(path: PathLike, *, extractor: Sift, matching: MatchSettings) -> Calibration:
    """Read a calibration file and check that it was measured with these settings.

    Raises
    ------
    SettingsError
        If the file is no calibration, or one of another matcher.
    """
    calibration = read_calibrated(path, Calibration, KIND, "calibration file", "`classicvision calibrate` makes one")
    if calibration.matcher != matcher_fingerprint(extractor, matching):
        raise SettingsError(f"{path} was measured with other settings of extractor or matching; calibrate again")
    return calibration


def read_calibrated(path: PathLike, type_: type[T], kind: str, name: str, remedy: str) -> T:
    """Read the calibration, of the type `type_`, in a file that `write_calibration` wrote.

    Raises
    ------
    SettingsError
        If the file is none of that kind; it says `name` for what is missing, and the remedy.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no {name} ({error}); {remedy}") from error
    if not isinstance(data, dict) or data.get("kind") != kind or data.get("format_version") != FORMAT_VERSION:
        raise SettingsError(f"{path} is no {name} of this release; {remedy}")
    return config.from_dict(type_, data.get("calibration", {}), where="calibration")


def common_facts(
    n_undecided: int, worst: Iterable[WorstPair], failures: Iterable[Failure], *, score: str = "score"
) -> dict[str, Any]:
    """Return what every calibration tells, as plain values; `score` names what the worst pairs have."""
    return {
        "n_undecided": n_undecided,
        "worst": [{"a": str(pair.path_a), "b": str(pair.path_b), score: pair.score} for pair in worst],
        "failures": [{"path": str(failure.path), "reason": failure.reason} for failure in failures],
    }


def matcher_fingerprint(extractor: Sift, matching: MatchSettings) -> str:
    """Name what decides the score of a pair: everything but the threshold and, since all agree, the engine."""
    return config.fingerprint((replace(extractor, engine="reference"), replace(matching, threshold=0.0)))


def _decidable(
    extraction: Extraction[LocalFeatures], paths: Sequence[Path], min_keypoints: int, across_folders: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the items with enough keypoints, and a number for each; equal ones are not to be compared."""
    rows = [i for i, item in enumerate(extraction.items) if len(item) >= min_keypoints]
    return np.array(rows, np.intp), groups_of(extraction, paths, rows, across_folders=across_folders)


def groups_of(
    extraction: Extraction[Any], paths: Sequence[Path], rows: Iterable[int], *, across_folders: bool
) -> NDArray[np.intp]:
    """Return a number for each of some items; those with equal ones, of one folder or file, are not compared."""
    if across_folders:
        kinds = [str(paths[extraction.rows[row]].parent) for row in rows]
    else:
        kinds = [extraction.contents[row] for row in rows]
    return np.unique(kinds, return_inverse=True)[1].astype(np.intp)


def draw_pairs(groups: NDArray[np.intp], n_pairs: int, rng: np.random.Generator) -> list[Pair]:
    """Draw pairs (i, j), i < j, of different groups, each at most once, in order."""
    n = len(groups)
    total = n * (n - 1) // 2
    # Twice as many as wanted, since pairs within a group are dropped; all of them where there are not so many.
    numbers = rng.choice(total, 2 * n_pairs, replace=False) if total > 2 * n_pairs else rng.permutation(total)
    # Pair number k is (i, j) with k = j (j - 1) / 2 + i.
    j = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    j -= j * (j - 1) // 2 > numbers  # the root may be rounded up or down
    j += (j + 1) * j // 2 <= numbers
    i = numbers - j * (j - 1) // 2
    kept = np.flatnonzero(groups[i] != groups[j])[:n_pairs]
    return sorted(zip(i[kept].tolist(), j[kept].tolist(), strict=True))


@dataclass(frozen=True)
class _Comparison:
    """What is done to some pairs, in this process or in a worker."""

    items: Items[LocalFeatures]
    settings: MatchSettings

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        """Return the scores of pairs, most of which share their first picture."""
        first = lru_cache(maxsize=1)(self.items.__getitem__)
        return [match_features(first(i), self.items[j], self.settings).score for i, j in pairs]


def _scores(
    items: Items[LocalFeatures],
    pairs: Sequence[Pair],
    settings: MatchSettings,
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float64]:
    """Return the score of each pair, in order, the same for any number of workers."""
    tasks = [pairs[start : start + TASK_PAIRS] for start in range(0, len(pairs), TASK_PAIRS)]

    def tell(n_done: int, n_tasks: int) -> None:
        if progress is not None:
            progress(min(n_done * TASK_PAIRS, len(pairs)), len(pairs))

    found = in_order(_Comparison(items, settings), tasks, count_workers(n_jobs, len(tasks)), tell)
    return np.array([score for scores in found for score in scores])
