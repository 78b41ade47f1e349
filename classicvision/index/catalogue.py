"""The images of an index without their keypoints: paths, digests, perceptual hashes, sizes and times."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.features.global_features import GlobalFeatures
from classicvision.features.phash import HASH_SIZE, pack_signs, unpack_signs

__all__ = ["Catalogue", "IndexedImage", "absolute", "full_path", "stored_path"]


@dataclass(frozen=True)
class IndexedImage:
    """One image of an index.

    Attributes
    ----------
    id : int
        Never used for another image of the index, even after this one is removed.
    path : Path
        Absolute.
    content : str
        SHA-256 of the file.
    whole : GlobalFeatures
        The digest of its pixels, and its perceptual hash.
    image_size : (height, width)
        In pixels.
    n_keypoints : int
    n_bytes, mtime_ns : int
        Size and modification time of the file when it was read.
    """

    id: int
    path: Path
    content: str
    whole: GlobalFeatures
    image_size: tuple[int, int]
    n_keypoints: int
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The n images of a segment, as columns.

    Attributes
    ----------
    ids : (n,) int64
        Ascending.
    paths : (B,) uint8
        All paths in a row, each as `stored_path` returns it.
    path_ends : (n,) int64
        Where each ends in `paths`.
    contents : (n, 32) uint8
        SHA-256 of each file.
    pixels : (n, 32) uint8
        SHA-256 of the pixels of each image, as `pixel_digest` computes it.
    hashes : (n, 64) uint8
        The perceptual hash of each image, as `pack_signs` returns it.
    n_bytes, mtime_ns : (n,) int64
    image_sizes : (n, 2) int64
        Height and width.
    n_keypoints : (n,) int32
    block_ends : (n,) int64
        Where the block of each ends in the features file.

    Raises
    ------
    ValueError
        If the columns are inconsistent.
    """

    ids: NDArray[np.int64]
    paths: NDArray[np.uint8]
    path_ends: NDArray[np.int64]
    contents: NDArray[np.uint8]
    pixels: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    n_bytes: NDArray[np.int64]
    mtime_ns: NDArray[np.int64]
    image_sizes: NDArray[np.int64]
    n_keypoints: NDArray[np.int32]
    block_ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.ids.ndim != 1 or self.paths.ndim != 1:
            raise ValueError("the columns ids and paths must have one dimension")
        n = len(self.ids)
        for name, (dtype, row_shape) in _COLUMNS.items():
            column = getattr(self, name)
            length = len(self.paths) if name == "paths" else n
            if column.dtype != dtype or column.shape != (length, *row_shape):
                raise ValueError(f"column {name} is {column.dtype} {column.shape}; {n} images need {(n, *row_shape)}")
        if (np.diff(self.ids) <= 0).any():
            raise ValueError("the IDs of the images do not ascend")
        for name in ("path_ends", "block_ends"):
            if (np.diff(getattr(self, name), prepend=0) < 0).any():
                raise ValueError(f"column {name} does not ascend")
        if n and self.path_ends[-1] != len(self.paths):
            raise ValueError("the last path does not end at the end of the column")

    @classmethod
    def of(cls, images: Sequence[IndexedImage], block_sizes: Sequence[int], root: str) -> Self:
        """Collect images whose blocks of features have these sizes."""
        names = [stored_path(image.path, root) for image in images]
        return cls(
            ids=np.array([image.id for image in images], np.int64),
            paths=np.frombuffer(b"".join(names), np.uint8),
            path_ends=np.cumsum([len(name) for name in names], dtype=np.int64),
            contents=_digests(image.content for image in images),
            pixels=_digests(image.whole.pixels for image in images),
            hashes=pack_signs(np.array([image.whole.signs for image in images], np.float32).reshape(-1, HASH_SIZE)),
            n_bytes=np.array([image.n_bytes for image in images], np.int64),
            mtime_ns=np.array([image.mtime_ns for image in images], np.int64),
            image_sizes=np.array([image.image_size for image in images], np.int64).reshape(-1, 2),
            n_keypoints=np.array([image.n_keypoints for image in images], np.int32),
            block_ends=np.cumsum(block_sizes, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def image(self, row: int, root: str) -> IndexedImage:
        """Return one image."""
        height, width = self.image_sizes[row].tolist()
        return IndexedImage(
            id=int(self.ids[row]),
            path=full_path(self.stored_path(row), root),
            content=self.contents[row].tobytes().hex(),
            whole=GlobalFeatures(self.pixels[row].tobytes().hex(), unpack_signs(self.hashes[row])),
            image_size=(height, width),
            n_keypoints=int(self.n_keypoints[row]),
            n_bytes=int(self.n_bytes[row]),
            mtime_ns=int(self.mtime_ns[row]),
        )

    def stored_path(self, row: int) -> bytes:
        """Return the path of an image as it is stored: see `stored_path`."""
        begin = int(self.path_ends[row - 1]) if row else 0
        return self.paths[begin : int(self.path_ends[row])].tobytes()

    def block(self, row: int) -> slice:
        """Return the place of an image's features in their file, in bytes."""
        return slice(int(self.block_ends[row - 1]) if row else 0, int(self.block_ends[row]))

    def rows_with(self, content: str) -> NDArray[np.intp]:
        """Return the rows of the images whose file has this SHA-256."""
        return _rows_with(self.contents, content)

    def rows_with_pixels(self, pixels: str) -> NDArray[np.intp]:
        """Return the rows of the images whose pixels have this SHA-256."""
        return _rows_with(self.pixels, pixels)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all columns as plain arrays."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a catalogue from what `to_arrays` returned; a ValueError names what is wrong."""
        if lacking := _COLUMNS.keys() - arrays.keys():
            raise ValueError(f"a catalogue needs the column(s) {', '.join(sorted(lacking))}")
        return cls(**{name: arrays[name] for name in _COLUMNS})


_COLUMNS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "ids": (np.int64, ()),
    "paths": (np.uint8, ()),
    "path_ends": (np.int64, ()),
    "contents": (np.uint8, (32,)),
    "pixels": (np.uint8, (32,)),
    "hashes": (np.uint8, (HASH_SIZE // 4,)),
    "n_bytes": (np.int64, ()),
    "mtime_ns": (np.int64, ()),
    "image_sizes": (np.int64, (2,)),
    "n_keypoints": (np.int32, ()),
    "block_ends": (np.int64, ()),
}


def _digests(digests: Iterable[str]) -> NDArray[np.uint8]:
    """Return SHA-256 digests of 64 hexadecimal digits as (n, 32) bytes."""
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, 32)


def _rows_with(digests: NDArray[np.uint8], wanted: str) -> NDArray[np.intp]:
    """Return the rows of (n, 32) digests that are equal to one of 64 hexadecimal digits."""
    digest = np.frombuffer(bytes.fromhex(wanted), np.uint8)
    if len(digest) != digests.shape[1]:
        raise ValueError(f"{wanted!r} is not a SHA-256; expected 64 hexadecimal digits")
    near = np.flatnonzero(np.ascontiguousarray(digests[:, :8]).view(np.uint64)[:, 0] == digest[:8].view("u8"))
    rows: NDArray[np.intp] = near[(digests[near] == digest).all(axis=1)]
    return rows


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path without ``.`` and ``..``, so that each file has one path; links are not resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (resolve follows links)


def stored_path(path: Path, root: str) -> bytes:
    """Return an absolute path as the catalogue stores it: file system bytes, relative to the root if it is below it."""
    return os.fsencode(path.relative_to(root) if path.is_relative_to(root) else path)


def full_path(name: bytes, root: str) -> Path:
    """Return the absolute path of a stored path."""
    return Path(root) / os.fsdecode(name)  # an absolute path is not changed by this
