"""Testing a classifier on images of known class: one case per image, the scores, the failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classicvision import config
from classicvision.cache import FeatureCache
from classicvision.classify.classifier import Classifier
from classicvision.classify.views import prediction_extractor
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.evaluation.metrics import Scores, score
from classicvision.extraction import Failure, extract
from classicvision.folders import ImageFolder
from classicvision.progress import EXTRACTING, Progress, stage

__all__ = ["Case", "Evaluation", "evaluate_classifier"]


@dataclass(frozen=True)
class Case:
    """One image with its true and its predicted class.

    Attributes
    ----------
    path : Path
    true, predicted : str
    scores : mapping from class to float
        The classifier's decision values; the predicted class has the largest.
    n_keypoints : int or None
        None where the extractor returns a vector instead of keypoints.
    note : str
        A warning about this prediction, e.g. that the image has no keypoints.
    """

    path: Path
    true: str
    predicted: str
    scores: Mapping[str, float]
    n_keypoints: int | None = None
    note: str = ""

    @property
    def correct(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.predicted == self.true

    @property
    def margin(self) -> float | None:
        """Decision value of the predicted class minus that of the true one; None if the model lacks the true class."""
        if self.true not in self.scores or self.predicted not in self.scores:
            return None
        return float(self.scores[self.predicted] - self.scores[self.true])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All data for a report on a classifier.

    Attributes
    ----------
    scores : Scores
    cases : tuple of Case
        One for every image that was scored.
    failures : tuple of Failure
        Images that could not be read; they are not in the scores.
    model : dict
        What was evaluated, as plain values: file, SHA-256, recipe, training summary, versions. For display only.
    source : str
        The folder of images, as the user named it.
    title : str
    """

    scores: Scores
    cases: tuple[Case, ...]
    failures: tuple[Failure, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    title: str = "Evaluation"

    @classmethod
    def from_cases(
        cls,
        cases: Iterable[Case],
        classes: Sequence[str],
        *,
        failures: Iterable[Failure] = (),
        model: Mapping[str, Any] | None = None,
        source: str = "",
        title: str = "Evaluation",
        seed: int = 0,
    ) -> Evaluation:
        """Score cases.

        Parameters
        ----------
        cases : iterable of Case
        classes : sequence of str
            All classes that any case has or was predicted, in the order of the tables.
        failures, model, source, title
            As in the attributes.
        seed : int
            Random seed of the bootstrap interval.

        Raises
        ------
        NotEnoughDataError
            If there is no case.
        ValueError
            If a case has a class that is not in `classes`.
        """
        cases = tuple(cases)
        failures = tuple(failures)
        if not cases:
            raise NotEnoughDataError(
                f"no image of {source or 'the test set'} could be scored ({len(failures)} failed to read); "
                "at least one is needed"
            )
        index = {name: number for number, name in enumerate(classes)}
        unknown = sorted({name for case in cases for name in (case.true, case.predicted) if name not in index})
        if unknown:
            raise ValueError(f"cases have the classes {unknown}, which are not among {list(classes)}")
        scores = score([index[c.true] for c in cases], [index[c.predicted] for c in cases], classes, seed=seed)
        return cls(scores, cases, failures, dict(model or {}), source, title)

    def mistakes(self, n: int | None = None) -> tuple[Case, ...]:
        """Return the n worst mistakes (all by default), that of the largest margin first.

        A large margin is a confident mistake: often a wrong label, or an appearance that the training images lack.
        Mistakes without a margin come last.
        """
        wrong = [case for case in self.cases if not case.correct]
        wrong.sort(key=lambda case: float("inf") if case.margin is None else -case.margin)
        return tuple(wrong[:n])


def evaluate_classifier(
    classifier: Classifier,
    images: ImageFolder,
    *,
    facts: Mapping[str, Any],
    source: str = "",
    title: str = "Evaluation",
    cache: FeatureCache | None = None,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Predict labelled images and score the predictions.

    Parameters
    ----------
    classifier : Classifier
    images : ImageFolder
    facts : mapping
        Further facts about the model, for display: its file, for example.
    source, title
        As in `Evaluation`.
    cache : FeatureCache, optional
        Where features are stored.
    n_jobs : int
        Worker processes, -1 for one per core.
    progress : callable(stage, done, total), optional

    Raises
    ------
    SettingsError
        If an image has a class that the classifier does not know.
    NotEnoughDataError
        If no image could be read.
    """
    _require_known_classes(images, classifier)
    found = extract(
        images.paths,
        prediction_extractor(classifier.recipe),
        cache=cache,
        n_jobs=n_jobs,
        progress=stage(progress, EXTRACTING),
    )
    readable = images.subset(found.rows)
    predictions = classifier.predict_in_workers(found.items, n_jobs)
    cases = [
        Case(path, label, p.label, p.scores, p.n_keypoints, p.note)
        for path, label, p in zip(readable.paths, readable.labels, predictions, strict=True)
    ]
    model = {
        **facts,
        "recipe": config.to_dict(classifier.recipe),
        "cost": classifier.head.cost,
        "training": config.to_dict(classifier.training),
        "versions": dict(classifier.versions),
        "seen_in_training": int(classifier.trained_on(found.contents).sum()),
    }
    return Evaluation.from_cases(
        cases,
        classifier.head.classes,
        failures=found.failures,
        model=model,
        source=source,
        title=title,
        seed=classifier.recipe.seed,
    )


def _require_known_classes(images: ImageFolder, classifier: Classifier) -> None:
    unknown = sorted(set(images.classes) - set(classifier.head.classes))
    if unknown:
        raise SettingsError(
            f"{images.root} has classes that the model does not know: {', '.join(unknown)}. "
            f"It knows {', '.join(classifier.head.classes)}."
        )
