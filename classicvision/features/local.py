"""What an extractor of local features returns: keypoints and their descriptors, as columns of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIRRORED_NUMBERS", "LocalFeatures", "root_sift"]

DESCRIPTOR_SIZE = 128

# Row, column and direction of each number: in a mirror the rows of cells, which go clockwise from the angle, and the
# directions, which go anticlockwise, run the other way.
_row, _column, _turn = np.unravel_index(np.arange(DESCRIPTOR_SIZE), (4, 4, 8))
MIRRORED_NUMBERS = np.ravel_multi_index((3 - _row, _column, -_turn % 8), (4, 4, 8))
"""Where each number of a descriptor comes from in the descriptor of the same place in a mirror."""
MIRRORED_NUMBERS.flags.writeable = False


_CELLS = 0.3  # for each keypoint that is kept when they are spread
_FIRST = 2  # keypoints of a cell that come before all others


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """The keypoints of one image, as read-only arrays of one length N.

    The frame is the original image's: x right, y down, integers at pixel centres.

    Attributes
    ----------
    xy : (N, 2) float32
        Positions in pixels.
    scale : (N,) float32
        Sigma of the blob, in pixels of the original image; a cell of the descriptor is three times as wide.
    angle : (N,) float32
        Dominant gradient direction, radians in [0, 2 pi), clockwise on the screen; 0 for upright patches.
    response : (N,) float32
        ``|DoG|`` at the extremum, or of dense patches the norm of the histogram; for grey values in [0, 1].
    descriptors : (N, 128) uint8
        SIFT descriptors, scaled to norm 512 and clipped at 255 (Lowe 2004, section 6.1).
    image_size : (height, width)
        Of the original image, in pixels.

    Raises
    ------
    ValueError
        If the columns differ in length or have another shape.
    """

    xy: NDArray[np.float32]
    scale: NDArray[np.float32]
    angle: NDArray[np.float32]
    response: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    image_size: tuple[int, int]

    _COLUMNS: ClassVar[dict[str, tuple[type[np.generic], tuple[int, ...]]]] = {
        "xy": (np.float32, (2,)),
        "scale": (np.float32, ()),
        "angle": (np.float32, ()),
        "response": (np.float32, ()),
        "descriptors": (np.uint8, (DESCRIPTOR_SIZE,)),
    }

    def __post_init__(self) -> None:
        n = len(self.xy)
        for name, (dtype, row_shape) in self._COLUMNS.items():
            column = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            if column.shape != (n, *row_shape):
                raise ValueError(f"{name} has shape {column.shape}; {n} keypoints need {(n, *row_shape)}")
            view = column.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        height, width = self.image_size
        object.__setattr__(self, "image_size", (int(height), int(width)))

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> Self:
        """Return the features of an image in which nothing was found."""
        columns = {name: np.zeros((0, *row), dtype) for name, (dtype, row) in cls._COLUMNS.items()}
        return cls(**columns, image_size=image_size)

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """Return the keypoints chosen by a mask, a slice or an index array."""
        if not isinstance(rows, slice) and np.ndim(rows) == 0:
            raise TypeError(f"choose keypoints with a slice, mask or index array; for one, use [{rows}:{rows + 1}]")
        return type(self)(**{name: getattr(self, name)[rows] for name in self._COLUMNS}, image_size=self.image_size)

    def strongest(self, n: int) -> Self:
        """Return the n keypoints of largest response, strongest first; equal ones keep their order."""
        order = np.argsort(-self.response, kind="stable")
        return self[order[: max(n, 0)]]

    def spread(self, n: int) -> Self:
        """Return n keypoints, strongest first, of which no part of the picture keeps all for itself.

        The picture is cut into 3 cells for each 10 of the n keypoints. The two strongest of each cell come before all
        others, so that text beside a smooth photograph leaves it some. Turning the picture by 90 degrees or mirroring
        it turns and mirrors the cells.
        """
        if len(self) <= n:
            return self.strongest(n)
        features = self.strongest(len(self))
        cell = _cells(features.xy, self.image_size, n)
        order = np.argsort(cell, kind="stable")
        rank = np.empty(len(self), np.intp)
        rank[order] = np.arange(len(self)) - np.searchsorted(cell[order], cell[order])
        chosen = np.argsort(np.minimum(rank, _FIRST), kind="stable")[: max(n, 0)]
        return features[np.sort(chosen)]

    def resized(self, image_size: tuple[int, int]) -> Self:
        """Return the keypoints in the frame of another size of the same picture.

        Resizing moves pixel centres to factor * (x + 0.5) - 0.5, since it keeps the outer borders of the picture.

        Parameters
        ----------
        image_size : (height, width)
            Of the picture that was resized to `self.image_size`, in pixels.
        """
        if tuple(image_size) == self.image_size:
            return self
        factor = np.array(image_size[::-1], np.float64) / self.image_size[::-1]
        xy = (self.xy + 0.5) * factor - 0.5
        # The factors of x and y differ by the rounding of the sizes at most: their geometric mean keeps areas.
        scale = self.scale * np.sqrt(factor.prod())
        return replace(self, xy=xy, scale=scale, image_size=image_size)

    def mirrored(self) -> Self:
        """Return the features of the picture mirrored left to right, as if it had been searched anew.

        The keypoints keep their order, so their rows stand for the same places.
        """
        x, y = self.xy.T
        return replace(
            self,
            xy=np.column_stack([self.image_size[1] - 1 - x, y]),
            angle=np.mod(np.pi - self.angle.astype(np.float64), 2 * np.pi).astype(np.float32) % np.float32(2 * np.pi),
            descriptors=self.descriptors.take(MIRRORED_NUMBERS, axis=1),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all columns and the image size as plain arrays, by field name."""
        columns = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        columns["image_size"] = np.array(self.image_size, np.int64)
        return columns

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild features from what `to_arrays` returned."""
        height, width = arrays["image_size"].tolist()
        return cls(**{name: arrays[name] for name in cls._COLUMNS}, image_size=(height, width))


def _cells(xy: NDArray[np.float32], image_size: tuple[int, int], n: int) -> NDArray[np.intp]:
    """Return the number of the cell that each of some positions (N, 2) lies in; cells are about square."""
    sides = np.array(image_size[::-1], np.float64)
    n_cells = np.maximum(np.rint(sides * np.sqrt(_CELLS * n / sides.prod())), 1)
    column, row = np.clip((xy + 0.5) / sides * n_cells, 0, n_cells - 1).astype(np.intp).T
    return np.asarray(row * int(n_cells[0]) + column, np.intp)


def root_sift(descriptors: NDArray[Any]) -> NDArray[np.float32]:
    """Turn SIFT descriptors into RootSIFT: divided by their sum, then square-rooted.

    The Euclidean distance between two results is the Hellinger distance between the descriptors
    (Arandjelovic and Zisserman 2012, section 2).

    Parameters
    ----------
    descriptors : (N, D) array
        Non-negative.

    Returns
    -------
    (N, D) float32
        Rows of Euclidean norm 1; a row of zeros stays zero.
    """
    values: NDArray[np.float32] = np.array(descriptors, np.float32)
    total = values.sum(axis=-1, keepdims=True)
    values /= np.where(total > 0, total, np.float32(np.inf))
    return np.sqrt(values, out=values)
