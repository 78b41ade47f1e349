"""A fitted classifier: recipe, codebook and head. It predicts and is saved; it knows nothing of how it was learned."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.archive import Archive, read_archive, write_archive
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.classify.canary import DRIFT_SHARE, MAX_CANARY, seen_on_canary, share_changed
from classicvision.classify.coding import decide
from classicvision.classify.head import LinearHead
from classicvision.classify.recipe import Recipe, Several
from classicvision.classify.versions import library_versions, versions_line
from classicvision.encoding.codebook import Codebook
from classicvision.errors import ArchiveError, ExtractorDriftWarning, SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.items import Item, Items, arrays_of_item, item_of_arrays
from classicvision.workers import count_workers, in_order

__all__ = ["NO_KEYPOINTS", "Classifier", "Prediction", "TrainingSummary", "first_64_bits"]

KIND = "classifier"

NO_KEYPOINTS = "no keypoints: the answer rests on the training classes alone, not on this image"


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one image.

    Attributes
    ----------
    label : str
    scores : dict of label to float
        Signed distance to each class's border, in units of the margin; not a probability.
    n_keypoints : int or None
        Of the first view, if there are several. None where the extractor finds no keypoints but makes a vector.
    note : str
        What a reader must know about this answer; empty as a rule.
    """

    label: str
    scores: dict[str, float]
    n_keypoints: int | None
    note: str = ""

    @property
    def margin(self) -> float:
        """By how much the best class leads the second best."""
        best, second, *_ = sorted(self.scores.values(), reverse=True)
        return best - second


