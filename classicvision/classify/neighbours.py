"""Nearest neighbours in feature space: the class of what looks most alike; nothing is learned (Cover and Hart 1967)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.encoding.normalize import l2

__all__ = ["N_NEIGHBORS", "judge_by_neighbours", "vote_of_neighbours"]

N_NEIGHBORS = 5


def vote_of_neighbours(
    codes: NDArray[Any], y: NDArray[np.intp], asked: NDArray[Any], n_neighbors: int = N_NEIGHBORS
) -> NDArray[np.intp]:
    """Return the class that the nearest codes vote for, each with its cosine; ties go to the smaller class.

    Parameters
    ----------
    codes : (N, D) array
        Of known class.
    y : (N,) class indices
    asked : (M, D) array
    n_neighbors : int
        At most; fewer where there are fewer codes.

    Returns
    -------
    (M,) intp
    """
    similarity = l2(asked) @ l2(codes).T
    # A stable order: of equally near codes the first count.
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :n_neighbors]
    votes = np.zeros((len(asked), int(y.max()) + 1))
    weights = np.maximum(np.take_along_axis(similarity, nearest, axis=1), 0)
    np.add.at(votes, (np.arange(len(asked))[:, np.newaxis], y[nearest]), weights)
    best: NDArray[np.intp] = votes.argmax(axis=1)
    return best


def judge_by_neighbours(codes: NDArray[Any], y: NDArray[np.intp], folds: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the class of each code by its neighbours in all other folds, (N,)."""
    answers = np.empty(len(y), np.intp)
    for fold in np.unique(folds):
        here = folds == fold
        answers[here] = vote_of_neighbours(codes[~here], y[~here], codes[here])
    return answers
