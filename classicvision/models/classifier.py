"""A fitted classifier: recipe, codebook and head. It predicts and is saved; it knows nothing of how it was learned."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision._version import __version__
from classicvision.archive import Archive, read_archive, write_archive
from classicvision.encoding.bovw import BovwCodebook
from classicvision.errors import ArchiveError, ExtractorDriftWarning, SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.models.head import LinearHead
from classicvision.models.recipe import Recipe
from classicvision.synthetic import canary

__all__ = ["NO_KEYPOINTS", "Classifier", "Prediction", "library_versions"]

KIND = "classifier"

NO_KEYPOINTS = "no keypoints: the answer rests on the training classes alone, not on this image"

# Two SIFT runs on one machine agree in every bit; other builds of OpenCV may round differently.
_SAME_POSITION = 0.01  # pixels
_DRIFT_SHARE = 0.02  # of the canary's keypoints may be missing or moved before we warn


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


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier of images that can be saved and loaded.

    Attributes
    ----------
    recipe : Recipe
    codebook : BovwCodebook
    head : LinearHead
    training : dict
        What it was fitted on and how well cross-validation did; plain values for people and reports.
    image_keys : (N,) uint64
        The first 64 bits of the content keys of the training images: tells whether a test image was trained on.
    versions : dict
        Of the libraries that fitted it.
    """

    recipe: Recipe
    codebook: BovwCodebook
    head: LinearHead
    training: Mapping[str, Any] = field(default_factory=dict)
    image_keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    versions: Mapping[str, str] = field(default_factory=lambda: library_versions())

    def predict(self, items: Iterable[LocalFeatures]) -> Iterator[Prediction]:
        """Yield a prediction for the features of each image, as they come."""
        for item in items:
            decision = self.head.decide(self.codebook.encode(item)[np.newaxis])[0]
            scores = dict(zip(self.head.classes, decision.tolist(), strict=True))
            note = "" if len(item) else NO_KEYPOINTS
            yield Prediction(self.head.classes[int(np.argmax(decision))], scores, len(item), note)

    def trained_on(self, keys: Iterable[str]) -> NDArray[np.bool_]:
        """Return for each content key whether that image was in the training set."""
        return np.isin(short_keys(keys), self.image_keys)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the classifier to one file; an earlier file of that name is replaced at the end, or kept."""
        arrays = {
            "head/weights": self.head.weights,
            "head/bias": self.head.bias,
            "training/image_keys": self.image_keys,
            **_prefixed("codebook", self.codebook.to_arrays()),
            **_prefixed("canary", self.recipe.extractor(canary()).to_arrays()),
        }
        manifest = {
            "kind": KIND,
            "recipe": config.to_dict(self.recipe),
            "classes": list(self.head.classes),
            "cost": self.head.cost,
            "training": dict(self.training),
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
            seen_then = LocalFeatures.from_arrays(_under("canary", archive.arrays))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArchiveError(f"{os.fspath(path)}: not a classifier of this release: {error}") from error
        classifier._warn_of_drift(seen_then, path)
        return classifier

    @classmethod
    def _from_archive(cls, archive: Archive) -> Self:
        manifest, arrays = archive.manifest, archive.arrays
        if manifest.get("kind") != KIND:
            raise SettingsError(f"its kind is {manifest.get('kind')!r}, expected {KIND!r}")
        recipe = config.from_dict(Recipe, manifest["recipe"], where="recipe")
        codebook = BovwCodebook.from_arrays(_under("codebook", arrays), recipe.encoder)
        head = LinearHead(
            tuple(manifest["classes"]), arrays["head/weights"], arrays["head/bias"], float(manifest["cost"])
        )
        if head.weights.shape[1] != codebook.n_outputs:
            raise ValueError(f"the head takes {head.weights.shape[1]} numbers, the codebook gives {codebook.n_outputs}")
        return cls(recipe, codebook, head, manifest["training"], arrays["training/image_keys"], manifest["versions"])

    def _warn_of_drift(self, then: LocalFeatures, path: str | os.PathLike[str]) -> None:
        now = self.recipe.extractor(canary())
        moved = _share_moved(then, now)
        if moved > _DRIFT_SHARE:
            warnings.warn(
                f"{os.fspath(path)}: {moved:.0%} of the features of the test image differ from those at fitting time "
                f"(fitted with {_versions_line(self.versions)}; here {_versions_line(library_versions())}). "
                "Predictions may differ; fit again to be sure.",
                ExtractorDriftWarning,
                stacklevel=3,
            )


def library_versions() -> dict[str, str]:
    """Return the versions of everything that has a say in a result."""
    versions = {"classicvision": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("opencv-python-headless", "pillow", "scikit-learn"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed under this name"
    return versions


def short_keys(keys: Iterable[str]) -> NDArray[np.uint64]:
    """Return the first 16 of each key's hexadecimal digits as a number."""
    return np.array([int(key[:16], 16) for key in keys], np.uint64)


def _share_moved(then: LocalFeatures, now: LocalFeatures) -> float:
    """Return the share of keypoints of either run that the other did not find at the same place."""
    if not len(then) or not len(now):
        return float(len(then) != len(now))
    gap = np.abs(then.xy[:, np.newaxis] - now.xy[np.newaxis]).max(axis=2)
    lost = (gap.min(axis=1) > _SAME_POSITION).mean()
    new = (gap.min(axis=0) > _SAME_POSITION).mean()
    return float(max(lost, new))


def _versions_line(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{prefix}/"): array for name, array in arrays.items() if name.startswith(f"{prefix}/")}
