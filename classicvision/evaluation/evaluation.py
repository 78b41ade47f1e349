"""The result of trying a classifier on images whose class is known: one case an image, the scores, the failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.metrics import Scores, score

if TYPE_CHECKING:
    from classicvision.extraction import Failure

__all__ = ["Case", "Evaluation"]


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
        None where the extractor finds no keypoints but makes a vector.
    note : str
        What a reader should know about this answer, e.g. that the image has no keypoints.
    """

    path: Path
    true: str
    predicted: str
    scores: Mapping[str, float]
    n_keypoints: int | None = None
    note: str = ""

    @property
    def right(self) -> bool:
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
    """Everything that a report on a classifier needs.

    Attributes
    ----------
    scores : Scores
    cases : tuple of Case
        One for every image that was scored.
    failures : tuple of Failure
        Images that could not be read; they are not in the scores.
    model : dict
        What was evaluated, as plain values: file, SHA-256, recipe, training summary, versions. Only shown.
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
        """Score cases and keep them.

        Parameters
        ----------
        cases : iterable of Case
        classes : sequence of str
            Every class that is true or predicted anywhere, in the order of the tables.
        failures, model, source, title
            As in the attributes.
        seed : int
            Of the bootstrap interval.

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
        """Return the n worst mistakes (all by default), the one with the largest margin first.

        A large margin is a confident mistake: often a wrong label, or a look that the training images lack. Mistakes
        without a margin come last.
        """
        wrong = [case for case in self.cases if not case.right]
        wrong.sort(key=lambda case: float("inf") if case.margin is None else -case.margin)
        return tuple(wrong[:n])
