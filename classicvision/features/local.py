"""Local features of an image: keypoints and their descriptors, as columns of equal length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["INVERTED_BINS", "MIRRORED_BINS", "LocalFeatures"]

DESCRIPTOR_SIZE = 128

# Mirroring reverses the rows of cells, which are ordered clockwise from the keypoint's angle, and the directions, which
# are ordered anticlockwise.
_row, _column, _direction = np.unravel_index(np.arange(DESCRIPTOR_SIZE), (4, 4, 8))
MIRRORED_BINS = np.ravel_multi_index((3 - _row, _column, -_direction % 8), (4, 4, 8))
"""Permutation of the 128 histogram bins that gives the descriptor of the mirrored patch."""
MIRRORED_BINS.flags.writeable = False

# Inverting reverses gradients, and with them the keypoint's angle: the cells turn by 180 degrees, and directions
# relative to the angle stay.
INVERTED_BINS = np.ravel_multi_index((3 - _row, 3 - _column, _direction), (4, 4, 8))
"""Permutation of the 128 histogram bins that gives the descriptor of the patch with inverted levels."""
INVERTED_BINS.flags.writeable = False


_CELLS_PER_KEYPOINT = 0.3  # of the grid over which `spread` distributes the keypoints
_PREFERRED_PER_CELL = 2  # keypoints of each cell that `spread` keeps before all others


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """The keypoints of one image and their descriptors, as read-only arrays of equal length N.

    Positions are in the frame of the original image: x to the right, y down, integers at pixel centres. A mask, a slice
    or an index array selects keypoints: ``features[features.scale > 4]``.

    Parameters
    ----------
    xy : (N, 2) float32
        Positions in pixels.
    scale : (N,) float32
        Sigma of the blob in pixels of the original image. Each of the descriptor's 4 x 4 cells is three times as wide.
    angle : (N,) float32
        Dominant gradient direction in radians, in [0, 2 pi), clockwise on the screen; 0 for upright patches.
    response : (N,) float32
        ``|DoG|`` at the extremum for grey values in [0, 1]; larger means higher contrast. For dense patches, the norm
        of the gradient histogram.
    descriptors : (N, 128) uint8
        SIFT descriptors, scaled to norm 512 and clipped at 255 ([1]_, section 6.1).
    image_size : (height, width)
        Size of the original image in pixels.

    Raises
    ------
    ValueError
        If a column has the wrong shape or its length differs from that of `xy`.

    References
    ----------
    .. [1] D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60, 2004.
           :DOI:`10.1023/B:VISI.0000029664.99615.94`

    Examples
    --------
    >>> from classicvision import Sift, read_image
    >>> features = Sift(max_features=300)(read_image("data/copies/library/astronaut.jpg"))
    >>> features.xy.shape, features.descriptors.dtype
    ((300, 2), dtype('uint8'))
    >>> len(features.strongest(10))
    10
    >>> bool((features[features.scale > 4].scale > 4).all())
    True
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
        """Return the features of an image without keypoints."""
        columns = {name: np.zeros((0, *row), dtype) for name, (dtype, row) in cls._COLUMNS.items()}
        return cls(**columns, image_size=image_size)

    def __len__(self) -> int:
        return len(self.xy)

    def __repr__(self) -> str:
        scale = f", scale={self.scale.min():.3g}..{self.scale.max():.3g}" if len(self) else ""
        return f"{type(self).__name__}(n={len(self)}, image_size={self.image_size}{scale})"

    def _repr_html_(self) -> str:
        """Return a small table for notebooks."""
        height, width = self.image_size
        rows = {"keypoints": f"{len(self)}", "image": f"{width} x {height} pixels"}
        for name, column in (("scale", self.scale), ("response", self.response)):
            rows[name] = f"{column.min():.3g} to {column.max():.3g}" if len(self) else "none"
        body = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows.items())
        return f"<table><caption>{escape(type(self).__name__)}</caption>{body}</table>"

    def __getitem__(self, rows: slice | NDArray[Any]) -> Self:
        """Return the keypoints selected by a mask, a slice or an index array."""
        if not isinstance(rows, slice) and np.ndim(rows) == 0:
            raise TypeError(f"select keypoints by a slice, mask or index array; for one, use [{rows}:{rows + 1}]")
        return type(self)(**{name: getattr(self, name)[rows] for name in self._COLUMNS}, image_size=self.image_size)

    def strongest(self, n: int) -> Self:
        """Return the n keypoints of largest response, strongest first; ties keep their order."""
        order = np.argsort(-self.response, kind="stable")
        return self[order[: max(n, 0)]]

    def spread(self, n: int) -> Self:
        """Return n keypoints spread over the image, strongest first.

        The image is divided into about 3 n / 10 square cells. The two strongest keypoints of each cell are kept first,
        then the strongest of the rest, so that a textured region such as text does not use up the whole budget. The
        grid follows rotations of the image by 90 degrees and reflections.
        """
        if len(self) <= n:
            return self.strongest(n)
        features = self.strongest(len(self))
        cell = _cells(features.xy, self.image_size, n)
        order = np.argsort(cell, kind="stable")
        rank = np.empty(len(self), np.intp)
        rank[order] = np.arange(len(self)) - np.searchsorted(cell[order], cell[order])
        chosen = np.argsort(np.minimum(rank, _PREFERRED_PER_CELL), kind="stable")[: max(n, 0)]
        return features[np.sort(chosen)]

    def resized(self, image_size: tuple[int, int]) -> Self:
        """Return the keypoints in the frame of the same image at another size.

        Resizing preserves the outer borders of an image, so pixel centres move to ``factor * (x + 0.5) - 0.5``.

        Parameters
        ----------
        image_size : (height, width)
            Size of the new frame in pixels.
        """
        if tuple(image_size) == self.image_size:
            return self
        factor = np.array(image_size[::-1], np.float64) / self.image_size[::-1]
        xy = (self.xy + 0.5) * factor - 0.5
        # The two factors differ only by the rounding of the sizes; their geometric mean preserves areas.
        scale = self.scale * np.sqrt(factor.prod())
        return replace(self, xy=xy, scale=scale, image_size=image_size)

    def mirrored(self) -> Self:
        """Return the features of the image mirrored left to right, without detecting them again.

        Row i of the result is the mirror image of row i.
        """
        x, y = self.xy.T
        return replace(
            self,
            xy=np.column_stack([self.image_size[1] - 1 - x, y]),
            angle=np.mod(np.pi - self.angle.astype(np.float64), 2 * np.pi).astype(np.float32) % np.float32(2 * np.pi),
            descriptors=self.descriptors.take(MIRRORED_BINS, axis=1),
        )

    def inverted(self) -> Self:
        """Return the features of the image with inverted levels (a negative), without detecting them again.

        Row i of the result is row i of the image: the same place, with the opposite angle.
        """
        return replace(
            self,
            angle=np.mod(self.angle.astype(np.float64) + np.pi, 2 * np.pi).astype(np.float32) % np.float32(2 * np.pi),
            descriptors=self.descriptors.take(INVERTED_BINS, axis=1),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns and the image size as plain arrays, by field name."""
        columns = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        columns["image_size"] = np.array(self.image_size, np.int64)
        return columns

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the features that `to_arrays` turned into arrays."""
        height, width = arrays["image_size"].tolist()
        return cls(**{name: arrays[name] for name in cls._COLUMNS}, image_size=(height, width))


def _cells(xy: NDArray[np.float32], image_size: tuple[int, int], n: int) -> NDArray[np.intp]:
    """Return the index of the (roughly square) cell that contains each of the (N, 2) positions."""
    sides = np.array(image_size[::-1], np.float64)
    n_cells = np.maximum(np.rint(sides * np.sqrt(_CELLS_PER_KEYPOINT * n / sides.prod())), 1)
    column, row = np.clip((xy + 0.5) / sides * n_cells, 0, n_cells - 1).astype(np.intp).T
    return np.asarray(row * int(n_cells[0]) + column, np.intp)
