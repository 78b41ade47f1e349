"""``backbone explain``: what a network sees in one image."""

from __future__ import annotations

from pathlib import Path

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.cache import FeatureCache
from classicvision.evaluation.network_explanation import Explanation, explain_network
from classicvision.files import PathLike
from classicvision.folders import images_in
from classicvision.progress import Progress

__all__ = ["explain_backbone"]


def explain_backbone(
    backbone: OnnxBackbone,
    image: PathLike,
    *,
    folder: PathLike | None = None,
    target: int | None = None,
    names: PathLike | None = None,
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Explanation:
    """Return what a network sees in an image.

    Parameters
    ----------
    backbone : OnnxBackbone
        Neighbours are searched for in the features of its stage.
    image : path
    folder : path, optional
        Where to search for images with similar features.
    target : int, optional
        The class that the maps are about, as `ClassScore.index`; by default the best one.
    names : path, optional
        A text file with one class name per line.
    cache : FeatureCache, optional
        Where the features of the folder are stored.
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    ImageReadError, BackboneError
    SettingsError
        If there is no such class.
    NotEnoughDataError
        If the folder has no image.
    """
    return explain_network(
        backbone,
        Path(image),
        others=images_in(folder) if folder is not None else (),
        target=target,
        names=Path(names) if names is not None else None,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )
