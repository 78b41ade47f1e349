"""The linear head: the hyperplanes of a trained linear classifier, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LinearHead"]

_BLOCK_BYTES = 16 * 2**20  # codes converted to float64 at a time


@dataclass(frozen=True, eq=False)
class LinearHead:
    """One hyperplane per class (for two classes: one hyperplane, positive on the side of the second).

    Attributes
    ----------
    classes : tuple of str
        K labels, sorted.
    weights : (K, D) float64, or (1, D) for two classes
    bias : (K,) float64, or (1,)
    cost : float
        The C that it was trained with: larger values regularise less.
    """

    classes: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    cost: float

    def __post_init__(self) -> None:
        n = 1 if len(self.classes) == 2 else len(self.classes)
        if len(self.classes) < 2 or self.weights.ndim != 2 or len(self.weights) != n or self.bias.shape != (n,):
            raise ValueError(
                f"weights {self.weights.shape} and bias {self.bias.shape} do not fit {len(self.classes)} classes"
            )
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("weights or bias contain numbers that are not finite")
        # One memory layout, so that a head that was saved and loaded sums in the same order, to the last bit.
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.float64))
        object.__setattr__(self, "bias", np.ascontiguousarray(self.bias, np.float64))

    def decide(self, codes: NDArray[Any], rows: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Return the signed distance of each code to each class's border, in units of the margin.

        Parameters
        ----------
        codes : (N, D) array
        rows : (M,) ints, optional
            The codes to use; by default all of them.

        Returns
        -------
        (N, K) or (M, K) float64
            The largest of a row is the predicted class.
        """
        if codes.ndim != 2 or codes.shape[1] != self.weights.shape[1]:
            raise ValueError(f"codes have shape {codes.shape}; this head needs (N, {self.weights.shape[1]})")
        n_rows = len(codes) if rows is None else len(rows)
        n_at_once = max(1, _BLOCK_BYTES // max(1, 8 * codes.shape[1]))
        decision = np.empty((n_rows, len(self.bias)))
        for start in range(0, n_rows, n_at_once):
            here = slice(start, start + n_at_once)
            block = codes[here if rows is None else rows[here]].astype(np.float64)
            decision[here] = block @ self.weights.T + self.bias
        return np.hstack([-decision, decision]) if len(self.classes) == 2 else decision

    def predict(self, codes: NDArray[Any], rows: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return the index of the predicted class of each code in `rows`; of equal scores the first."""
        best: NDArray[np.intp] = np.argmax(self.decide(codes, rows), axis=1)
        return best
