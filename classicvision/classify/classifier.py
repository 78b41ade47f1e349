"""A fitted classifier: recipe, codebook and head. It predicts, is saved and loaded; `fitting` makes one."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.archive import Archive, read_archive, write_archive
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.classify.canary import DRIFT_SHARE, MAX_CANARY, canary_features, share_changed
from classicvision.classify.coding import decide
from classicvision.classify.head import LinearHead
from classicvision.classify.prediction import NO_KEYPOINTS, Prediction, keypoints_and_vector, require_items
from classicvision.classify.recipe import Recipe, Several, TestTime
from classicvision.classify.training_summary import TrainingSummary
from classicvision.encoding.codebook import Codebook
from classicvision.errors import ArchiveError, ExtractorDriftWarning, SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.items import Item, Items, arrays_of_item, item_of_arrays
from classicvision.versions import library_versions, versions_line
from classicvision.workers import count_workers, in_order

__all__ = ["Classifier", "first_64_bits"]

KIND = "classifier"


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """A classifier of images that can be saved and loaded.

    Attributes
    ----------
    recipe : Recipe
    codebook : Codebook
        Encodes the features of an image as a vector.
    head : LinearHead
        Scores that vector for each class.
    training : TrainingSummary
    contents : (N,) uint64
        The first 64 bits of the SHA-256 of each training image: they show whether a test image was trained on.
    canary : LocalFeatures or (d,) float32
        The strongest features, or the vector, that the extractor found on one synthetic image at fitting time.
    versions : dict
        Versions of the libraries that it was fitted with.

    Raises
    ------
    ValueError
        If the parts do not fit together.

    Examples
    --------
    >>> from classicvision import Classifier, extract, load_recipe, workflows
    >>> recipe = load_recipe("sift-bovw", ["encoder.n_words=30"])
    >>> workflows.fit("data/textures", recipe=recipe).classifier.save("textures.cvmodel")
    >>> classifier = Classifier.load("textures.cvmodel")
    >>> classifier.head.classes[:3]
    ('brick', 'coffee', 'coins')

    Predict from items, as the recipe's extractor makes them:

    >>> items = extract(["data/textures/stars/00.jpg"], classifier.recipe.extractor).items
    >>> [prediction.label for prediction in classifier.predict(items)]
    ['stars']
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

    def __repr__(self) -> str:
        name, shown = type(self).__name__, " ".join(self._summary())
        return f"<{name}: {shown}>"

    def _repr_html_(self) -> str:
        """Return the summary and the training images of each class as a table, for notebooks."""
        counts = zip(self.head.classes, self.training.images_per_class, strict=True)
        rows = "".join(f"<tr><td>{escape(label)}</td><td>{n}</td></tr>" for label, n in counts)
        caption = escape(" ".join(self._summary()))
        return f"<table><caption>{caption}</caption><tr><th>class</th><th>training images</th></tr>{rows}</table>"

    def _summary(self) -> tuple[str, str, str]:
        recipe, training = self.recipe, self.training
        return (
            f"{recipe.extractor.kind}, {recipe.encoder.kind}, {recipe.classifier.kind} (C = {self.head.cost:g});",
            f"{len(self.head.classes)} classes, {training.n_images} training images;",
            f"cross-validated accuracy {100 * training.accuracy:.1f} % ({training.folds} folds)",
        )

    def predict(self, items: Iterable[Item]) -> Iterator[Prediction]:
        """Yield the prediction for each item, in order and one at a time."""
        return map(self.predict_item, items)

    def predict_in_workers(self, items: Items[Any], n_jobs: int) -> list[Prediction]:
        """Return what `predict` yields; several processes share the work if the items are recomputed."""
        n_workers = count_workers(n_jobs, len(items)) if items.recomputed else 1
        return in_order(_Predicting(self, items), range(len(items)), n_workers)

    def predict_item(self, item: Any) -> Prediction:
        """Return the prediction for one item; with test-time augmentation, a tuple of the items of all views.

        Raises
        ------
        TypeError
            If the item is an image, or anything else that an extractor does not return.
        """
        views = item if self.recipe.tta != "none" else (item,)
        require_items(views)
        decision = decide(self.codebook, self.head, views)
        scores = dict(zip(self.head.classes, decision.tolist(), strict=True))
        n_keypoints, has_vector = keypoints_and_vector(views[0])
        note = NO_KEYPOINTS if n_keypoints == 0 and not has_vector else ""
        return Prediction(self.head.classes[int(np.argmax(decision))], scores, n_keypoints, note)

    def trained_on(self, contents: Iterable[str]) -> NDArray[np.bool_]:
        """Return for each SHA-256 of an image file whether that image was in the training set."""
        return np.isin(first_64_bits(contents), self.contents)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the classifier to one file; an existing file is replaced only when the new one is complete."""
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
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        backbone: str | os.PathLike[str] | None = None,
        tta: TestTime | None = None,
    ) -> Self:
        """Read a classifier, and check that the extractor still finds what it found at fitting time.

        Parameters
        ----------
        path : path
        backbone : path, optional
            The file of its network. By default the network is searched for at its old path, in the folder of the model,
            and among the networks that were pulled.
        tta : {"none", "mirror", "ten-crop"}, optional
            Test-time augmentation: views of an image whose scores are averaged. Replaces that of the recipe.

        Raises
        ------
        ArchiveError
            If the file is damaged, or is not a classifier.
        BackboneError
            If its network is not found, or `backbone` is not that network.
        SettingsError
            If `backbone` is given for a classifier without a network.

        Warns
        -----
        ExtractorDriftWarning
            If the extractor finds features on the canary image that differ from those in the file.
        """
        archive = read_archive(path)
        try:
            classifier = cls._from_archive(archive)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ArchiveError(f"{os.fspath(path)}: not a classifier of this release: {error}") from error
        classifier = classifier._with_network(path, backbone)
        seen = canary_features(classifier.recipe.extractor)
        classifier._require_usable(path, seen)
        classifier._warn_of_drift(path, seen)
        return classifier if tta is None else replace(classifier, recipe=replace(classifier.recipe, tta=tta))

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
        """Return this classifier with the path of its network's file, which the model does not hold."""
        extractor = self.recipe.extractor
        parts = extractor.parts if isinstance(extractor, Several) else (extractor,)
        if backbone is not None and not any(isinstance(part, OnnxBackbone) for part in parts):
            raise SettingsError(f"{os.fspath(path)} was fitted with {extractor.kind} and uses no network")
        folder = Path(path).parent
        parts = tuple(p.found(backbone, folder=folder) if isinstance(p, OnnxBackbone) else p for p in parts)
        found = replace(extractor, parts=parts) if isinstance(extractor, Several) else parts[0]
        return replace(self, recipe=replace(self.recipe, extractor=found))

    def _require_usable(self, path: str | os.PathLike[str], seen: Item) -> None:
        """Try the codebook on the canary image: well-formed numbers can still be unusable."""
        try:
            with np.errstate(all="ignore"):
                code = copy.deepcopy(self.codebook).encode(seen)  # a copy: what it prepares is not sent to workers
        except ValueError as error:
            raise ArchiveError(f"{os.fspath(path)}: its codebook fails on a test image: {error}") from error
        if not np.isfinite(code).all():
            raise ArchiveError(f"{os.fspath(path)}: its codebook encodes a test image as numbers that are not finite")

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
    """Predicts the image in one row; each worker has a copy."""

    classifier: Classifier
    items: Items[Any]

    def __call__(self, row: int) -> Prediction:
        return self.classifier.predict_item(self.items[row])


def _require_small(seen: Item) -> None:
    if isinstance(seen, LocalFeatures) and len(seen) > MAX_CANARY:
        raise ValueError(f"{len(seen)} keypoints on the canary; at most {MAX_CANARY} were expected")
    if isinstance(seen, np.ndarray) and (seen.dtype != np.float32 or seen.ndim != 1):
        raise ValueError(f"the canary is {seen.dtype} {seen.shape}; a float32 vector was expected")


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
