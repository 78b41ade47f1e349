"""The verbs of classicvision: what each command does, without printing and without parsing.

Start reading here. Each function says one thing in the words of the modules below it, takes paths and settings, and
returns values. `store` is where features are kept between runs, `n_jobs` the number of worker processes (-1: one a
core), and `progress` is told the stage, the number of steps done and their total.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from classicvision import _native, config
from classicvision.archive import read_archive
from classicvision.benchmark.evaluation import Case, Evaluation
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.extraction import Extraction, Failure, extract
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.folders import ImageFolder, find_images
from classicvision.images import read_image
from classicvision.models.classifier import Classifier, Prediction, library_versions, short_keys
from classicvision.models.recipe import RECIPES, Recipe
from classicvision.models.training import CrossValidation, train
from classicvision.store import Store

__all__ = ["Fit", "Predictions", "Progress", "doctor", "evaluate", "fit", "inspect", "predict", "show"]

PathLike: TypeAlias = str | os.PathLike[str]
Progress: TypeAlias = Callable[[str, int, int], None]

LEARNING_IMAGES = "images"
LEARNING_FOLDS = "folds"


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
    """

    classifier: Classifier
    validation: CrossValidation
    failures: tuple[Failure, ...]
    contradictions: tuple[tuple[Path, ...], ...]
    n_cached: int


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answer for each image that could be read, and the images that could not."""

    paths: tuple[Path, ...]
    predictions: tuple[Prediction, ...]
    failures: tuple[Failure, ...]


def fit(
    folder: PathLike,
    *,
    recipe: Recipe = RECIPES["sift-bovw"],
    store: Store | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Fit:
    """Fit a classifier on a folder of images, one sub-folder a class.

    Raises
    ------
    NotEnoughDataError
        If there are too few classes, images or keypoints; the message says which and how many are needed.
    """
    images = ImageFolder.open(folder)
    found = extract(
        images.paths, recipe.extractor, store=store, n_jobs=n_jobs, progress=_stage(progress, LEARNING_IMAGES)
    )
    labels = [images.labels[row] for row in found.rows]
    _require_every_class(images, labels, found.failures)
    training = train(found.items, labels, recipe, store=store, n_jobs=n_jobs, progress=_stage(progress, LEARNING_FOLDS))
    classifier = Classifier(
        recipe,
        training.codebook,
        training.head,
        _training_summary(images, labels, training.validation, len(found.failures)),
        short_keys(found.items.keys),
    )
    contradictions = _contradictions([images.paths[row] for row in found.rows], labels, found.items.keys)
    return Fit(classifier, training.validation, tuple(found.failures), contradictions, found.n_cached)


def predict(
    model: PathLike,
    paths: Iterable[PathLike],
    *,
    store: Store | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Predictions:
    """Predict the class of images, given as files and as folders of files."""
    classifier = Classifier.load(model)
    files = find_images(paths)
    found = _extract_for(classifier, files, store, n_jobs, progress)
    return Predictions(
        tuple(files[row] for row in found.rows),
        tuple(classifier.predict(found.items)),
        tuple(found.failures),
    )


def evaluate(
    model: PathLike,
    folder: PathLike,
    *,
    store: Store | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Try a classifier on a folder of images whose classes are known, one sub-folder a class.

    Images that the classifier was fitted on are scored like the others, but counted in `model["seen_in_training"]` of
    the result: an accuracy with many of them says little.
    """
    classifier = Classifier.load(model)
    images = ImageFolder.open(folder, min_classes=1)
    _require_known_classes(images, classifier)
    found = _extract_for(classifier, images.paths, store, n_jobs, progress)
    cases = [
        Case(images.paths[row], images.labels[row], p.label, p.scores, p.n_keypoints, p.note)
        for row, p in zip(found.rows, classifier.predict(found.items), strict=True)
    ]
    facts = _model_facts(model, classifier)
    facts["seen_in_training"] = int(classifier.trained_on(found.items.keys).sum())
    return Evaluation.from_cases(
        cases,
        classifier.head.classes,
        failures=found.failures,
        model=facts,
        source=os.fspath(folder),
        title=f"{Path(model).name} on {Path(folder).resolve().name}",
        seed=classifier.recipe.seed,
    )


