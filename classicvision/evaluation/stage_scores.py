"""Which stage of a network is worth most for some images, and what its accuracy and the learning curve advise."""

from __future__ import annotations

import math
from dataclasses import dataclass

from classicvision.errors import NotEnoughDataError

__all__ = ["CurvePoint", "StageComparison", "StageScore"]


@dataclass(frozen=True)
class StageScore:
    """How good a linear classifier on one stage is.

    Attributes
    ----------
    stage : str
    n_outputs : int
        Numbers an image.
    accuracy, deviation : float
        Mean and standard deviation over the folds of a cross-validation.
    folds : int
    nearest : float
        Accuracy of the vote of an image's nearest neighbours in the other folds.
    """

    stage: str
    n_outputs: int
    accuracy: float
    deviation: float
    folds: int
    nearest: float

    @property
    def standard_error(self) -> float:
        """Of the accuracy, over the folds."""
        return self.deviation / math.sqrt(self.folds)


@dataclass(frozen=True)
class CurvePoint:
    """The cross-validated accuracy of the last stage on a part of the images."""

    n_images: int
    accuracy: float


@dataclass(frozen=True)
class StageComparison:
    """All stages of a network on the same images and folds, and the learning curve of the last one.

    Attributes
    ----------
    stages : tuple of StageScore
        In the order of the network.
    curve : tuple of CurvePoint
        From few images to all; the last stage's.
    """

    stages: tuple[StageScore, ...]
    curve: tuple[CurvePoint, ...]

    def __post_init__(self) -> None:
        if not self.stages or not self.curve:
            raise NotEnoughDataError("a comparison of stages needs at least one stage and one point of the curve")

    @property
    def best(self) -> StageScore:
        """The stage of highest accuracy; the later of equals, whose codes are made for telling classes apart."""
        return max(reversed(self.stages), key=lambda score: score.accuracy)

    @property
    def is_different(self) -> bool:
        """Whether an earlier stage beats the last by more than a standard error: the images are unlike its own."""
        last = self.stages[-1]
        return self.best.accuracy - last.accuracy > max(self.best.standard_error, last.standard_error)

    @property
    def is_rising(self) -> bool:
        """Whether the step to all images still brought more than a standard error: there is little data."""
        gain = self.curve[-1].accuracy - self.curve[-2].accuracy if len(self.curve) > 1 else 0.0
        return gain > self.stages[-1].standard_error

    @property
    def advice(self) -> str:
        """What is usual for little or much data that is like or unlike what the network was trained on."""
        if self.stages[-1].accuracy == 1.0:
            return _FLAWLESS
        return _ADVICE[self.is_rising, self.is_different].format(stage=self.best.stage)


_FLAWLESS = "The last stage makes no mistake on these images, so they cannot show what would be better: keep it."
_LITTLE = "Accuracy still grows with images"
_MUCH = "Accuracy has stopped growing with images"
_ALIKE = "and the last stage is best"
_UNLIKE = "and an earlier stage is better, so they are unlike those the network was trained on"
_ADVICE = {  # by `is_rising` (little data) and `is_different`
    (True, False): f"{_LITTLE} {_ALIKE}: keep the linear classifier on it, and add images.",
    (False, False): f"{_MUCH} {_ALIKE}: a linear classifier can do no more; fine-tuning the last layers may.",
    (True, True): f"{_LITTLE} {_UNLIKE}: take stage {{stage}}, and add images.",
    (False, True): f"{_MUCH} {_UNLIKE}: take stage {{stage}}, or fine-tune most of the network.",
}
