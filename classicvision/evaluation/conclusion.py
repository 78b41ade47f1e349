"""The conclusion of a comparison of recipes in two sentences, and the images on which two recipes differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from classicvision.evaluation.comparison import Comparison, Split

__all__ = ["Disagreement", "best_of", "conclude", "find_disagreements"]


@dataclass(frozen=True)
class Disagreement:
    """An image on which one recipe is correct more often than the other.

    Attributes
    ----------
    image, true : str
    predicted_a, predicted_b : str
        In the first split in which the recipe that is better on this image is the only correct one.
    is_a_right : bool
        Whether a is correct there, and b wrong; or the other way round.
    n_splits : int
        Splits in which only that one is correct.
    """

    image: str
    true: str
    predicted_a: str
    predicted_b: str
    is_a_right: bool
    n_splits: int


def best_of(comparison: Comparison) -> str:
    """Return the recipe of largest mean per-class accuracy; of equal ones the first."""
    accuracies = comparison.accuracies
    return max(accuracies, key=lambda name: accuracies[name].mean.value)


def conclude(comparison: Comparison) -> str:
    """Return the conclusion in words: the recipe of highest accuracy, and whether its lead is significant."""
    best = best_of(comparison)
    mean = comparison.accuracies[best].mean
    figures = f"{100 * mean.value:.1f} % (95 % interval {100 * mean.low:.1f} to {100 * mean.high:.1f} %)"
    if len(comparison.accuracies) == 1:
        return f"The mean per-class accuracy of {best} is {figures}."
    beaten: list[str] = []
    level: list[str] = []
    for verdict in comparison.verdicts:
        if best in (verdict.a, verdict.b):
            other = verdict.b if verdict.a == best else verdict.a
            (beaten if verdict.better == best else level).append(other)
    first = f"{best} has the highest mean per-class accuracy, {figures}."
    if not level:
        return f"{first} It is better than {_listed(beaten)}, by every test."
    unclear = f"no difference from {_listed(level)} is shown"
    if not beaten:
        return f"{first} That does not make it the winner: {unclear}."
    return f"{first} It is better than {_listed(beaten)}, by every test; {unclear}."


def find_disagreements(
    splits: Sequence[Split], a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]
) -> list[Disagreement]:
    """Return the images on which one of two recipes is correct in more splits than the other.

    Parameters
    ----------
    splits : sequence of J Split
    a, b : J sequences of str
        The predicted class of each test image, as for `compare`.

    Returns
    -------
    list of Disagreement
        Those of most splits first, then by name.
    """
    ways: dict[str, dict[bool, list[Disagreement]]] = {}
    for split, of_a, of_b in zip(splits, a, b, strict=True):
        for image, true, one, other in zip(split.images, split.true, of_a, of_b, strict=True):
            if (one == true) != (other == true):
                found = Disagreement(image, true, one, other, one == true, 1)
                ways.setdefault(image, {True: [], False: []})[one == true].append(found)
    kept = [_whole(way) for way in ways.values() if len(way[True]) != len(way[False])]
    return sorted(kept, key=lambda one: (-one.n_splits, one.image))


def _whole(way: Mapping[bool, list[Disagreement]]) -> Disagreement:
    more = way[len(way[True]) > len(way[False])]
    first = more[0]
    return Disagreement(
        first.image, first.true, first.predicted_a, first.predicted_b, first.is_a_right, n_splits=len(more)
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
