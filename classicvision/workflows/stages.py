"""A linear classifier on each stage of a network, and how it grows with the number of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
from classicvision.classify.neighbours import judge_by_neighbours
from classicvision.classify.recipe import Recipe
from classicvision.classify.training import train
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.evaluation.stage_scores import CurvePoint, StageComparison, StageScore
from classicvision.extraction import extract
from classicvision.files import PathLike
from classicvision.folders import ImageFolder
from classicvision.items import Items
from classicvision.progress import Progress, stage

__all__ = ["compare_stages"]

CURVE = (0.25, 0.5)  # shares of the images of each class, beside all of them
FEWEST = 2  # images of a class that can be cross-validated


def compare_stages(
    folder: PathLike,
    recipe: Recipe,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> StageComparison:
    """Cross-validate a recipe on every stage of its network, with the same folds.

    Parameters
    ----------
    folder : path
        One sub-folder of images a class.
    recipe : Recipe
        Its extractor is an `OnnxBackbone`, whose stage is not looked at.
    cache, n_jobs, progress
        As everywhere.

    Raises
    ------
    SettingsError
        If the recipe has no network, or asks for augmentation or views, which are not tried here.
    NotEnoughDataError
        If there are too few classes or images.
    """
    backbone = recipe.extractor
    if not isinstance(backbone, OnnxBackbone):
        raise SettingsError(f"the recipe's extractor is {backbone.kind}; stages are those of a network (--backbone)")
    if recipe.augment or recipe.tta != "none":
        raise SettingsError("stages are compared without augmentation and views; leave --augment and --tta away")
    images, cache = ImageFolder.open(folder), cache or FeatureCache.temporary()
    scores = []
    for name in _stage_names(backbone):
        settings = replace(recipe, extractor=replace(backbone, stage=name))
        told = stage(progress, name)
        found = extract(images.paths, replace(backbone, stage=name), cache=cache, n_jobs=n_jobs, progress=told)
        labels = [images.labels[row] for row in found.rows]
        scores.append(_score(name, found.items, labels, settings, n_jobs))
    points = _curve(found.items, labels, settings, n_jobs)  # of the last stage
    return StageComparison(tuple(scores), (*points, CurvePoint(len(labels), scores[-1].accuracy)))


def _stage_names(backbone: OnnxBackbone) -> list[str]:
    """Return the stages of a network, and `penultimate` in place of the last if that is the same tensor."""
    graph = read_graph(locate(backbone.path), size=(backbone.contract.crop, backbone.contract.crop))
    last = penultimate(graph)
    return [PENULTIMATE if found.tensor == last else found.name for found in find_stages(graph, last)]


def _score(name: str, items: Items[Any], labels: Sequence[str], recipe: Recipe, n_jobs: int) -> StageScore:
    training = train(items, labels, recipe, n_jobs=n_jobs)
    folds = training.validation.fold_accuracy
    deviation = float(np.std(folds, ddof=1))
    nearest = _accuracy_of_neighbours(training.codebook.encode_all(items), items, labels, recipe)
    return StageScore(name, training.codebook.n_outputs, float(np.mean(folds)), deviation, len(folds), nearest)


def _accuracy_of_neighbours(
    codes: NDArray[np.float32], items: Items[Any], labels: Sequence[str], recipe: Recipe
) -> float:
    """Return the share of images that their neighbours in the other folds know; nothing is learned from them."""
    classes, y = np.unique(np.asarray(labels), return_inverse=True)
    folds = split_folds(y, items.keys, classes, recipe.classifier.folds, recipe.seed)
    return float(np.mean(judge_by_neighbours(codes, y, folds) == y))


def _curve(items: Items[Any], labels: Sequence[str], recipe: Recipe, n_jobs: int) -> list[CurvePoint]:
    """Return the points of the learning curve before the last; those that are too small are left out."""
    points: list[CurvePoint] = []
    for share in CURVE:
        rows = some_of_each(labels, partial(_share_of, share), recipe.seed)
        if len(rows) in {len(labels), *(point.n_images for point in points)}:
            continue  # too few images for a part of them
        chosen = [labels[row] for row in rows]
        try:
            training = train(items[rows], chosen, recipe, n_jobs=n_jobs)
        except NotEnoughDataError:
            continue
        points.append(CurvePoint(len(rows), float(np.mean(training.validation.fold_accuracy))))
    return points


def _share_of(share: float, n_images: int) -> int:
    return max(FEWEST, round(share * n_images))
