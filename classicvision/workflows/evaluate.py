"""``evaluate``: the accuracy of a model file on images of known class."""

from __future__ import annotations

import os
from pathlib import Path

from classicvision.cache import FeatureCache
from classicvision.classify.classifier import Classifier
from classicvision.classify.model_file import file_facts
from classicvision.classify.recipe import TestTime
from classicvision.evaluation.classifier_evaluation import Evaluation, evaluate_classifier
from classicvision.files import PathLike
from classicvision.folders import ImageFolder
from classicvision.progress import Progress

__all__ = ["evaluate"]


def evaluate(
    model: PathLike,
    folder: PathLike,
    *,
    tta: TestTime | None = None,
    backbone: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Test a classifier on a folder of images, one sub-folder per class.

    Images that the classifier was fitted on are scored like the others and counted in `model["seen_in_training"]` of
    the result; an accuracy that includes many of them means little.

    Parameters
    ----------
    model, folder : path
    tta, backbone
        As in `Classifier.load`.
    cache : FeatureCache, optional
        Where features are stored.
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    SettingsError
        If the folder has a class that the model does not know.
    NotEnoughDataError
        If no image could be read.
    """
    classifier = Classifier.load(model, backbone=backbone, tta=tta)
    return evaluate_classifier(
        classifier,
        ImageFolder.open(folder, min_classes=1),
        facts=file_facts(model),
        source=os.fspath(folder),
        title=f"{Path(model).name} on {Path(folder).resolve().name}",
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )
