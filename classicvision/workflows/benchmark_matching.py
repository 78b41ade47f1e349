"""``benchmark-matching``: repeatability and matching accuracy of keypoint detectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from classicvision.evaluation.keypoint_benchmark import DEFAULT_DETECTORS, MatchingBenchmark, compare_detectors
from classicvision.evaluation.keypoints import MatchingProtocol
from classicvision.files import PathLike
from classicvision.progress import Progress

__all__ = ["benchmark_matching"]


def benchmark_matching(
    folder: PathLike,
    *,
    detectors: Sequence[str] = DEFAULT_DETECTORS,
    protocol: MatchingProtocol | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> MatchingBenchmark:
    """Measure repeatability and matching accuracy of detectors on pairs of images with known homographies.

    Parameters
    ----------
    folder : path
        A scene, or a folder of scenes: ``img1.png`` to ``img6.png`` with ``H1to2p`` to ``H1to6p``, or ``1.ppm`` to
        ``6.ppm`` with ``H_1_2`` to ``H_1_6``. A homography is nine numbers in three rows and maps points of the first
        image onto the other.
    detectors : sequence of str
        Names in `DETECTORS`. Those that the installation lacks are listed and skipped.
    protocol : MatchingProtocol, optional
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If there is no scene, an image is missing, no pair can be read or no detector is available.
    SettingsError
        For an unknown detector, or a file that does not contain a homography.
    """
    return compare_detectors(Path(folder), detectors=detectors, protocol=protocol, n_jobs=n_jobs, progress=progress)
