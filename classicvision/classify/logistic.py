"""Multinomial logistic regression: the linear classifier whose scores are logarithms of odds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_log_odds"]

MAX_ITERATIONS = 1000  # of L-BFGS; codes of norm 1 settle in tens


def fit_log_odds(
    codes: NDArray[np.float32],
    y: NDArray[np.intp],
    costs: Sequence[float],
    *,
    rows: NDArray[np.intp] | None = None,
    weighing: NDArray[np.float32] | None = None,
    balanced: bool,
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Minimise the cross-entropy plus half the squared norm of the weights, once for each value of C.

    Parameters
    ----------
    codes : (N, D) float32
    y : (M,) class indices from 0 to K - 1
        Of the codes in `rows`.
    costs : sequence of float
        C, the weight of the cross-entropy against the regularisation: larger values fit the training images more
        closely.
    rows : (M,) ints, optional
        The codes to train on; by default all of them.
    weighing : (D,) float32, optional
        Factor of each component of a code in training; the weights returned are for codes without it.
    balanced : bool
        Weigh classes inversely to their number of codes.

    Returns
    -------
    list of (weights, bias)
        As `LinearHead` takes them: (K, D) and (K,), or one row for two classes.
    """
    from sklearn.linear_model import LogisticRegression

    found = []
    points = (codes if rows is None else codes[rows]).astype(np.float64)
    if weighing is not None:
        points *= weighing
    for cost in costs:
        model = LogisticRegression(
            C=cost, class_weight="balanced" if balanced else None, max_iter=MAX_ITERATIONS, tol=1e-6
        ).fit(points, y)
        weights = np.asarray(model.coef_, np.float64)
        found.append((weights if weighing is None else weights * weighing, np.asarray(model.intercept_, np.float64)))
    return found
