"""Calibration of a network: what its cosines say of pictures, measured on some that are known to be unrelated."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.symmetric import N_SYMMETRIES, SymmetricBackbone
from classicvision.cache import FeatureCache
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
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.synthetic.retouch import blur
from classicvision.workflows.calibrate import (
    COMPARING,
    FORMAT_VERSION,
    N_WORST,
    WorstPair,
    common_facts,
    draw_pairs,
    groups_of,
    read_calibrated,
)

__all__ = ["BackboneCalibrationRun", "calibrate_backbone", "read_fallback"]

KIND: Final = "classicvision-backbone-calibration"

SOFTNESS: Final = (60, 40, 30, 20, 15, 10, 7, 5)
"""A picture is blurred by its longer side divided by the first of these that leaves too few keypoints."""

NOTHING: Final = Seen(np.zeros((0, HASH_SIZE), np.float32), np.zeros((0, N_SYMMETRIES), np.float32))

LEAST_SCALE: Final = 0.02
"""Of the tail: the share of unrelated pairs within a small distance r falls like r^50 at most. MobileNetV2's falls like
r^6 to r^8, so this only keeps a tail of equal numbers from having no width."""


@dataclass(frozen=True, eq=False)
class BackboneCalibrationRun:
    """A calibration of a network, and what it was made from.

    Attributes
    ----------
    backbone : OnnxBackbone
    calibration : BackboneCalibration
    cosines : (N,) float32
        Of all pairs the largest over the eight symmetries, in no telling order.
    worst : tuple of WorstPair
        The pairs of highest cosine, highest first: look at them.
    n_undecided : int
        Pictures with too little in them to be compared as a whole, which were left out.
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
        """The network with its calibration, ready to be used."""
        return BackboneFallback(self.backbone, self.calibration)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, but for the cosines and the time."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "calibration": config.to_dict(self.calibration),
            "features": config.to_dict(self.fallback.features),
            **common_facts(self.n_undecided, self.worst, self.failures, score="cosine"),
        }


@dataclass(frozen=True)
class _Softened:
    """Blurs a picture until it has too few keypoints; returns its signature, and then what the network says of it."""

    kind: ClassVar[str] = "softened"
    version: ClassVar[int] = 1

    extractor: SymmetricBackbone
    sift: Sift = MATCHING_SIFT
    min_keypoints: int = MatchSettings().min_keypoints

    def __call__(self, image: Image) -> NDArray[np.float32]:
        soft = soften(image, self.sift, self.min_keypoints)
        return np.concatenate([PerceptualHash()(soft), self.extractor(soft)])


def soften(image: Image, sift: Sift = MATCHING_SIFT, min_keypoints: int = MatchSettings().min_keypoints) -> Image:
    """Return a picture blurred until it has too few keypoints; one that has is returned as it is."""
    longest, rng = max(image.shape[:2]), np.random.default_rng(0)  # a blur draws nothing
    soft = image
    for part in SOFTNESS:
        if len(sift(soft)) < min_keypoints:
            break
        soft = blur(image, rng, sigma=longest / part)
    return soft


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
    """Compare unrelated pictures as wholes by a network, and fit the tail of their cosines.

    A network compares pictures with too few keypoints only, and those are more alike to it than others. So each picture
    is blurred until it has so few.

    Parameters
    ----------
    folder : path or paths
        Pictures of which no two show the same thing. Byte-equal files are compared with nothing of their kind.
    backbone : OnnxBackbone
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
    BackboneError
        If the network cannot be used.
    """
    start = time.perf_counter()
    paths, features = images_in(folder), SymmetricBackbone(backbone)
    found = extract(paths, _Softened(features), cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING))
    rows = [row for row, item in enumerate(found.items) if has_enough_coefficients(item[:HASH_SIZE])]
    groups = groups_of(found, paths, rows, across_folders=across_folders)
    pairs = draw_pairs(groups, n_pairs, np.random.default_rng(seed))
    seen = Seen(*(np.stack(part) for part in zip(*map(_parts, found.items[rows]), strict=True))) if rows else NOTHING
    cosines, waves = _compare(seen, pairs, stage(progress, COMPARING))
    names = [paths[found.rows[row]] for row in rows]
    matcher = BackboneFallback(backbone).matcher
    calibration = fit_backbone_calibration(cosines, waves, n_images=len(rows), matcher=matcher)
    most = cosines.max(axis=1, initial=-1)
    closest = [(pairs[k], float(most[k])) for k in np.argsort(-most)[:N_WORST]]
    return BackboneCalibrationRun(
        backbone=backbone,
        calibration=calibration,
        cosines=most,
        worst=tuple(WorstPair(names[i], names[j], cosine) for (i, j), cosine in closest),
        n_undecided=len(found.items) - len(rows),
        failures=found.failures,
        seconds=time.perf_counter() - start,
    )


def fit_backbone_calibration(
    cosines: NDArray[np.float32], waves: NDArray[np.float64], *, n_images: int, matcher: str
) -> BackboneCalibration:
    """Fit the tails to what unrelated pairs have: cosines and significances by waves, (N, 8), a symmetry a column.

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
    """Return a network as it compares pictures, with what was measured of it, if anything was.

    Raises
    ------
    SettingsError
        If the file is no calibration of a network, or one of another network, stage or preprocessing.
    """
    if calibration is None:
        return BackboneFallback(backbone, None, false_match_rate)
    known = read_calibrated(calibration, BackboneCalibration, KIND, "calibration of a network", _REMEDY)
    return BackboneFallback(backbone, known, false_match_rate)


_REMEDY: Final = "`classicvision calibrate --backbone` makes one"


def _parts(item: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return item[:HASH_SIZE], item[HASH_SIZE:]


def _compare(
    seen: Seen, pairs: Sequence[tuple[int, int]], progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return cosines and significances by waves of each pair, both (N, 8); the first of a pair never falls."""
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
