"""From the last numbers of a classifier to the classes that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import SettingsError

__all__ = ["ClassScore", "are_probabilities", "probabilities", "read_class_names", "top_classes"]

WITH_BACKGROUND: Final = 1001  # outputs of TensorFlow's networks: a class that is none of the 1000 comes first
SUM_TOLERANCE: Final = 0.01  # by which probabilities, in half precision too, may miss 1


@dataclass(frozen=True)
class ClassScore:
    """One class that a network names.

    Attributes
    ----------
    index : int
        From 0; of ImageNet's 1000 classes also where the network has a background before them, which is -1.
    probability : float
        As the network says it; a network that gives logits says it by their softmax.
    name : str
        Empty where no names were given.
    """

    index: int
    probability: float
    name: str = ""


def top_classes(output: NDArray[np.float32], n: int = 5, names: Sequence[str] = ()) -> list[ClassScore]:
    """Return the n classes of the largest numbers, best first; equal ones by their index.

    Parameters
    ----------
    output : (K,) float32
        Logits or probabilities.
    n : int
    names : sequence of str
        Of the K classes, or of those without the background.

    Raises
    ------
    SettingsError
        If there are as many names as neither.
    """
    first = 1 if len(output) == WITH_BACKGROUND else 0
    if len(names) not in (0, len(output), len(output) - first):
        raise SettingsError(f"{len(names)} names of classes were given; the network has {len(output)} outputs")
    skipped = first - (len(names) == len(output)) * first  # of the outputs that names begin with
    shares = probabilities(output)
    order = np.argsort(-output, kind="stable")[:n].tolist()
    return [
        ClassScore(row - first, float(shares[row]), names[row - skipped] if names and row >= skipped else "")
        for row in order
    ]


def read_class_names(path: Path) -> list[str]:
    """Return the lines of a text file, one class each, without the empty ones at its end."""
    try:
        return path.read_text("utf-8").rstrip().splitlines()
    except OSError as error:
        raise SettingsError(f"{path}: the names of classes cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: the names of classes are text in UTF-8; this is not") from error


def probabilities(output: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities: the numbers themselves if they are some, else their softmax."""
    values = output.astype(np.float64)
    if are_probabilities(values):
        return values
    powers = np.exp(values - values.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def are_probabilities(values: NDArray[np.float64]) -> bool:
    """Tell whether numbers are probabilities already, and no logits."""
    return bool(values.min() >= 0 and abs(values.sum() - 1) <= SUM_TOLERANCE)
