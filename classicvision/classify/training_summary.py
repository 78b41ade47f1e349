"""The facts about a training that are saved with a model."""

from __future__ import annotations

from dataclasses import dataclass

from classicvision import config

__all__ = ["TrainingSummary"]


@dataclass(frozen=True)
class TrainingSummary:
    """The images that a classifier was fitted on, and the result of its cross-validation.

    Raises
    ------
    SettingsError
        For a value of the wrong type.
    """

    folder: str
    n_images: int
    n_unreadable: int  # images that were skipped
    images_per_class: tuple[int, ...]  # in the order of the classes
    folds: int  # of the cross-validation
    accuracy: float  # mean over the folds, in [0, 1]
    accuracy_deviation: float  # over the folds
    mean_per_class_accuracy: float  # of all images, each predicted by a model that did not see it
    weights: tuple[float, ...] = ()  # shares of a fusion's parts

    def __post_init__(self) -> None:
        config.validate(self)
