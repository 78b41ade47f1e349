"""Step 2 of SIFT: blobs, the extrema of the difference of Gaussians (DoG) over position and scale.

Lowe (2004), sections 3.1 and 4. A sample is a candidate if none of its 26 neighbours in position and scale exceeds it.
A quadratic fitted to the neighbours locates the extremum between the samples (eq. 2, 3). Extrema of low contrast are
dropped, as are those on edges, which are poorly localised along the edge (section 4.1).

Where this differs from Lowe, it follows OpenCV: candidates below half the contrast threshold are ignored, blobs keep a
distance of 5 samples from the border, and the contrast threshold is divided by the number of layers. As in OpenCV, a
blob half-way between two samples can be lost: the interpolation moves it back and forth until it is abandoned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.features.scalespace import ScaleSpace

__all__ = ["Blobs", "ExtremaSteps", "find_extrema"]

BORDER: Final = 5  # samples on each side of an octave that are not searched
MAX_STEPS: Final = 5  # moves to a neighbouring sample before a candidate is abandoned


@dataclass(frozen=True, eq=False)
class Blobs:
    """Extrema of the difference of Gaussians, as columns of equal length N.

    Attributes
    ----------
    octave, layer, row, column : (N,) int64
        The nearest sample of the scale space.
    xy : (N, 2) float64
        Position in the frame of the image, in pixels.
    scale : (N,) float64
        Sigma in pixels of the image.
    value : (N,) float64
        The difference of Gaussians: negative for bright blobs, positive for dark ones.
    """

    octave: NDArray[np.int64]
    layer: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    xy: NDArray[np.float64]
    scale: NDArray[np.float64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.octave)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """Return the blobs selected by a mask, a slice or an index array."""
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def by_level(self) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
        """Yield each octave and layer that has blobs, with the indices of its blobs."""
        levels = np.stack([self.octave, self.layer], axis=1)
        for octave, layer in np.unique(levels, axis=0):
            yield int(octave), int(layer), np.flatnonzero((self.octave == octave) & (self.layer == layer))


class ExtremaSteps(NamedTuple):
    """The blobs that remain after each step of the search.

    Attributes
    ----------
    candidates : Blobs
        Samples that none of their 26 neighbours exceeds, before interpolation.
    refined : Blobs
        Candidates whose interpolation converged.
    strong : Blobs
        Refined blobs above the contrast threshold.
    kept : Blobs
        Strong blobs that do not lie on an edge: the result.
    """

    candidates: Blobs
    refined: Blobs
    strong: Blobs
    kept: Blobs


def find_extrema(space: ScaleSpace, *, contrast: float = 0.04, edge_ratio: float = 10.0) -> ExtremaSteps:
    """Find the blobs of a scale space.

    Parameters
    ----------
    space : ScaleSpace
    contrast : float
        Threshold on |D| times the number of layers, for grey values in [0, 1]; larger keeps fewer blobs.
    edge_ratio : float
        Largest ratio of the two principal curvatures; larger keeps more blobs on edges.
    """
    threshold = contrast / space.n_layers
    # As in OpenCV: half the threshold, rounded down to whole grey levels of 256.
    candidates = _find_candidates(space, floor=math.floor(threshold / 2 * 255) / 255)
    refined, edgeness = _refine(space, candidates)
    is_strong = np.abs(refined.value) >= threshold
    # Lowe (2004), section 4.1: Tr^2 / Det < (r + 1)^2 / r.
    is_corner = edgeness < (edge_ratio + 1) ** 2 / edge_ratio
    return ExtremaSteps(candidates, refined, refined[is_strong], refined[is_strong & is_corner])


def _find_candidates(space: ScaleSpace, floor: float) -> Blobs:
    """Return the samples above the floor that none of their 26 neighbours exceeds (Lowe 2004, 3.1)."""
    found = [_blobs_at(space, octave, _local_extrema(dog, floor)) for octave, dog in enumerate(space.dog)]
    return _join([_blobs_at(space, 0, np.zeros((0, 3), np.int64)), *found])


def _local_extrema(dog: NDArray[np.float32], floor: float) -> NDArray[np.int64]:
    """Return the (N, 3) positions, as (layer, row, column), of the extrema of one octave."""
    around = dog[:, BORDER - 1 : 1 - BORDER, BORDER - 1 : 1 - BORDER]
    if min(around.shape) < 3:
        return np.zeros((0, 3), np.int64)
    inner = around[1:-1, 1:-1, 1:-1]
    is_top = (inner > floor) & (inner == _neighbourhood(np.maximum, around))
    is_bottom = (inner < -floor) & (inner == _neighbourhood(np.minimum, around))
    place: NDArray[np.int64] = np.argwhere(is_top | is_bottom) + np.array([1, BORDER, BORDER])
    return place


def _neighbourhood(pick: Callable[..., Any], cube: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the maximum or minimum of each 3 x 3 x 3 neighbourhood, computed axis by axis."""
    for axis in range(3):
        cube = np.moveaxis(cube, axis, 0)
        cube = np.moveaxis(pick(pick(cube[:-2], cube[1:-1]), cube[2:]), 0, axis)
    return cube


