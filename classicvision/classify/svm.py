"""Linear support vector machines, one class against the rest, for a whole list of costs at once. NumPy only.

Minimised is, for each class with labels s = +1 for its images and -1 for all others,

    |w|^2 / 2 + b^2 / 2 + C sum_i v_i max(0, 1 - s_i (w x_i + b))^2,

which is what LIBLINEAR and scikit-learn's LinearSVC minimise (Fan et al. 2008, appendix A), by the finite Newton method
of Keerthi and DeCoste (2005): the function is quadratic as long as no image crosses its margin, so a few Newton steps
with an exact line search end at the minimum. The steps of all classes share two matrix products with the codes, the
solution for one cost is the start for the next, and the codes are not widened to float64. Of wide codes only the
products with each other are needed, which are added up block by block: nothing is copied whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_COST", "LEAST_COST", "Hyperplanes", "fit_hyperplanes"]

Floats = NDArray[np.float32]

# Within these float32 has digits enough: from 1e9 on a search may end where it began.
LEAST_COST, LARGEST_COST = 1e-6, 1e6
MAX_STEPS = 100  # Newton steps a cost; 4 to 6 are usual
MAX_CG_STEPS = 200  # conjugate gradients a Newton step; 5 to 30 are usual
_CG_TOLERANCE = 0.1  # of the residual, relative to the gradient
_LINE_STEPS = 20
_SMALLEST_STEP = 1e-6
_RESOLVED = 1e-7  # of the loss: what a step promises below it is rounding
_MOST_PRODUCTS = 2**14  # images of which all products are held: 1 GiB, and as much while they are added
_GRAM_BLOCK = 2048  # dimensions whose products are added at a time


class Hyperplanes(NamedTuple):
    """Weights (K, D) and bias (K,), float64: the score of a code x for class k is weights[k] x + bias[k]."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]


def fit_hyperplanes(
    codes: Floats,
    y: NDArray[np.intp],
    costs: Sequence[float],
    *,
    rows: NDArray[np.intp] | None = None,
    weighing: Floats | None = None,
    balanced: bool = True,
    tolerance: float = 1e-4,
) -> list[Hyperplanes]:
    """Fit one class against the rest, once for each cost.

    Parameters
    ----------
    codes : (N, D) float32
    y : (M,) class indices from 0 to K - 1, each at least once
        Of the codes in `rows`. For two classes there is one hyperplane, positive on the side of class 1.
    costs : sequence of float
        Values of C from LEAST_COST to LARGEST_COST, in any order.
    rows : (M,) ints, optional
        The codes to learn from; all of them if left out.
    weighing : (D,) float32, optional
        What each number of a code is multiplied by before; the weights returned are for codes as they are.
    balanced : bool
        Weigh classes by N / (K n_k), as scikit-learn does.
    tolerance : float
        Of the gradient, as in LIBLINEAR: relative to that at zero and to the share of the rarer side.

    Returns
    -------
    list of Hyperplanes
        In the order of the costs.
    """
    counts = np.bincount(y)
    if len(counts) < 2 or counts.min() < 1:
        raise ValueError(f"the classes have {counts.tolist()} images; at least two classes with one each were expected")
    chosen = _Chosen(codes, rows, weighing)
    space: _Space = _Gram(chosen) if _is_wide(*chosen.shape) else _Primal(chosen)
    problem = _Problem.of(space, y, counts, balanced)
    state = problem.start()
    found: dict[float, Hyperplanes] = {}
    for cost in sorted(set(costs)):
        _minimise(problem, state, cost, tolerance)
        found[cost] = problem.space.hyperplanes(state.at)
    return [found[cost] for cost in costs]


class _Chosen(NamedTuple):
    """The codes to learn from: some rows, each number weighed. `None` means all rows, and weights of 1."""

    codes: Floats
    rows: NDArray[np.intp] | None
    weighing: Floats | None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.codes if self.rows is None else self.rows), self.codes.shape[1]

    def block(self, start: int, stop: int) -> Floats:
        """Return some of the dimensions."""
        block = self.codes[:, start:stop]
        if self.rows is not None:
            block = block[self.rows]
        if self.weighing is None:
            return block
        weighed: Floats = np.multiply(block, self.weighing[start:stop], out=None if self.rows is None else block)
        return weighed

    def unweighed(self, weights: Floats) -> Floats:
        """Return weights (D, K) of weighed codes as weights of codes as they are."""
        return weights if self.weighing is None else weights * self.weighing[:, np.newaxis]


