"""Classification: fit on image folders, predict, evaluate, and look into a model file."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classicvision import config
from classicvision.archive import read_archive
from classicvision.cache import FeatureCache
from classicvision.classify.canary import seen_on_canary
from classicvision.classify.classifier import Classifier, Prediction, TrainingSummary, first_64_bits
from classicvision.classify.named_recipes import load_recipe
from classicvision.classify.recipe import Recipe, TestTime
from classicvision.classify.selection import AUTO, BUDGET, Selection
from classicvision.classify.training import CrossValidation
from classicvision.classify.views import views_of
from classicvision.errors import BackboneError, ClassicVisionWarning, NotEnoughDataError, SettingsError
from classicvision.evaluation.evaluation import Case, Evaluation
from classicvision.extraction import Extraction, Failure, extract
from classicvision.files import PathLike
from classicvision.folders import EXTENSIONS, ImageFolder, find_images, listed
from classicvision.progress import EXTRACTING, Progress, stage
from classicvision.workflows.learning import learn
from classicvision.workflows.selection import choose_recipe

__all__ = ["Fit", "Predictions", "evaluate", "fit", "inspect", "predict"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A classifier that was just fitted, and what there is to say about it.

    Attributes
    ----------
    classifier : Classifier
    validation : CrossValidation
    failures : tuple of Failure
        Images that were left out.
    contradictions : tuple of tuples of Path
        Groups of byte-identical images that lie under different labels.
    n_cached : int
        Images whose features were known from an earlier run.
    selection : Selection or None
        How the recipe was chosen, if it was.
    """

    classifier: Classifier
    validation: CrossValidation
    failures: tuple[Failure, ...]
    contradictions: tuple[tuple[Path, ...], ...]
    n_cached: int
    selection: Selection | None = None


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answer for each image that could be read, and the images that could not."""

    paths: tuple[Path, ...]
    predictions: tuple[Prediction, ...]
    failures: tuple[Failure, ...]


def fit(
    folder: PathLike,
    *,
    recipe: Recipe | str = "sift-bovw",
    budget: float = BUDGET,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Fit:
    """Fit a classifier on a folder of images, one sub-folder a class, by a recipe or the name of one.

    The name "auto" tries recipes for `budget` seconds, as `choose_recipe` does, and fits the best.

    Raises
    ------
    NotEnoughDataError
        If there are too few classes, images or keypoints; the message says which and how many are needed.
    """
    selection = None
    if recipe == AUTO:
        selection = choose_recipe(folder, budget=budget, cache=cache, n_jobs=n_jobs, progress=progress)
        recipe = selection.recipe
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    learned = learn(ImageFolder.open(folder), recipe, cache=cache, n_jobs=n_jobs, progress=progress)
    readable, found, training = learned.readable, learned.found, learned.training
    classifier = Classifier(
        recipe,
        training.codebook,
        training.head,
        _training_summary(readable, training.validation, len(found.failures)),
        first_64_bits(found.contents),
        seen_on_canary(recipe.extractor),
    )
    contradictions = _contradictions(readable, found.contents)
    return Fit(classifier, training.validation, found.failures, contradictions, found.n_cached, selection)


def predict(
    model: PathLike,
    paths: PathLike | Sequence[PathLike],
    *,
    tta: TestTime | None = None,
    backbone: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Predictions:
    """Predict the class of images, given as files and as folders of files.

    `tta`, views of an image whose scores are averaged, replaces what the model's recipe says.

    Raises
    ------
    ImageReadError
        If a path does not exist. Files that cannot be read are failures and no error.
    NotEnoughDataError
        If there is no image at all.
    """
    classifier = _load(model, tta, backbone)
    files = find_images(paths)
    if not files:
        raise NotEnoughDataError(
            f"no image files in {listed(paths)}; in folders they are found by their endings, "
            f"{' '.join(sorted(EXTENSIONS))}"
        )
    found = _extract_for(classifier, files, cache, n_jobs, progress)
    return Predictions(
        tuple(files[row] for row in found.rows),
        tuple(classifier.predict_in_workers(found.items, n_jobs)),
        tuple(found.failures),
    )


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
    """Try a classifier on a folder of images whose classes are known, one sub-folder a class; `tta` as in `predict`.

    Images that the classifier was fitted on are scored like the others, but counted in `model["seen_in_training"]` of
    the result: an accuracy with many of them says little.
    """
    classifier = _load(model, tta, backbone)
    images = ImageFolder.open(folder, min_classes=1)
    _require_known_classes(images, classifier)
    found = _extract_for(classifier, images.paths, cache, n_jobs, progress)
    readable = images.subset(found.rows)
    predictions = classifier.predict_in_workers(found.items, n_jobs)
    cases = [
        Case(path, label, p.label, p.scores, p.n_keypoints, p.note)
        for path, label, p in zip(readable.paths, readable.labels, predictions, strict=True)
    ]
    facts = _model_facts(model, classifier)
    facts["seen_in_training"] = int(classifier.trained_on(found.contents).sum())
    return Evaluation.from_cases(
        cases,
        classifier.head.classes,
        failures=found.failures,
        model=facts,
        source=os.fspath(folder),
        title=f"{Path(model).name} on {Path(folder).resolve().name}",
        seed=classifier.recipe.seed,
    )


def inspect(model: PathLike, *, backbone: PathLike | None = None) -> dict[str, Any]:
    """Return what a model file says of itself: its manifest, and the shape and type of each array.

    The file is loaded as for a prediction, so what is wrong with it is an error here too. That its network is
    elsewhere is no more than a warning, unless `backbone` says where: the file itself tells which one it needs.

    Warns
    -----
    ClassicVisionWarning
        If its network is not found, or cannot be run.
    """
    try:
        Classifier.load(model, backbone=backbone)
    except BackboneError as error:
        if backbone is not None:
            raise
        warnings.warn(f"the model cannot predict here: {error}", ClassicVisionWarning, stacklevel=2)
    archive = read_archive(model)
    arrays = {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in archive.arrays.items()}
    return {**_file_facts(model), **archive.manifest, "arrays": arrays}


def _load(model: PathLike, tta: TestTime | None, backbone: PathLike | None) -> Classifier:
    classifier = Classifier.load(model, backbone=backbone)
    return classifier if tta is None else replace(classifier, recipe=replace(classifier.recipe, tta=tta))


def _extract_for(
    classifier: Classifier, files: Sequence[Path], cache: FeatureCache | None, n_jobs: int, progress: Progress | None
) -> Extraction[Any]:
    return extract(
        files,
        views_of(classifier.recipe),
        cache=cache,
        n_jobs=n_jobs,
        progress=stage(progress, EXTRACTING),
    )


def _require_known_classes(images: ImageFolder, classifier: Classifier) -> None:
    unknown = sorted(set(images.classes) - set(classifier.head.classes))
    if unknown:
        raise SettingsError(
            f"{images.root} has the class(es) {', '.join(unknown)}, which the model does not know. "
            f"It knows {', '.join(classifier.head.classes)}."
        )


def _contradictions(images: ImageFolder, contents: Sequence[str]) -> tuple[tuple[Path, ...], ...]:
    """Return groups of files of equal content that have different labels."""
    groups: dict[str, list[int]] = {}
    for row, content in enumerate(contents):
        groups.setdefault(content, []).append(row)
    return tuple(
        tuple(images.paths[row] for row in rows)
        for rows in groups.values()
        if len({images.labels[row] for row in rows}) > 1
    )


def _training_summary(images: ImageFolder, validation: CrossValidation, n_unreadable: int) -> TrainingSummary:
    return TrainingSummary(
        folder=images.root.resolve().name,
        n_images=len(images),
        n_unreadable=n_unreadable,
        images_per_class=tuple(images.labels.count(label) for label in images.classes),
        folds=len(validation.fold_accuracy),
        accuracy=float(np.mean(validation.fold_accuracy)),
        accuracy_deviation=float(np.std(validation.fold_accuracy, ddof=1)),
        mean_per_class_accuracy=validation.mean_per_class_accuracy,
        weights=validation.weights,
    )


def _model_facts(path: PathLike, classifier: Classifier) -> dict[str, Any]:
    return {
        **_file_facts(path),
        "recipe": config.to_dict(classifier.recipe),
        "cost": classifier.head.cost,
        "training": config.to_dict(classifier.training),
        "versions": dict(classifier.versions),
    }


def _file_facts(path: PathLike) -> dict[str, Any]:
    data = Path(path).read_bytes()
    return {"file": os.fspath(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
