"""How the linear SVM represents vectors: by their components or, where codes are wide, by weights of the images."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "GramSpace", "Hyperplanes", "PrimalSpace", "Space", "TrainingCodes", "dots"]

Floats = NDArray[np.float32]

_GRAM_BLOCK = 2048  # dimensions whose products are added at a time
_EIGHT = 8  # columns at least


class Hyperplanes(NamedTuple):
    """Weights (K, D) and bias (K,), float64: the score of a code x for class k is weights[k] x + bias[k]."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


class TrainingCodes(NamedTuple):
    """The codes to train on: some rows, each component weighed. None means all rows, or weights of 1."""

    codes: Floats
    rows: NDArray[np.intp] | None
    weighing: Floats | None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of codes, and of their components."""
        return len(self.codes if self.rows is None else self.rows), self.codes.shape[1]

    def block(self, start: int, stop: int) -> Floats:
        """Return some of the dimensions, (M, stop - start)."""
        block = self.codes[:, start:stop]
        if self.rows is not None:
            block = block[self.rows]
        if self.weighing is None:
            return block
        weighed: Floats = np.multiply(block, self.weighing[start:stop], out=None if self.rows is None else block)
        return weighed

    def unweighed(self, weights: Floats) -> Floats:
        """Return weights (D, K) for weighed codes as weights for the codes as they are."""
        return weights if self.weighing is None else weights * self.weighing[:, np.newaxis]


class Space(Protocol):
    """Vectors (w, b) of all classes, one per column, and the operations on them that the solver needs."""

    n_rows: int

    def decide(self, vectors: Floats) -> Floats:
        """Return w x + b of every image, (N, K)."""
        ...

    def collect(self, values: Floats) -> Floats:
        """Return the sums of (x, 1) over the images, weighted by values (N, K)."""
        ...

    def inner(self, a: Floats, b: Floats, decided_b: Floats) -> Floats:
        """Return the inner products (K,) of two vectors; `decide(b)` is known."""
        ...

    def hyperplanes(self, vectors: Floats) -> Hyperplanes:
        """Return weights and bias."""
        ...


class PrimalSpace:
    """Vectors by their components, (D + 1, K): for many images."""

    def __init__(self, chosen: TrainingCodes) -> None:
        self.n_rows = chosen.shape[1] + 1
        self._chosen = chosen
        self._codes = chosen.block(0, chosen.shape[1])

    def decide(self, vectors: Floats) -> Floats:
        """Return w x + b of every image, (N, K)."""
        decided: Floats = _product(self._codes, vectors[:-1]) + vectors[-1]
        return decided

    def collect(self, values: Floats) -> Floats:
        """Return the sums of (x, 1) over the images, weighted by values (N, K)."""
        return np.vstack([_product(self._codes.T, values), values.sum(axis=0)])

    def inner(self, a: Floats, b: Floats, decided_b: Floats) -> Floats:
        """Return the inner products (K,) of two vectors."""
        return dots(a, b)

    def hyperplanes(self, vectors: Floats) -> Hyperplanes:
        """Return weights and bias."""
        return _hyperplanes(self._chosen.unweighed(vectors[:-1]), vectors[-1])


class GramSpace:
    """Vectors as weighted sums of the images, (N, K), which all steps of the solver are: for wide codes."""

    def __init__(self, chosen: TrainingCodes) -> None:
        self.n_rows = chosen.shape[0]
        self._chosen = chosen
        self._products = np.ones((self.n_rows, self.n_rows), np.float32)  # 1: product of the biases
        for start in range(0, chosen.shape[1], _GRAM_BLOCK):
            block = chosen.block(start, start + _GRAM_BLOCK)
            self._products += block @ block.T

    def decide(self, vectors: Floats) -> Floats:
        """Return w x + b of every image, (N, K)."""
        return _product(self._products, vectors)

    def collect(self, values: Floats) -> Floats:
        """Return the sums of (x, 1) over the images, weighted by values (N, K)."""
        return values

    def inner(self, a: Floats, b: Floats, decided_b: Floats) -> Floats:
        """Return the inner products (K,) of two vectors."""
        return dots(a, decided_b)

    def hyperplanes(self, vectors: Floats) -> Hyperplanes:
        """Return weights and bias."""
        n_dims = self._chosen.shape[1]
        weights = np.empty((n_dims, vectors.shape[1]), np.float32)
        for start in range(0, n_dims, _GRAM_BLOCK):
            weights[start : start + _GRAM_BLOCK] = self._chosen.block(start, start + _GRAM_BLOCK).T @ vectors
        return _hyperplanes(self._chosen.unweighed(weights), vectors.sum(axis=0))


def _product(matrix: Floats, vectors: Floats) -> Floats:
    """Return a matrix times a few columns: in eights, which linear algebra libraries take in half the time of 15."""
    n_columns = vectors.shape[1]
    padded = np.zeros((len(vectors), -(-n_columns // _EIGHT) * _EIGHT), np.float32)
    padded[:, :n_columns] = vectors
    product: Floats = (matrix @ padded)[:, :n_columns]
    return product


def dots(a: Floats, b: Floats) -> Floats:
    """Return the inner product of each pair of columns."""
    products: Floats = np.einsum("ij,ij->j", a, b)
    return products


def _hyperplanes(weights: Floats, bias: Floats) -> Hyperplanes:
    return Hyperplanes(weights.T.astype(np.float64, order="C"), bias.astype(np.float64))