class _Space(Protocol):
    """How vectors (w, b) of all classes are held, one a column, and what the method asks of them."""

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


class _Primal:
    """Vectors as their numbers, (D + 1, K): for many images."""

    def __init__(self, chosen: _Chosen) -> None:
        self.n_rows = chosen.shape[1] + 1
        self._chosen = chosen
        self._codes = chosen.block(0, chosen.shape[1])

    def decide(self, vectors: Floats) -> Floats:
        decided: Floats = _product(self._codes, vectors[:-1]) + vectors[-1]
        return decided

    def collect(self, values: Floats) -> Floats:
        return np.vstack([_product(self._codes.T, values), values.sum(axis=0)])

    def inner(self, a: Floats, b: Floats, decided_b: Floats) -> Floats:
        return _dots(a, b)

    def hyperplanes(self, vectors: Floats) -> Hyperplanes:
        return _hyperplanes(self._chosen.unweighed(vectors[:-1]), vectors[-1])


class _Gram:
    """Vectors as weighted sums of the images, (N, K), which every step of the method stays within: for wide codes."""

    def __init__(self, chosen: _Chosen) -> None:
        self.n_rows = chosen.shape[0]
        self._chosen = chosen
        self._products = np.ones((self.n_rows, self.n_rows), np.float32)  # 1: of the biases
        for start in range(0, chosen.shape[1], _GRAM_BLOCK):
            block = chosen.block(start, start + _GRAM_BLOCK)
            self._products += block @ block.T

    def decide(self, vectors: Floats) -> Floats:
        return _product(self._products, vectors)

    def collect(self, values: Floats) -> Floats:
        return values

    def inner(self, a: Floats, b: Floats, decided_b: Floats) -> Floats:
        return _dots(a, decided_b)

    def hyperplanes(self, vectors: Floats) -> Hyperplanes:
        n_dims = self._chosen.shape[1]
        weights = np.empty((n_dims, vectors.shape[1]), np.float32)
        for start in range(0, n_dims, _GRAM_BLOCK):
            weights[start : start + _GRAM_BLOCK] = self._chosen.block(start, start + _GRAM_BLOCK).T @ vectors
        return _hyperplanes(self._chosen.unweighed(weights), vectors.sum(axis=0))


def _is_wide(n_images: int, n_dimensions: int) -> bool:
    """Tell whether the products of the images, N^2, are less work than their codes, read twice a step."""
    return n_images <= min(2 * n_dimensions, _MOST_PRODUCTS)


class _State(NamedTuple):
    """Where the search stands, for each class in a column, and the decisions that follow. Changed in place."""

    at: Floats
    decided: Floats


class _Problem(NamedTuple):
    """Signs (N, K), twice the weight of each image for each class (N, K), and what scales the tolerance (K,)."""

    space: _Space
    signs: Floats
    factors: Floats
    gradient_at_zero: Floats

    @classmethod
    def of(cls, space: _Space, y: NDArray[np.intp], counts: NDArray[np.intp], balanced: bool) -> _Problem:
        weights = len(y) / (len(counts) * counts) if balanced else np.ones(len(counts))
        # As LIBLINEAR has it: with more than two classes the rest is not weighed.
        positive = np.arange(len(counts)) if len(counts) > 2 else np.array([1])
        rest = 1.0 if len(counts) > 2 else weights[0]
        inside = y[:, np.newaxis] == positive
        signs = np.where(inside, 1, -1).astype(np.float32)
        factors = (2 * np.where(inside, weights[positive], rest)).astype(np.float32)
        gradient = space.collect(signs * factors)
        length = np.sqrt(space.inner(gradient, gradient, space.decide(gradient)))
        n_inside = inside.sum(axis=0)
        share = np.minimum(n_inside, len(y) - n_inside) / len(y)
        return cls(space, signs, factors, (length * share).astype(np.float32))

    def start(self) -> _State:
        n_images, n_classes = self.signs.shape
        return _State(np.zeros((self.space.n_rows, n_classes), np.float32), np.zeros((n_images, n_classes), np.float32))


