"""The prediction of a classifier for one image."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from classicvision.features.local import LocalFeatures
from classicvision.items import Item

__all__ = ["NO_KEYPOINTS", "Prediction", "keypoints_and_vector", "require_items"]

NO_KEYPOINTS = "no keypoints: the answer rests on the training classes alone, not on this image"

N_SHOWN = 5  # classes in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The prediction for one image.

    Attributes
    ----------
    label : str
        The class of the highest score.
    scores : dict of label to float
        Signed distance to each class's border, in units of the margin; not a probability.
    n_keypoints : int or None
        Of the first view, if there are several. None where the extractor returns a vector instead of keypoints.
    note : str
        A warning about this prediction; usually empty.

    Examples
    --------
    >>> from classicvision import Prediction
    >>> prediction = Prediction("cat", {"cat": 0.5, "dog": -0.25, "fox": -1.0}, n_keypoints=120)
    >>> prediction.margin
    0.75
    >>> prediction
    Prediction('cat', margin=0.75, n_keypoints=120)
    """

    label: str
    scores: dict[str, float]
    n_keypoints: int | None
    note: str = ""

    @property
    def margin(self) -> float:
        """Difference between the best and the second-best score."""
        best, second, *_ = sorted(self.scores.values(), reverse=True)
        return best - second

    def __repr__(self) -> str:
        note = f", note={self.note!r}" if self.note else ""
        return f"Prediction({self.label!r}, margin={self.margin:.2f}, n_keypoints={self.n_keypoints}{note})"

    def _repr_html_(self) -> str:
        """Return the best classes and their scores as a table, for notebooks."""
        best = sorted(self.scores.items(), key=lambda entry: -entry[1])[:N_SHOWN]
        rows = "".join(f"<tr><td>{escape(label)}</td><td>{score:.2f}</td></tr>" for label, score in best)
        note = f"<caption>{escape(self.note)}</caption>" if self.note else ""
        return f"<table>{note}<tr><th>class</th><th>score</th></tr>{rows}</table>"


def require_items(views: Any) -> None:
    """Raise TypeError unless the views of an image are a tuple of local features, vectors, or tuples of these."""
    if not isinstance(views, tuple):
        raise TypeError(f"with test-time augmentation an item is a tuple of views; found {_name(views)}")
    for part in (part for view in views for part in (view if isinstance(view, tuple) else (view,))):
        if not isinstance(part, LocalFeatures) and getattr(part, "ndim", 0) != 1:
            raise TypeError(
                f"the item is {_name(part)}; expected the features of an image, as the extractor returns them"
            )


def keypoints_and_vector(item: Item) -> tuple[int | None, bool]:
    """Return the number of keypoints in an item, None if it has no local features, and whether it has a vector."""
    parts = item if isinstance(item, tuple) else (item,)
    counts = [len(part) for part in parts if isinstance(part, LocalFeatures)]
    return (sum(counts) if counts else None), len(counts) < len(parts)


def _name(value: Any) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