@dataclass(frozen=True)
class TrainingSummary:
    """What a classifier was fitted on, and how well cross-validation did.

    Raises
    ------
    SettingsError
        For a value of the wrong type.
    """

    folder: str
    n_images: int
    n_unreadable: int  # images that were left out
    images_per_class: tuple[int, ...]  # in the order of the classes
    folds: int  # of the cross-validation
    accuracy: float  # mean over the folds, in [0, 1]
    accuracy_deviation: float  # over the folds
    mean_per_class_accuracy: float  # of all images together, each predicted by a model that did not see it
    weights: tuple[float, ...] = ()  # shares of a fusion's parts

    def __post_init__(self) -> None:
        config.validate(self)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier of images that can be saved and loaded.

    Attributes
    ----------
    recipe : Recipe
    codebook : Codebook
    head : LinearHead
    training : TrainingSummary
    contents : (N,) uint64
        The first 64 bits of the SHA-256 of each training image: tells whether a test image was trained on.
    canary : LocalFeatures or (d,) float32
        The strongest that the extractor found on one synthetic image when the classifier was fitted, or its vector.
    versions : dict
        Of the libraries that fitted it.

    Raises
    ------
    ValueError
        If the parts do not fit together.
    """

    recipe: Recipe
    codebook: Codebook
    head: LinearHead
    training: TrainingSummary
    contents: NDArray[np.uint64]
    canary: Item
    versions: Mapping[str, str] = field(default_factory=library_versions)

    def __post_init__(self) -> None:
        if self.head.weights.shape[1] != self.codebook.n_outputs:
            raise ValueError(
                f"the head takes {self.head.weights.shape[1]} numbers, the codebook gives {self.codebook.n_outputs}"
            )
        if len(self.training.images_per_class) != len(self.head.classes):
            raise ValueError(
                f"{len(self.head.classes)} classes, but images of {len(self.training.images_per_class)} are counted"
            )
        for seen in self.canary if isinstance(self.canary, tuple) else (self.canary,):
            _require_small(seen)

    def predict(self, items: Iterable[Item]) -> Iterator[Prediction]:
        """Yield a prediction for the item of each image, as they come."""
        return map(self.predict_item, items)

    def predict_in_workers(self, items: Items[Any], n_jobs: int) -> list[Prediction]:
        """Return a prediction for each image, as `predict`; by several processes if the items are made anew."""
        n_workers = count_workers(n_jobs, len(items)) if items.recomputed else 1
        return in_order(_Predicting(self, items), range(len(items)), n_workers)

    def predict_item(self, item: Any) -> Prediction:
        """Return the prediction for the item of one image: for its views, if the recipe has test-time augmentation."""
        views = item if self.recipe.tta != "none" else (item,)
        decision = decide(self.codebook, self.head, views)
        scores = dict(zip(self.head.classes, decision.tolist(), strict=True))
        n_keypoints, has_vector = _seen(views[0])
        note = NO_KEYPOINTS if n_keypoints == 0 and not has_vector else ""
        return Prediction(self.head.classes[int(np.argmax(decision))], scores, n_keypoints, note)

    def trained_on(self, contents: Iterable[str]) -> NDArray[np.bool_]:
        """Return for the SHA-256 of each image file whether that image was in the training set."""
        return np.isin(first_64_bits(contents), self.contents)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the classifier to one file; an earlier file of that name is replaced at the end, or kept."""
        arrays = {
            "head/weights": self.head.weights,
            "head/bias": self.head.bias,
            "training/contents": self.contents,
            **_prefixed("codebook", self.codebook.to_arrays()),
            **_prefixed("canary", arrays_of_item(self.canary)),
        }
        manifest = {
            "kind": KIND,
            "recipe": config.to_dict(self.recipe),
            "classes": list(self.head.classes),
            "cost": self.head.cost,
            "training": config.to_dict(self.training),
            "versions": dict(self.versions),
        }
        write_archive(path, manifest, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, backbone: str | os.PathLike[str] | None = None) -> Self:
        """Read a classifier, and check that the extractor still sees what it saw when the classifier was fitted.

        Parameters
        ----------
        path : path
        backbone : path, optional
            The file of its network. Without it the network is looked for where it was, beside the model, and among
            those that were pulled.

        Raises
        ------
        ArchiveError
            If the file is damaged, or is not a classifier.
        BackboneError
            If its network is not found, or the file given is another one.
        SettingsError
            If a network is given to a classifier that uses none.

        Warns
        -----
        ExtractorDriftWarning
            If the extractor finds other features on the canary image than those in the file.
        """
        archive = read_archive(path)
        try:
            classifier = cls._from_archive(archive)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ArchiveError(f"{os.fspath(path)}: not a classifier of this release: {error}") from error
        classifier = classifier._with_network(path, backbone)
        seen = seen_on_canary(classifier.recipe.extractor)
        classifier._require_usable(path, seen)
        classifier._warn_of_drift(path, seen)
        return classifier

    @classmethod
    def _from_archive(cls, archive: Archive) -> Self:
        manifest, arrays = archive.manifest, archive.arrays
        if manifest.get("kind") != KIND:
            raise SettingsError(f"its kind is {manifest.get('kind')!r}, expected {KIND!r}")
        recipe = config.from_dict(Recipe, manifest["recipe"], where="recipe")
        # A model may come from an installation with kernels to one without.
        recipe = replace(recipe, extractor=recipe.extractor.runnable())
        return cls(
            recipe,
            recipe.encoder.restore(_under("codebook", arrays)),
            LinearHead(
                _texts(manifest["classes"]), arrays["head/weights"], arrays["head/bias"], float(manifest["cost"])
            ),
            config.from_dict(TrainingSummary, manifest["training"], where="training"),
            arrays["training/contents"].astype(np.uint64, casting="safe"),
            item_of_arrays(_under("canary", arrays)),
            dict(zip(_texts(manifest["versions"]), _texts(manifest["versions"].values()), strict=True)),
        )

    def _with_network(self, path: str | os.PathLike[str], backbone: str | os.PathLike[str] | None) -> Self:
        """Return this classifier with the place of its network's file, which is no part of the model."""
        extractor = self.recipe.extractor
        parts = extractor.parts if isinstance(extractor, Several) else (extractor,)
        if backbone is not None and not any(isinstance(part, OnnxBackbone) for part in parts):
            raise SettingsError(f"{os.fspath(path)} was fitted with {extractor.kind} and uses no network")
        folder = Path(path).parent
        parts = tuple(p.found(backbone, beside=folder) if isinstance(p, OnnxBackbone) else p for p in parts)
        found = replace(extractor, parts=parts) if isinstance(extractor, Several) else parts[0]
        return replace(self, recipe=replace(self.recipe, extractor=found))

    def _require_usable(self, path: str | os.PathLike[str], seen: Item) -> None:
        """Try the codebook on the canary image: its numbers may be well formed and yet of no use."""
        try:
            with np.errstate(all="ignore"):
                copy.deepcopy(self.codebook).encode(seen)  # a copy: what it prepares need not be sent to workers
        except ValueError as error:
            raise ArchiveError(f"{os.fspath(path)}: its codebook fails on a test image: {error}") from error

    def _warn_of_drift(self, path: str | os.PathLike[str], seen: Item) -> None:
        changed = share_changed(self.canary, seen)
        if changed > DRIFT_SHARE:
            warnings.warn(
                f"{os.fspath(path)}: {changed:.0%} of the features of the test image differ from those at fitting time "
                f"(fitted with {versions_line(self.versions)}; here {versions_line(library_versions())}). "
                "Predictions may differ; fit again to be sure.",
                ExtractorDriftWarning,
                stacklevel=3,
            )


@dataclass(frozen=True)
class _Predicting:
    """Predicts the image in a row; each worker has one."""

    classifier: Classifier
    items: Items[Any]

    def __call__(self, row: int) -> Prediction:
        return self.classifier.predict_item(self.items[row])


def _require_small(seen: Item) -> None:
    if isinstance(seen, LocalFeatures) and len(seen) > MAX_CANARY:
        raise ValueError(f"{len(seen)} keypoints on the canary; at most {MAX_CANARY} were expected")
    if isinstance(seen, np.ndarray) and (seen.dtype != np.float32 or seen.ndim != 1):
        raise ValueError(f"the canary is {seen.dtype} {seen.shape}; a float32 vector was expected")


def _seen(item: Item) -> tuple[int | None, bool]:
    """Return the number of keypoints in an item, None if it has no local features, and whether it has a vector."""
    parts = item if isinstance(item, tuple) else (item,)
    counts = [len(part) for part in parts if isinstance(part, LocalFeatures)]
    return (sum(counts) if counts else None), len(counts) < len(parts)


def first_64_bits(digests: Iterable[str]) -> NDArray[np.uint64]:
    """Return the first 16 of each digest's hexadecimal digits as a number."""
    return np.array([int(digest[:16], 16) for digest in digests], np.uint64)


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    texts = tuple(values)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{texts!r} are not all texts")
    return texts


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}
