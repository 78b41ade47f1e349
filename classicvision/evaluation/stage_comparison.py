"""Which stage of a network is best for some images, and what its accuracy and the learning curve suggest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.download import locate
from classicvision.backbone.graph import read_graph
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.penultimate import penultimate
from classicvision.backbone.stages import PENULTIMATE, find_stages
from classicvision.cache import FeatureCache
from classicvision.classify.folds import some_of_each, split_folds
from classicvision.classify.neighbours import predict_by_neighbours
from classicvision.classify.recipe import Recipe
from classicvision.classify.training import train
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.extraction import extract
from classicvision.folders import ImageFolder
from classicvision.items import Items
from classicvision.progress import Progress, stage

__all__ = ["CurvePoint", "StageComparison", "StageScore", "compare_stages"]

CURVE = (0.25, 0.5)  # shares of the images of each class, in addition to all of them
FEWEST = 2  # images of a class that can be cross-validated


@dataclass(frozen=True)
class StageScore:
    """The accuracy of a linear classifier on one stage.

    Attributes
    ----------
    stage : str
    n_outputs : int
        Length of the feature vector.
    accuracy, deviation : float
        Mean and standard deviation over the folds of a cross-validation.
    folds : int
    nearest : float
        Accuracy of the vote of an image's nearest neighbours in the other folds.
    """

    stage: str
    n_outputs: int
    accuracy: float
    deviation: float
    folds: int
    nearest: float

    @property
    def standard_error(self) -> float:
        """Standard error of the accuracy over the folds."""
        return self.deviation / math.sqrt(self.folds)


@dataclass(frozen=True)
class CurvePoint:
    """The cross-validated accuracy of the last stage on a part of the images."""

    n_images: int
    accuracy: float


@dataclass(frozen=True)
class StageComparison:
    """All stages of a network on the same images and folds, and the learning curve of the last one.

    Attributes
    ----------
    stages : tuple of StageScore
        In the order of the network.
    curve : tuple of CurvePoint
        Of the last stage, from few images to all.
    """

    stages: tuple[StageScore, ...]
    curve: tuple[CurvePoint, ...]

    def __post_init__(self) -> None:
        if not self.stages or not self.curve:
            raise NotEnoughDataError("a comparison of stages needs at least one stage and one point of the curve")

    @property
    def best(self) -> StageScore:
        """The stage of highest accuracy; of equals the later, whose features separate classes better."""
        return max(reversed(self.stages), key=lambda score: score.accuracy)

    @property
    def is_different(self) -> bool:
        """Whether an earlier stage beats the last by more than a standard error: the images are unlike its own."""
        last = self.stages[-1]
        return self.best.accuracy - last.accuracy > max(self.best.standard_error, last.standard_error)

    @property
    def is_rising(self) -> bool:
        """Whether the step to all images still brought more than a standard error: there is little data."""
        gain = self.curve[-1].accuracy - self.curve[-2].accuracy if len(self.curve) > 1 else 0.0
        return gain > self.stages[-1].standard_error

    @property
    def advice(self) -> str:
        """What is usual for little or much data that is like or unlike what the network was trained on."""
        if self.stages[-1].accuracy == 1.0:
            return _FLAWLESS
        return _ADVICE[self.is_rising, self.is_different].format(stage=self.best.stage)


_FLAWLESS = "The last stage makes no mistake on these images, so they cannot show what would be better: keep it."
_LITTLE = "Accuracy still grows with images"
_MUCH = "Accuracy has stopped growing with images"
_ALIKE = "and the last stage is best"
_UNLIKE = "and an earlier stage is better, so they are unlike those the network was trained on"
_ADVICE = {  # by `is_rising` (little data) and `is_different`
    (True, False): f"{_LITTLE} {_ALIKE}: keep the linear classifier on it, and add images.",
    (False, False): f"{_MUCH} {_ALIKE}: a linear classifier can do no more; fine-tuning the last layers may.",
    (True, True): f"{_LITTLE} {_UNLIKE}: take stage {{stage}}, and add images.",
    (False, True): f"{_MUCH} {_UNLIKE}: take stage {{stage}}, or fine-tune most of the network.",
}


def compare_stages(
    images: ImageFolder,
    recipe: Recipe,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> StageComparison:
    """Cross-validate a recipe on every stage of its network, with the same folds.

    Parameters
    ----------
    images : ImageFolder
    recipe : Recipe
        Its extractor is an `OnnxBackbone`, whose own stage is ignored.
    cache : FeatureCache, optional
        Where features, codebooks and the predictions of each fold are stored.
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    SettingsError
        If the recipe has no network, or uses augmentation or test-time views, which are not supported here.
    NotEnoughDataError
        If there are too few classes or images.
    """
    backbone = recipe.extractor
    if not isinstance(backbone, OnnxBackbone):
        raise SettingsError(f"the recipe's extractor is {backbone.kind}; stages are those of a network (--backbone)")
    if recipe.augment or recipe.tta != "none":
        raise SettingsError("stages are compared without augmentation and views; leave --augment and --tta away")
    cache = cache or FeatureCache.temporary()
    scores = []
    for name in _stage_names(backbone):
        network = replace(backbone, stage=name)
        settings = replace(recipe, extractor=network)
        found = extract(images.paths, network, cache=cache, n_jobs=n_jobs, progress=stage(progress, name))
        labels = [images.labels[row] for row in found.rows]
        scores.append(_score(name, found.items, labels, settings, cache, n_jobs))
    points = _curve(found.items, labels, settings, cache, n_jobs)  # of the last stage
    return StageComparison(tuple(scores), (*points, CurvePoint(len(labels), scores[-1].accuracy)))


def _stage_names(backbone: OnnxBackbone) -> list[str]:
    """Return the stages of a network, and `penultimate` in place of the last if that is the same tensor."""
    graph = read_graph(locate(backbone.path), size=(backbone.contract.crop, backbone.contract.crop))
    last = penultimate(graph)
    return [PENULTIMATE if found.tensor == last else found.name for found in find_stages(graph, last)]


def _score(
    name: str, items: Items[Any], labels: Sequence[str], recipe: Recipe, cache: FeatureCache, n_jobs: int
) -> StageScore:
    training = train(items, labels, recipe, cache=cache, n_jobs=n_jobs)
    folds = training.validation.fold_accuracy
    deviation = float(np.std(folds, ddof=1))
    nearest = _accuracy_of_neighbours(training.codebook.encode_all(items), items, labels, recipe)
    return StageScore(name, training.codebook.n_outputs, float(np.mean(folds)), deviation, len(folds), nearest)


def _accuracy_of_neighbours(
    codes: NDArray[np.float32], items: Items[Any], labels: Sequence[str], recipe: Recipe
) -> float:
    """Return the share of images that their nearest neighbours in the other folds classify correctly."""
    classes, y = np.unique(np.asarray(labels), return_inverse=True)
    folds = split_folds(y, items.keys, classes, recipe.classifier.folds, recipe.seed)
    return float(np.mean(predict_by_neighbours(codes, y, folds) == y))


def _curve(
    items: Items[Any], labels: Sequence[str], recipe: Recipe, cache: FeatureCache, n_jobs: int
) -> list[CurvePoint]:
    """Return the points of the learning curve before the last; those with too few images are skipped."""
    points: list[CurvePoint] = []
    for share in CURVE:
        rows = some_of_each(labels, partial(_share_of, share), recipe.seed)
        if len(rows) in {len(labels), *(point.n_images for point in points)}:
            continue  # too few images for a part of them
        chosen = [labels[row] for row in rows]
        try:
            training = train(items[rows], chosen, recipe, cache=cache, n_jobs=n_jobs)
        except NotEnoughDataError:
            continue
        points.append(CurvePoint(len(rows), float(np.mean(training.validation.fold_accuracy))))
    return points


def _share_of(share: float, n_images: int) -> int:
    return max(FEWEST, round(share * n_images))
