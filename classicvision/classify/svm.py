"""Linear support vector machines, one class against the rest, for several values of C in one call. NumPy only.

Minimised is, for each class with labels s = +1 for its images and -1 for all others,

    |w|^2 / 2 + b^2 / 2 + C sum_i v_i max(0, 1 - s_i (w x_i + b))^2,

which is what LIBLINEAR and scikit-learn's LinearSVC minimise (Fan et al. 2008, appendix A), by the finite Newton method
of Keerthi and DeCoste (2005): the function is quadratic as long as no image crosses its margin, so a few Newton steps
with an exact line search end at the minimum. The steps of all classes share two matrix products with the codes, the
solution for one C is the start for the next, and the codes are not converted to float64. Of wide codes only the
products with each other are needed, which are summed block by block, so the codes are never copied whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.classify.svm_space import Floats, GramSpace, Hyperplanes, PrimalSpace, Space, TrainingCodes, dots

__all__ = ["LARGEST_COST", "LEAST_COST", "Hyperplanes", "fit_hyperplanes"]

# Within these limits float32 is precise enough; from 1e9 on a search may end where it began.
LEAST_COST, LARGEST_COST = 1e-6, 1e6
MAX_STEPS = 100  # Newton steps per value of C; 4 to 6 are usual
MAX_CG_STEPS = 200  # conjugate gradients per Newton step; 5 to 30 are usual
_CG_TOLERANCE = 0.1  # of the residual, relative to the gradient
_LINE_STEPS = 20
_SMALLEST_STEP = 1e-6
_RESOLVED = 1e-7  # of the loss: a smaller predicted gain is rounding
_MOST_PRODUCTS = 2**14  # images whose products are all held: 1 GiB, and as much again while they are summed
_ZERO = np.float32(0)
_TINY = np.finfo(np.float32).tiny


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
    """Fit one class against the rest, once for each value of C.

    Parameters
    ----------
    codes : (N, D) float32
    y : (M,) class indices from 0 to K - 1, each at least once
        Of the codes in `rows`. For two classes there is one hyperplane, positive on the side of class 1.
    costs : sequence of float
        Values of C, the weight of the loss against the regularisation, in any order: larger values fit the training
        images more closely. From LEAST_COST to LARGEST_COST.
    rows : (M,) ints, optional
        The codes to train on; by default all of them.
    weighing : (D,) float32, optional
        Factor of each component of a code in training; the weights returned are for codes without it.
    balanced : bool
        Weigh classes by N / (K n_k), as scikit-learn does.
    tolerance : float
        Of the gradient, as in LIBLINEAR: relative to that at zero and to the share of the rarer side.

    Returns
    -------
    list of Hyperplanes
        In the order of `costs`.
    """
    counts = np.bincount(y)
    if len(counts) < 2 or counts.min() < 1:
        raise ValueError(f"the classes have {counts.tolist()} images; at least two classes with one each were expected")
    chosen = TrainingCodes(codes, rows, weighing)
    space: Space = GramSpace(chosen) if _is_wide(*chosen.shape) else PrimalSpace(chosen)
    problem = _Problem.of(space, y, counts, balanced)
    state = problem.start()
    found: dict[float, Hyperplanes] = {}
    for cost in sorted(set(costs)):
        _minimise(problem, state, cost, tolerance)
        found[cost] = problem.space.hyperplanes(state.at)
    return [found[cost] for cost in costs]


def _is_wide(n_images: int, n_dimensions: int) -> bool:
    """Return whether the N^2 products of the images are less work than their codes, which are read twice per step."""
    return n_images <= min(2 * n_dimensions, _MOST_PRODUCTS)


class _State(NamedTuple):
    """The current vectors, one per class in a column, and their decisions. Changed in place."""

    at: Floats
    decided: Floats


class _Problem(NamedTuple):
    """Signs (N, K), twice the weight of each image for each class (N, K), and what scales the tolerance (K,)."""

    space: Space
    signs: Floats
    factors: Floats
    gradient_at_zero: Floats

    @classmethod
    def of(cls, space: Space, y: NDArray[np.intp], counts: NDArray[np.intp], balanced: bool) -> _Problem:
        weights = len(y) / (len(counts) * counts) if balanced else np.ones(len(counts))
        # As in LIBLINEAR: with more than two classes the rest is not weighed.
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
    state.decided[:] = space.decide(state.at)  # earlier steps have accumulated rounding errors
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


def _loss(space: Space, state: _State, live: NDArray[np.intp], factors: Floats, signs: Floats) -> Floats:
    """Return what is minimised, for some of the classes."""
    at, decided = state.at[:, live], state.decided[:, live]
    missing = np.maximum(0, 1 - signs * decided)
    loss: Floats = np.float32(0.5) * (space.inner(at, at, decided) + dots(factors * missing, missing))
    return loss


def _solve(
    space: Space, curvature: Floats, downhill: Floats, decided: Floats, squared: Floats
) -> tuple[Floats, Floats]:
    """Return the Newton step, about, and its decisions: conjugate gradients (Hestenes and Stiefel 1952)."""
    step, decided_step = np.zeros_like(downhill), np.zeros_like(decided)
    residual, goal = downhill.copy(), _CG_TOLERANCE**2 * squared
    direction, decided_direction = downhill.copy(), decided.copy()
    for _ in range(MAX_CG_STEPS):
        bent = curvature * decided_direction
        along = space.inner(direction, direction, decided_direction) + dots(bent, decided_direction)
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
    space: Space, at: Floats, decided: Floats, step: Floats, decided_step: Floats, signs: Floats, factors: Floats
) -> Floats:
    """Return for each class how far to go along its step: the minimum of a function of one number, by Newton again."""
    slope_at_zero = space.inner(at, step, decided_step)
    bend = space.inner(step, step, decided_step)
    missing_at_zero, gain = 1 - signs * decided, signs * decided_step
    length: Floats = np.ones(len(bend), np.float32)
    for _ in range(_LINE_STEPS):
        missing = np.maximum(0, missing_at_zero - length * gain)
        pull = factors * gain
        slope = slope_at_zero + length * bend - dots(pull, missing)
        curvature = bend + dots(pull * (missing > 0), gain)
        change = slope / np.maximum(curvature, _TINY)
        length = np.maximum(length - change, _SMALLEST_STEP).astype(np.float32)
        if (np.abs(change) <= 1e-3 * length).all():
            break
    return length