def _minimise(problem: _Problem, state: _State, cost: float, tolerance: float) -> None:
    """Take Newton steps until the gradient of every class is small enough."""
    space, limit = problem.space, tolerance * cost * problem.gradient_at_zero
    state.decided[:] = space.decide(state.at)  # the steps before have added up rounding errors
    live = np.arange(len(limit))
    for _ in range(MAX_STEPS):
        signs, factors = problem.signs[:, live], np.float32(cost) * problem.factors[:, live]
        missing = np.maximum(0, 1 - signs * state.decided[:, live])  # of the margin
        downhill = space.collect(factors * signs * missing) - state.at[:, live]
        decided = space.decide(downhill)
        squared = space.inner(downhill, downhill, decided)
        going = squared > limit[live] ** 2
        if not going.any():
            return
        live, signs, factors = live[going], signs[:, going], factors[:, going]
        curvature = np.where(missing[:, going] > 0, factors, _ZERO)
        downhill, decided = downhill[:, going], decided[:, going]
        step, decided_step = _solve(space, curvature, downhill, decided, squared[going])
        length = _search_line(space, state.at[:, live], state.decided[:, live], step, decided_step, signs, factors)
        state.at[:, live] += length * step
        state.decided[:, live] += length * decided_step
        live = live[space.inner(step, downhill, decided) > _RESOLVED * _loss(space, state, live, factors, signs)]
        if not len(live):
            return


def _loss(space: _Space, state: _State, live: NDArray[np.intp], factors: Floats, signs: Floats) -> Floats:
    """Return what is minimised, for some of the classes."""
    at, decided = state.at[:, live], state.decided[:, live]
    missing = np.maximum(0, 1 - signs * decided)
    loss: Floats = np.float32(0.5) * (space.inner(at, at, decided) + _dots(factors * missing, missing))
    return loss


def _solve(
    space: _Space, curvature: Floats, downhill: Floats, decided: Floats, squared: Floats
) -> tuple[Floats, Floats]:
    """Return the Newton step, about, and its decisions: conjugate gradients (Hestenes and Stiefel 1952)."""
    step, decided_step = np.zeros_like(downhill), np.zeros_like(decided)
    residual, goal = downhill.copy(), _CG_TOLERANCE**2 * squared
    direction, decided_direction = downhill.copy(), decided.copy()
    for _ in range(MAX_CG_STEPS):
        bent = curvature * decided_direction
        along = space.inner(direction, direction, decided_direction) + _dots(bent, decided_direction)
        length = np.where((squared > goal) & (along > 0), squared / np.maximum(along, _TINY), _ZERO)
        step += length * direction
        decided_step += length * decided_direction
        residual -= length * (direction + space.collect(bent))
        decided = space.decide(residual)
        before, squared = squared, space.inner(residual, residual, decided)
        if (squared <= goal).all() or not length.any():
            break
        # Rounding can leave a class that has stopped with a square below zero: it must not grow.
        ratio = np.where(length > 0, squared / np.maximum(before, _TINY), _ZERO)
        direction *= ratio
        direction += residual
        decided_direction *= ratio
        decided_direction += decided
    return step, decided_step


def _search_line(
    space: _Space, at: Floats, decided: Floats, step: Floats, decided_step: Floats, signs: Floats, factors: Floats
) -> Floats:
    """Return for each class how far to go along its step: the minimum of a function of one number, by Newton again."""
    slope_at_zero = space.inner(at, step, decided_step)
    bend = space.inner(step, step, decided_step)
    missing_at_zero, gain = 1 - signs * decided, signs * decided_step
    length: Floats = np.ones(len(bend), np.float32)
    for _ in range(_LINE_STEPS):
        missing = np.maximum(0, missing_at_zero - length * gain)
        pull = factors * gain
        slope = slope_at_zero + length * bend - _dots(pull, missing)
        curvature = bend + _dots(pull * (missing > 0), gain)
        change = slope / np.maximum(curvature, _TINY)
        length = np.maximum(length - change, _SMALLEST_STEP).astype(np.float32)
        if (np.abs(change) <= 1e-3 * length).all():
            break
    return length


_ZERO = np.float32(0)
_EIGHT = 8  # columns at least
_TINY = np.finfo(np.float32).tiny


def _product(matrix: Floats, vectors: Floats) -> Floats:
    """Return a matrix times a few columns: in eights, which linear algebra libraries take in half the time of 15."""
    n_columns = vectors.shape[1]
    padded = np.zeros((len(vectors), -(-n_columns // _EIGHT) * _EIGHT), np.float32)
    padded[:, :n_columns] = vectors
    product: Floats = (matrix @ padded)[:, :n_columns]
    return product


def _dots(a: Floats, b: Floats) -> Floats:
    """Return the inner product of each pair of columns."""
    products: Floats = np.einsum("ij,ij->j", a, b)
    return products


def _hyperplanes(weights: Floats, bias: Floats) -> Hyperplanes:
    return Hyperplanes(weights.T.astype(np.float64, order="C"), bias.astype(np.float64))
