"""``backbone classify``: the classes that a pretrained network finds in images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classicvision.backbone.class_scores import ClassScore, read_class_names, top_classes
from classicvision.backbone.download import locate
from classicvision.backbone.graph import read_graph
from classicvision.backbone.network import OUTPUT
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.penultimate import has_classes
from classicvision.cache import FeatureCache
from classicvision.errors import ClassicVisionWarning
from classicvision.extraction import Failure, extract
from classicvision.files import PathLike
from classicvision.folders import images_in
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["NamedClasses", "classify_with_backbone"]


@dataclass(frozen=True, eq=False)
class NamedClasses:
    """The best classes of each image that could be read, best first, and the images that could not be read."""

    paths: tuple[Path, ...]
    answers: tuple[tuple[ClassScore, ...], ...]
    failures: tuple[Failure, ...]


def classify_with_backbone(
    backbone: OnnxBackbone,
    paths: PathLike | Sequence[PathLike],
    *,
    n_best: int = 5,
    names: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> NamedClasses:
    """Classify images, given as files and as folders of files, by the classes that a network was trained on.

    Parameters
    ----------
    backbone : OnnxBackbone
        Its stage is ignored: the output of the network is used.
    paths : path or sequence of paths
    n_best : int
        Number of classes per image.
    names : path, optional
        A text file with one class name per line.
    cache : FeatureCache, optional
        Where the outputs of the network are stored between runs; by default they are not.
    n_jobs : int
        Worker processes, -1 for one per core. No result depends on it.
    progress : callable(stage, done, total), optional

    Raises
    ------
    ImageReadError
        If a path does not exist. Files that cannot be read are failures, not errors.
    NotEnoughDataError
        If there is no image at all.

    Warns
    -----
    ClassicVisionWarning
        If the network has no last layer that turns features into classes.
    """
    _warn_of_features(backbone)
    files = images_in(paths)
    known = read_class_names(Path(names)) if names is not None else []
    found = extract(
        files, replace(backbone, stage=OUTPUT), cache=cache, n_jobs=n_jobs, progress=stage(progress, EXTRACTING)
    )
    return NamedClasses(
        tuple(files[row] for row in found.rows),
        tuple(tuple(top_classes(output, n_best, known)) for output in found.items),
        found.failures,
    )


def _warn_of_features(backbone: OnnxBackbone) -> None:
    file = locate(backbone.path)
    if not has_classes(read_graph(file)):
        warnings.warn(
            f"{file}: the network seems to end in features, so these classes mean nothing. Use a file with its last "
            "layer, or train a classifier with `classicvision fit --backbone`.",
            ClassicVisionWarning,
            stacklevel=3,
        )
