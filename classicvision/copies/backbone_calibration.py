"""Calibration of a network: the cosines and significances of unrelated images, and what follows for a copy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.symmetric import N_SYMMETRIES, SymmetricBackbone
from classicvision.cache import FeatureCache
from classicvision.copies.calibration_file import FORMAT_VERSION, common_facts, read_calibrated
from classicvision.copies.calibration_pairs import WorstPair, draw_pairs, groups_of, worst_pairs
from classicvision.copies.keypoint_calibration import COMPARING
from classicvision.extraction import Failure, extract
from classicvision.features.phash import HASH_SIZE, PerceptualHash
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.folders import images_in
from classicvision.images import Image
from classicvision.matching.calibration import fit_calibration
from classicvision.matching.global_match import has_enough_coefficients, symmetric_significance
from classicvision.matching.likeness import (
    FALLBACK_RATE,
    BackboneCalibration,
    BackboneFallback,
    Seen,
    closeness,
    symmetric_cosines,
)
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.progress import EXTRACTING, Progress, StageProgress, stage
from classicvision.synthetic.retouch import blur

__all__ = ["BackboneCalibrationRun", "calibrate_network", "fit_backbone_calibration", "read_fallback", "soften"]

KIND: Final = "classicvision-backbone-calibration"

SOFTNESS: Final = (60, 40, 30, 20, 15, 10, 7, 5)
"""An image is blurred by its longer side divided by the first of these numbers that leaves too few keypoints."""

NOTHING: Final = Seen(np.zeros((0, HASH_SIZE), np.float32), np.zeros((0, N_SYMMETRIES), np.float32))

LEAST_SCALE: Final = 0.02
"""Least scale of the tail: the share of unrelated pairs within a small distance r falls like r^50 at most. That of
MobileNetV2 falls like r^6 to r^8, so this only matters for a tail of equal numbers, which would have no width."""


@dataclass(frozen=True, eq=False)
class BackboneCalibrationRun:
    """A calibration of a network, and what it was made from.

    Attributes
    ----------
    backbone : OnnxBackbone
    calibration : BackboneCalibration
    cosines : (N,) float32
        Of each pair the largest over the eight symmetries.
    worst : tuple of WorstPair
        The pairs of highest cosine, highest first, to be checked by eye.
    n_undecided : int
        Images with too little texture to be compared as a whole, which were skipped.
    failures : tuple of Failure
        Images that could not be read.
    seconds : float
        Wall time.
    """

    backbone: OnnxBackbone
    calibration: BackboneCalibration
    cosines: NDArray[np.float32]
    worst: tuple[WorstPair, ...]
    n_undecided: int
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def fallback(self) -> BackboneFallback:
        """The network with its calibration, ready for use."""
        return BackboneFallback(self.backbone, self.calibration)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the cosines and the time as plain values."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "calibration": config.to_dict(self.calibration),
            "features": config.to_dict(self.fallback.features),
            **common_facts(self.n_undecided, self.worst, self.failures, score="cosine"),
        }


@dataclass(frozen=True)
class _Softened:
    """Blurs an image until it has too few keypoints; returns its signature, followed by its network features."""

    kind: ClassVar[str] = "softened"
    version: ClassVar[int] = 1

    extractor: SymmetricBackbone
    sift: Sift = MATCHING_SIFT
    min_keypoints: int = MatchSettings().min_keypoints

    def __call__(self, image: Image) -> NDArray[np.float32]:
        soft = soften(image, self.sift, self.min_keypoints)
        return np.concatenate([PerceptualHash()(soft), self.extractor(soft)])


def soften(image: Image, sift: Sift = MATCHING_SIFT, min_keypoints: int = MatchSettings().min_keypoints) -> Image:
    """Return an image blurred until it has too few keypoints; one that has too few is returned as it is."""
    longest, rng = max(image.shape[:2]), np.random.default_rng(0)  # a blur draws nothing
    soft = image
    for part in SOFTNESS:
        if len(sift(soft)) < min_keypoints:
            break
        soft = blur(image, rng, sigma=longest / part)
    return soft


def calibrate_network(
    folder: PathLike | Sequence[PathLike],
    backbone: OnnxBackbone,
    *,
    n_pairs: int,
    across_folders: bool,
    seed: int,
    cache: FeatureCache | None,
    n_jobs: int,
    progress: Progress | None,
) -> BackboneCalibrationRun:
    """Compare unrelated images as a whole by a network; parameters are those of `workflows.calibrate_backbone`."""
    start = time.perf_counter()
    paths, features = images_in(folder), SymmetricBackbone(backbone)
    found = extract(paths, _Softened(features), cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    rows = [row for row, item in enumerate(found.items) if has_enough_coefficients(item[:HASH_SIZE])]
    groups = groups_of(found, paths, rows, across_folders=across_folders)
    pairs = draw_pairs(groups, n_pairs, np.random.default_rng(seed))
    seen = Seen(*(np.stack(part) for part in zip(*map(_parts, found.items[rows]), strict=True))) if rows else NOTHING
    cosines, waves = _compare(seen, pairs, stage(progress, COMPARING))
    matcher = BackboneFallback(backbone).matcher
    calibration = fit_backbone_calibration(cosines, waves, n_images=len(rows), matcher=matcher)
    largest = cosines.max(axis=1, initial=-1)
    return BackboneCalibrationRun(
        backbone=backbone,
        calibration=calibration,
        cosines=largest,
        worst=tuple(worst_pairs(pairs, largest, [paths[found.rows[row]] for row in rows])),
        n_undecided=len(found.items) - len(rows),
        failures=found.failures,
        seconds=time.perf_counter() - start,
    )


def fit_backbone_calibration(
    cosines: NDArray[np.float32], waves: NDArray[np.float64], *, n_images: int, matcher: str
) -> BackboneCalibration:
    """Fit the tails of unrelated pairs: of their cosines, and of the sums with their signatures' significances.

    Parameters
    ----------
    cosines, waves : (N, 8)
        Cosines, and significances by signature, of each pair; one column per symmetry.
    n_images : int
    matcher : str
        Fingerprint of the network.

    Raises
    ------
    NotEnoughDataError
        If there are too few pairs to see a tail.
    """
    facts: dict[str, Any] = {"n_images": n_images, "matcher": matcher}
    close = fit_calibration(closeness(cosines.max(axis=1, initial=-1)), least_scale=LEAST_SCALE, **facts)
    network = BackboneCalibration(close, close).significance(cosines)
    return BackboneCalibration(close, fit_calibration((waves + network).max(axis=1, initial=0), **facts))


def read_fallback(
    backbone: OnnxBackbone, calibration: PathLike | None = None, *, false_match_rate: float = FALLBACK_RATE
) -> BackboneFallback:
    """Return a network for comparing images with too few keypoints, with its calibration if a file of one is given.

    Raises
    ------
    SettingsError
        If the file is not a calibration of a network, or one of another network, stage or preprocessing.
    """
    if calibration is None:
        return BackboneFallback(backbone, None, false_match_rate)
    known = read_calibrated(calibration, BackboneCalibration, KIND, "calibration of a network", _REMEDY)
    return BackboneFallback(backbone, known, false_match_rate)


_REMEDY: Final = "`classicvision calibrate --backbone` makes one"


def _parts(item: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return item[:HASH_SIZE], item[HASH_SIZE:]


def _compare(
    seen: Seen, pairs: Sequence[tuple[int, int]], progress: StageProgress | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return cosines and significances by signature of each pair, both (N, 8); pairs are sorted by the first image."""
    firsts = np.array([i for i, _ in pairs], np.intp)
    seconds = np.array([j for _, j in pairs], np.intp)
    cosines, waves = np.zeros((len(pairs), N_SYMMETRIES), np.float32), np.zeros((len(pairs), N_SYMMETRIES))
    for first in np.unique(firsts).tolist():
        here = slice(*np.searchsorted(firsts, (first, first + 1)).tolist())
        cosines[here] = symmetric_cosines(seen.features[first], seen.features[seconds[here]])
        waves[here] = symmetric_significance(seen.signature[first], seen.signature[seconds[here]])
        if progress is not None:
            progress(here.stop, len(pairs))
    return cosines, waves
