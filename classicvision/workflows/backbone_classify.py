"""What a network that was trained to name classes says of photos, without any training of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classicvision.backbone.answers import Answer, best_answers, read_class_names
from classicvision.backbone.network import OUTPUT
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.extraction import Failure, extract
from classicvision.store import Store
from classicvision.workflows.run import EXTRACTING, PathLike, Progress, images_in, stage

__all__ = ["NamedClasses", "classify_with_backbone"]


@dataclass(frozen=True, eq=False)
class NamedClasses:
    """The best classes of each image that could be read, best first, and the images that could not."""

    paths: tuple[Path, ...]
    answers: tuple[tuple[Answer, ...], ...]
    failures: tuple[Failure, ...]


def classify_with_backbone(
    backbone: OnnxBackbone,
    paths: PathLike | Sequence[PathLike],
    *,
    n_best: int = 5,
    names: PathLike | None = None,
    store: Store | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> NamedClasses:
    """Return the classes that a network names for images, given as files and as folders of files.

    Parameters
    ----------
    backbone : OnnxBackbone
        Its stage is not looked at: what counts is the network's output.
    paths : path or sequence of paths
    n_best : int
        Classes an image.
    names : path, optional
        A text file with the name of a class a line.

    Raises
    ------
    ImageReadError
        If a path does not exist. Files that cannot be read are failures and no error.
    NotEnoughDataError
        If there is no image at all.
    """
    files = images_in(paths)
    known = read_class_names(Path(names)) if names is not None else []
    found = extract(
        files, replace(backbone, stage=OUTPUT), store=store, n_jobs=n_jobs, progress=stage(progress, EXTRACTING)
    )
    return NamedClasses(
        tuple(files[row] for row in found.rows),
        tuple(tuple(best_answers(output, n_best, known)) for output in found.items),
        found.failures,
    )