def _refine(space: ScaleSpace, candidates: Blobs) -> tuple[Blobs, NDArray[np.float64]]:
    """Interpolate each candidate; return those that converge, without repeats, and their edgeness."""
    blobs, edgeness = [candidates[:0]], [np.zeros(0)]
    for octave, dog in enumerate(space.dog):
        is_here = candidates.octave == octave
        place = np.stack([candidates.layer, candidates.row, candidates.column], axis=1)[is_here]
        place = _settle(dog, place)
        value, gradient, hessian = _quadratic(dog, place)
        offset = _peak_offset(gradient, hessian)
        # Lowe (2004), eq. 3: the value at the extremum of the quadratic.
        peak = value + 0.5 * np.sum(gradient * offset, axis=1)
        blobs.append(_blobs_at(space, octave, place, offset, peak))
        edgeness.append(_edgeness(hessian))
    return _join(blobs), np.concatenate(edgeness)


def _settle(dog: NDArray[np.float32], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the samples nearest to the extrema of the candidates' quadratics, sorted and without repeats."""
    lowest = np.array([1, BORDER, BORDER])
    highest = np.array(dog.shape) - lowest
    settled = [place[:0]]
    for _ in range(MAX_STEPS):
        _, gradient, hessian = _quadratic(dog, place)
        offset = _peak_offset(gradient, hessian)
        is_near = np.all(np.abs(offset) < 0.5, axis=1)
        settled.append(place[is_near])
        target = (place + np.rint(offset))[~is_near]
        place = target[np.all((target >= lowest) & (target < highest), axis=1)].astype(np.int64)
    return np.unique(np.concatenate(settled), axis=0)


def _quadratic(
    dog: NDArray[np.float32], place: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return value (N,), gradient (N, 3) and Hessian (N, 3, 3) by finite differences; axes (layer, row, column)."""
    layer, row, column = place.T[:, :, None, None, None]
    step = np.arange(-1, 2)
    cube = dog[layer + step[:, None, None], row + step[:, None], column + step].astype(np.float64)
    value = cube[:, 1, 1, 1]
    before = np.stack([cube[:, 0, 1, 1], cube[:, 1, 0, 1], cube[:, 1, 1, 0]], axis=1)
    after = np.stack([cube[:, 2, 1, 1], cube[:, 1, 2, 1], cube[:, 1, 1, 2]], axis=1)
    hessian = np.empty((len(place), 3, 3))
    hessian[:, range(3), range(3)] = before + after - 2 * value[:, None]
    for (i, j), face in {(0, 1): cube[:, :, :, 1], (0, 2): cube[:, :, 1, :], (1, 2): cube[:, 1, :, :]}.items():
        mixed = (face[:, 2, 2] - face[:, 2, 0] - face[:, 0, 2] + face[:, 0, 0]) / 4
        hessian[:, i, j] = hessian[:, j, i] = mixed
    return value, (after - before) / 2, hessian


def _peak_offset(gradient: NDArray[np.float64], hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the stationary points of the quadratics, (N, 3) in samples (Lowe 2004, eq. 3); NaN where not unique."""
    offset = np.full_like(gradient, np.nan)
    regular = np.linalg.det(hessian) != 0
    offset[regular] = -np.linalg.solve(hessian[regular], gradient[regular, :, None])[:, :, 0]
    return offset


def _edgeness(hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Tr^2 / Det of the spatial Hessian (Lowe 2004, 4.1); infinite where the curvatures differ in sign."""
    plane = hessian[:, 1:, 1:]
    trace, determinant = np.trace(plane, axis1=1, axis2=2), np.linalg.det(plane)
    edgeness: NDArray[np.float64] = np.full(len(plane), np.inf)
    np.divide(trace**2, determinant, out=edgeness, where=determinant > 0)
    return edgeness


def _blobs_at(
    space: ScaleSpace,
    octave: int,
    place: NDArray[np.int64],
    offset: NDArray[np.float64] | None = None,
    value: NDArray[np.float64] | None = None,
) -> Blobs:
    """Return blobs at samples of one octave, plus offsets if given; axes (layer, row, column)."""
    layer, row, column = place.T
    exact = place if offset is None else place + offset
    if value is None:
        value = space.dog[octave][layer, row, column].astype(np.float64) if len(place) else np.zeros(0)
    xy = exact[:, :0:-1] * space.spacing(octave)
    scale = space.blur(exact[:, 0]) * space.spacing(octave)
    return Blobs(np.full(len(place), octave, np.int64), layer, row, column, xy, scale, value)


def _join(parts: list[Blobs]) -> Blobs:
    return Blobs(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Blobs)))
