"""``classicvision calibrate``: measure what a threshold is worth, on images that are known to be unrelated."""

from __future__ import annotations

from collections.abc import Sequence

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.cache import FeatureCache
from classicvision.copies.backbone_calibration import BackboneCalibrationRun, calibrate_network
from classicvision.copies.keypoint_calibration import CalibrationRun, calibrate_keypoints
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.progress import Progress

__all__ = ["calibrate", "calibrate_backbone"]


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
    """Compare unrelated images with each other and fit the tail of their scores.

    Parameters
    ----------
    folder : path or paths
        Images of which no two show the same thing. Byte-equal files are not compared with each other.
    extractor, matching : settings, optional
        Those that copies are searched with.
    n_pairs : int
        Pairs that are compared, at most; they are drawn at random if there are more. More pairs make thresholds for low
        rates more reliable.
    across_folders : bool
        Compare only images that are in different folders, as when each folder contains one motif.
    seed : int
        Random seed for sampling pairs.
    cache : FeatureCache, optional
        Where features are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional

    Raises
    ------
    NotEnoughDataError
        If there is no image, or too few pairs to see a tail.
    """
    return calibrate_keypoints(
        folder,
        extractor or MATCHING_SIFT,
        matching or MatchSettings(),
        n_pairs=n_pairs,
        across_folders=across_folders,
        seed=seed,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )


def calibrate_backbone(
    folder: PathLike | Sequence[PathLike],
    backbone: OnnxBackbone,
    *,
    n_pairs: int = 100_000,
    across_folders: bool = False,
    seed: int = 0,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> BackboneCalibrationRun:
    """Compare unrelated images as a whole by a network, and fit the tail of their cosines.

    In a search a network compares only images with too few keypoints, and to a network those are more alike than
    others. So each image is first blurred until it has too few.

    Parameters
    ----------
    folder : path or paths
        Images of which no two show the same thing. Byte-equal files are not compared with each other.
    backbone : OnnxBackbone
    n_pairs, across_folders, seed, cache, n_jobs, progress
        As for `calibrate`.

    Raises
    ------
    NotEnoughDataError
        If there is no image, or too few pairs to see a tail.
    BackboneError
        If the network cannot be used.
    """
    return calibrate_network(
        folder,
        backbone,
        n_pairs=n_pairs,
        across_folders=across_folders,
        seed=seed,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )
