"""``predict``: the classes of images by a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classicvision.cache import FeatureCache
from classicvision.classify.classifier import Classifier
from classicvision.classify.prediction import Prediction
from classicvision.classify.recipe import TestTime
from classicvision.classify.views import prediction_extractor
from classicvision.extraction import Failure, extract
from classicvision.files import PathLike
from classicvision.folders import images_in
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["Predictions", "predict"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The prediction for each image that could be read, and the images that could not."""

    paths: tuple[Path, ...]
    predictions: tuple[Prediction, ...]
    failures: tuple[Failure, ...]


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

    Parameters
    ----------
    model : path
    paths : path or sequence of paths
    tta, backbone
        As in `Classifier.load`.
    cache : FeatureCache, optional
        Where features are stored.
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    ImageReadError
        If a path does not exist. Files that cannot be read are failures, not errors.
    NotEnoughDataError
        If there is no image at all.

    Examples
    --------
    >>> from classicvision import load_recipe, workflows
    >>> recipe = load_recipe("sift-bovw", ["encoder.n_words=30"])
    >>> workflows.fit("data/textures", recipe=recipe).classifier.save("textures.cvmodel")
    >>> answers = workflows.predict("textures.cvmodel", "data/held-out/stars")
    >>> answers.paths[0].parent.name, answers.predictions[0].label
    ('stars', 'stars')
    """
    classifier = Classifier.load(model, backbone=backbone, tta=tta)
    files = images_in(paths)
    found = extract(
        files,
        prediction_extractor(classifier.recipe),
        cache=cache,
        n_jobs=n_jobs,
        progress=stage(progress, EXTRACTING),
    )
    return Predictions(
        tuple(files[row] for row in found.rows),
        tuple(classifier.predict_in_workers(found.items, n_jobs)),
        found.failures,
    )
