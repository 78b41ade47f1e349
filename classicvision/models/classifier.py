"""A fitted classifier: recipe, codebook and head. It predicts and is saved; it knows nothing of how it was learned."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision._version import __version__
from classicvision.archive import Archive, read_archive, write_archive
from classicvision.encoding.bovw import BovwCodebook
from classicvision.errors import ArchiveError, ExtractorDriftWarning, SettingsError
from classicvision.features.dense import DenseSift
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.models.head import LinearHead
from classicvision.models.recipe import Recipe
from classicvision.synthetic import canary

__all__ = ["NO_KEYPOINTS", "Classifier", "Prediction", "library_versions", "seen_on_canary"]

KIND = "classifier"

NO_KEYPOINTS = "no keypoints: the answer rests on the training classes alone, not on this image"

# Two SIFT runs on one machine agree in every bit; other builds of OpenCV may round differently.
SAME_POSITION = 0.01  # pixels
SAME_DESCRIPTOR = 0.99  # least cosine
DRIFT_SHARE = 0.02  # of the canary's keypoints may be lost, moved or changed before we warn
MAX_CANARY = 10_000  # keypoints; a file that claims more is not ours
KEPT_OF_CANARY = 1000  # keypoints, the strongest; a dense grid has many times more


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one image.

    Attributes
    ----------
    label : str
    scores : dict of label to float
        Signed distance to each class's border, in units of the margin; not a probability.
    n_keypoints : int
    note : str
        What a reader must know about this answer; empty as a rule.
    """

    label: str
    scores: dict[str, float]
    n_keypoints: int
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

    def __post_init__(self) -> None:
        config.validate(self)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier of images that can be saved and loaded.

    Attributes
    ----------
    recipe : Recipe
    codebook : BovwCodebook
    head : LinearHead
    training : TrainingSummary
    contents : (N,) uint64
        The first 64 bits of the SHA-256 of each training image: tells whether a test image was trained on.
    canary : LocalFeatures
        The strongest that the extractor found on one synthetic image when the classifier was fitted.
    versions : dict
        Of the libraries that fitted it.

    Raises
    ------
    ValueError
        If the parts do not fit together.
    """

    recipe: Recipe
    codebook: BovwCodebook
    head: LinearHead
    training: TrainingSummary
    contents: NDArray[np.uint64]
    canary: LocalFeatures
    versions: Mapping[str, str] = field(default_factory=lambda: library_versions())

    def __post_init__(self) -> None:
        if self.head.weights.shape[1] != self.codebook.n_outputs:
            raise ValueError(
                f"the head takes {self.head.weights.shape[1]} numbers, the codebook gives {self.codebook.n_outputs}"
            )
        if len(self.training.images_per_class) != len(self.head.classes):
            raise ValueError(
                f"{len(self.head.classes)} classes, but images of {len(self.training.images_per_class)} are counted"
            )
        if len(self.canary) > MAX_CANARY:
            raise ValueError(f"{len(self.canary)} keypoints on the canary; at most {MAX_CANARY} were expected")

    def predict(self, items: Iterable[LocalFeatures]) -> Iterator[Prediction]:
        """Yield a prediction for the features of each image, as they come."""
        for item in items:
            decision = self.head.decide(self.codebook.encode(item)[np.newaxis])[0]
            scores = dict(zip(self.head.classes, decision.tolist(), strict=True))
            note = "" if len(item) else NO_KEYPOINTS
            yield Prediction(self.head.classes[int(np.argmax(decision))], scores, len(item), note)

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
            **_prefixed("canary", self.canary.to_arrays()),
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
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a classifier, and check that the extractor still sees what it saw when the classifier was fitted.

        Raises
        ------
        ArchiveError
            If the file is damaged, or is not a classifier.

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
        classifier._warn_of_drift(path)
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
            BovwCodebook.from_arrays(_under("codebook", arrays), recipe.encoder),
            LinearHead(
                _texts(manifest["classes"]), arrays["head/weights"], arrays["head/bias"], float(manifest["cost"])
            ),
            config.from_dict(TrainingSummary, manifest["training"], where="training"),
            arrays["training/contents"].astype(np.uint64, casting="safe"),
            LocalFeatures.from_arrays(_under("canary", arrays)),
            dict(zip(_texts(manifest["versions"]), _texts(manifest["versions"].values()), strict=True)),
        )

    def _warn_of_drift(self, path: str | os.PathLike[str]) -> None:
        changed = share_changed(self.canary, seen_on_canary(self.recipe.extractor))
        if changed > DRIFT_SHARE:
            warnings.warn(
                f"{os.fspath(path)}: {changed:.0%} of the features of the test image differ from those at fitting time "
                f"(fitted with {_versions_line(self.versions)}; here {_versions_line(library_versions())}). "
                "Predictions may differ; fit again to be sure.",
                ExtractorDriftWarning,
                stacklevel=3,
            )


def seen_on_canary(extractor: Sift | DenseSift) -> LocalFeatures:
    """Return the strongest features that an extractor finds on the canary image, to be kept with a classifier."""
    return extractor(canary()).strongest(KEPT_OF_CANARY)


def library_versions() -> dict[str, str]:
    """Return the versions of everything that has a say in a result."""
    versions = {"classicvision": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("opencv-python-headless", "pillow", "scikit-learn"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed under this name"
    return versions


def first_64_bits(digests: Iterable[str]) -> NDArray[np.uint64]:
    """Return the first 16 of each digest's hexadecimal digits as a number."""
    return np.array([int(digest[:16], 16) for digest in digests], np.uint64)


def share_changed(then: LocalFeatures, now: LocalFeatures) -> float:
    """Return the share of keypoints of either run that the other did not find at the same place and describe alike."""
    if not len(then) or not len(now):
        return float(len(then) != len(now))
    gap = np.abs(then.xy[:, np.newaxis] - now.xy[np.newaxis]).max(axis=2)
    a, b = (_unit_rows(features.descriptors) for features in (then, now))
    same = (gap <= SAME_POSITION) & (a @ b.T >= SAME_DESCRIPTOR)
    return float(max(1 - same.any(axis=1).mean(), 1 - same.any(axis=0).mean()))


def _unit_rows(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = descriptors.astype(np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    return values


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    texts = tuple(values)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{texts!r} are not all texts")
    return texts


def _versions_line(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}
