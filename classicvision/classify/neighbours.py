"""Nearest neighbours in feature space: a classifier without training (Cover and Hart 1967)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.encoding.normalize import l2

__all__ = ["N_NEIGHBORS", "predict_by_neighbours", "vote_of_neighbours"]

N_NEIGHBORS = 5


def vote_of_neighbours(
    codes: NDArray[Any], y: NDArray[np.intp], queries: NDArray[Any], n_neighbors: int = N_NEIGHBORS
) -> NDArray[np.intp]:
    """Return the class with most votes of the nearest codes, weighted by cosine; ties go to the smaller class.

    Parameters
    ----------
    codes : (N, D) array
        Codes of known class.
    y : (N,) class indices
    queries : (M, D) array
        Codes to classify.
    n_neighbors : int
        Number of votes; fewer where there are fewer codes.

    Returns
    -------
    (M,) intp
    """
    similarity = l2(queries) @ l2(codes).T
    # A stable sort: of equally near codes the first count.
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :n_neighbors]
    votes = np.zeros((len(queries), int(y.max()) + 1))
    weights = np.maximum(np.take_along_axis(similarity, nearest, axis=1), 0)
    np.add.at(votes, (np.arange(len(queries))[:, np.newaxis], y[nearest]), weights)
    best: NDArray[np.intp] = votes.argmax(axis=1)
    return best


def predict_by_neighbours(codes: NDArray[Any], y: NDArray[np.intp], folds: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the class of each code by its nearest neighbours in all other folds, (N,)."""
    answers = np.empty(len(y), np.intp)
    for fold in np.unique(folds):
        here = folds == fold
        answers[here] = vote_of_neighbours(codes[~here], y[~here], codes[here])
    return answers