def inspect(model: PathLike) -> dict[str, Any]:
    """Return what a model file says of itself: its manifest, and the shape and type of each array."""
    archive = read_archive(model)
    arrays = {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in archive.arrays.items()}
    return {**_file_facts(model), **archive.manifest, "arrays": arrays}


def show(photo: PathLike, output: PathLike, *, recipe: Recipe = RECIPES["sift-bovw"]) -> int:
    """Draw every step of SIFT on one photo as a sheet, and return the number of keypoints."""
    from classicvision.viz import write_stages

    return write_stages(output, read_image(photo), recipe.extractor)


def doctor() -> dict[str, Any]:
    """Return what this installation computes with: the engine of SIFT, the kernels' instruction set, the libraries."""
    return {
        "engine": Sift().engine,
        "instruction_set": _native.instruction_set(),
        "versions": library_versions(),
    }


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return partial(progress, name) if progress else None


def _extract_for(
    classifier: Classifier, files: Sequence[Path], store: Store | None, n_jobs: int, progress: Progress | None
) -> Extraction[LocalFeatures]:
    return extract(
        files,
        classifier.recipe.extractor,
        store=store,
        n_jobs=n_jobs,
        progress=_stage(progress, LEARNING_IMAGES),
    )


def _require_every_class(images: ImageFolder, labels: Sequence[str], failures: Sequence[Failure]) -> None:
    lost = sorted(set(images.classes) - set(labels))
    if lost:
        first = next(failure for failure in failures)
        raise NotEnoughDataError(
            f"no image of class {lost[0]!r} can be read. The first problem was {first.path}: {first.reason}. "
            "Mend its images or take the folder away."
        )


def _require_known_classes(images: ImageFolder, classifier: Classifier) -> None:
    unknown = sorted(set(images.classes) - set(classifier.head.classes))
    if unknown:
        raise SettingsError(
            f"{images.root} has the class(es) {', '.join(unknown)}, which the model does not know. "
            f"It knows {', '.join(classifier.head.classes)}."
        )


def _contradictions(paths: Sequence[Path], labels: Sequence[str], keys: Sequence[str]) -> tuple[tuple[Path, ...], ...]:
    """Return groups of files of equal content that have different labels."""
    repeated = {key for key, count in Counter(keys).items() if count > 1}
    groups: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key in repeated:
            groups.setdefault(key, []).append(row)
    return tuple(
        tuple(paths[row] for row in rows) for rows in groups.values() if len({labels[row] for row in rows}) > 1
    )


def _training_summary(
    images: ImageFolder, labels: Sequence[str], validation: CrossValidation, n_failures: int
) -> dict[str, Any]:
    return {
        "folder": Path(images.root).resolve().name,
        "n_images": len(labels),
        "n_unreadable": n_failures,
        "images_per_class": dict(sorted(Counter(labels).items())),
        "cross_validation": {
            "folds": len(validation.fold_accuracy),
            "accuracy": float(np.mean(validation.fold_accuracy)),
            "accuracy_deviation": float(np.std(validation.fold_accuracy, ddof=1)),
            "mean_per_class_accuracy": validation.mean_per_class_accuracy,
        },
    }


def _model_facts(path: PathLike, classifier: Classifier) -> dict[str, Any]:
    return {
        **_file_facts(path),
        "recipe": config.to_dict(classifier.recipe),
        "cost": classifier.head.cost,
        "training": dict(classifier.training),
        "versions": dict(classifier.versions),
    }


def _file_facts(path: PathLike) -> dict[str, Any]:
    data = Path(path).read_bytes()
    return {"file": os.fspath(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
