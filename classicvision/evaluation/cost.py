"""The cost of a recipe: milliseconds per image in each stage on one thread, and the memory of a predicting process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classicvision.classify.head import LinearHead
from classicvision.encoding.codebook import Codebook
from classicvision.images import read_image
from classicvision.items import Extractor
from classicvision.workers import Workers

__all__ = ["Cost", "Fitted", "measure_costs"]

STATUS = Path("/proc/self/status")
N_ROUNDS = 3  # times that each image is timed; the fastest counts


@dataclass(frozen=True)
class Cost:
    """Medians over images, in milliseconds of one thread's wall time, and memory.

    Attributes
    ----------
    read, extract, encode, predict : float
    peak_mb : float
        Peak memory of a process that does all of it, in 10^6 bytes including libraries; NaN if the system does not
        report it.
    """

    read: float
    extract: float
    encode: float
    predict: float
    peak_mb: float

    @property
    def total(self) -> float:
        """Milliseconds per image, all stages."""
        return self.read + self.extract + self.encode + self.predict


@dataclass(frozen=True)
class Fitted:
    """A fitted recipe, to be timed."""

    extractor: Extractor[Any]
    codebook: Codebook
    head: LinearHead


def measure_costs(fitted: Sequence[Fitted], paths: Sequence[Path]) -> list[Cost]:
    """Time fitted recipes on the same images, in a separate process with one thread.

    The recipes take turns at each image, so that other load on the machine affects all of them equally.
    """
    with Workers(_time_all, 1) as workers:
        workers.send([(tuple(fitted), tuple(paths))])
        ((_, milliseconds),) = workers.finished(n_left=0)
    peaks = [_peak_of(one, paths) for one in fitted]
    if milliseconds is None:
        raise MemoryError("the process that measures ended twice; there is too little memory for these recipes")
    costs = []
    for (read, extract, encode, predict), peak in zip(milliseconds, peaks, strict=True):
        costs.append(Cost(read, extract, encode, predict, peak))
    return costs


def _time_all(task: tuple[tuple[Fitted, ...], tuple[Path, ...]]) -> list[list[float]]:
    fitted, paths = task
    times = np.full((N_ROUNDS, len(paths), len(fitted), 4), np.inf)
    for one in fitted:  # loads libraries and networks
        _time_one(one, paths[0])
    for round_ in range(N_ROUNDS):
        for row, path in enumerate(paths):
            for number, one in enumerate(fitted):
                times[round_, row, number] = _time_one(one, path)
    medians: list[list[float]] = (1000 * np.median(times.min(axis=0), axis=0)).tolist()
    return medians


def _time_one(fitted: Fitted, path: Path) -> list[float]:
    """Return the seconds of reading, extracting, encoding and predicting one image."""
    image, read = _timed(read_image, path)
    item, extract = _timed(fitted.extractor, image)
    code, encode = _timed(fitted.codebook.encode, item)
    _, predict = _timed(fitted.head.decide, code[np.newaxis])
    return [read, extract, encode, predict]


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def _peak_of(fitted: Fitted, paths: Sequence[Path]) -> float:
    with Workers(_peak, 1) as workers:  # a fresh process: a peak never falls
        workers.send([(fitted, tuple(paths[:5]))])
        ((_, peak),) = workers.finished(n_left=0)
    return float("nan") if peak is None else peak


def _peak(task: tuple[Fitted, tuple[Path, ...]]) -> float:
    fitted, paths = task
    for path in paths:
        _time_one(fitted, path)
    return peak_megabytes()


def peak_megabytes() -> float:
    """Return the peak memory of this process in 10^6 bytes; NaN if the system does not report it."""
    if STATUS.exists():  # of this program alone: getrusage(2) includes the program that the process ran before
        lines = STATUS.read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024  # elsewhere it counts kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
