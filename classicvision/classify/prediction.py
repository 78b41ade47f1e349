"""The prediction of a classifier for one image."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

__all__ = ["NO_KEYPOINTS", "Prediction"]

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
