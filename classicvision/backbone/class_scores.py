"""From the output vector of a classification network to its most probable classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import SettingsError

__all__ = ["ClassScore", "are_probabilities", "probabilities", "read_class_names", "top_classes"]

WITH_BACKGROUND: Final = 1001  # outputs of TensorFlow's ImageNet networks: a background class, then the 1000 classes
SUM_TOLERANCE: Final = 0.01  # largest deviation of a sum of probabilities from 1, in half precision too


@dataclass(frozen=True)
class ClassScore:
    """A class and its probability.

    Attributes
    ----------
    index : int
        From 0. If the network has a background class before the 1000 of ImageNet, the background is -1, so that the
        indices are those of ImageNet.
    probability : float
        The network's output, after a softmax if it outputs logits.
    name : str
        Empty if no names were given.
    """

    index: int
    probability: float
    name: str = ""


def top_classes(output: NDArray[np.float32], n: int = 5, names: Sequence[str] = ()) -> list[ClassScore]:
    """Return the n most probable classes, best first; ties in the order of their indices.

    Parameters
    ----------
    output : (K,) float32
        Logits or probabilities.
    n : int
        How many classes to return, at most K.
    names : sequence of str
        Names of the K classes, or of those without the background.

    Raises
    ------
    SettingsError
        If the number of names does not fit the number of classes.
    """
    first = 1 if len(output) == WITH_BACKGROUND else 0
    if len(names) not in (0, len(output), len(output) - first):
        raise SettingsError(f"got {len(names)} class names for {len(output)} outputs; pass one name per output")
    skipped = first - (len(names) == len(output)) * first  # leading outputs without a name
    shares = probabilities(output)
    order = np.argsort(-output, kind="stable")[:n].tolist()
    return [
        ClassScore(row - first, float(shares[row]), names[row - skipped] if names and row >= skipped else "")
        for row in order
    ]


def read_class_names(path: Path) -> list[str]:
    """Read a text file with one class name per line; empty lines at the end are ignored."""
    try:
        return path.read_text("utf-8").rstrip().splitlines()
    except OSError as error:
        raise SettingsError(f"{path}: cannot read the class names: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text; save the class names as UTF-8, one per line") from error


def probabilities(output: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the output as it is if it consists of probabilities, else its softmax."""
    values = output.astype(np.float64)
    if are_probabilities(values):
        return values
    powers = np.exp(values - values.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def are_probabilities(values: NDArray[np.float64]) -> bool:
    """Tell whether an output consists of probabilities, not logits."""
    return bool(values.min() >= 0 and abs(values.sum() - 1) <= SUM_TOLERANCE)
