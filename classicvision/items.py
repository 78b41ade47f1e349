"""Extracted features as lazy sequences: each item is read from the cache, or recomputed, on access."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from classicvision.cache import FeatureCache
from classicvision.errors import CacheError, ImageReadError
from classicvision.features.local import LocalFeatures
from classicvision.images import Image, decode_image, read_bytes

__all__ = [
    "Extractor",
    "Item",
    "ItemT",
    "Items",
    "Joint",
    "JointItems",
    "Source",
    "arrays_of_item",
    "cacheable",
    "item_key",
    "item_of_arrays",
    "libraries_of",
    "parts_of",
    "source_key",
]

Single: TypeAlias = LocalFeatures | NDArray[np.float32] | NDArray[np.uint8]
Item: TypeAlias = Single | tuple[Single, ...]
"""The features of one image: local features, or one vector (d,); from several extractors, a tuple of these."""

ItemT = TypeVar("ItemT", bound=Item)
Item_co = TypeVar("Item_co", bound=Item, covariant=True)


class Extractor(Protocol[Item_co]):
    """Computes the features of an image; learns nothing. A frozen dataclass, whose fingerprint is part of cache keys.

    A class variable ``cacheable = False`` marks items that are cheaper to recompute than to read from disk. An
    attribute ``libraries`` names what else the items depend on, such as the version of a runtime.
    """

    kind: ClassVar[str]

    def __call__(self, image: Image) -> Item_co:
        """Extract the features of one image."""
        ...


def libraries_of(extractor: Any) -> str:
    """Return the libraries that an extractor's items depend on, besides those that decode images; usually "".

    Includes those of the extractors it wraps: one in its attribute `extractor`, or several in `parts`.
    """
    inner = (getattr(extractor, "extractor", None), *getattr(extractor, "parts", ()))
    names = {getattr(extractor, "libraries", ""), *(libraries_of(part) for part in inner if part is not None)}
    return " ".join(sorted(names - {""}))


def cacheable(extractor: Extractor[Any]) -> bool:
    """Tell whether the items of an extractor are worth storing in a cache; by default they are."""
    return bool(getattr(extractor, "cacheable", True))


@dataclass(frozen=True)
class Joint:
    """Several extractors of any kind; an item is the tuple of theirs. `extract` decodes each image once for all."""

    kind: ClassVar[str] = "joint"

    parts: tuple[Any, ...]

    def __call__(self, image: Image) -> tuple[Any, ...]:
        """Return the items of one image."""
        return tuple(part(image) for part in self.parts)


@dataclass(frozen=True)
class Source(Generic[ItemT]):
    """The source of items that are not cached: the image files and the extractor."""

    paths: tuple[Path, ...]
    extractor: Extractor[ItemT]
    fingerprint: str

    def make(self, row: int, key: str) -> ItemT:
        """Extract the item of one file again; an error if the file has changed, so that its key differs."""
        path = self.paths[row]
        try:
            data = read_bytes(path)
            if source_key(data, self.fingerprint)[1] != key:
                raise ImageReadError(path, "it has changed since the run began")
            return self.extractor(decode_image(data, path))
        except ImageReadError as error:
            raise CacheError(f"{path} cannot be read again: {error.reason}; restore the file or run again") from error


@dataclass(frozen=True, eq=False)
class Items(Sequence[ItemT], Generic[ItemT]):
    """The features of many images as a lazy, read-only sequence; `extract` returns one.

    Memory does not grow with the number of images: each access reads one item from the cache, or recomputes it from the
    image file if its extractor is faster than the disk.

    Attributes
    ----------
    cache : FeatureCache
        Where the items are stored. A temporary cache is deleted with the last `Items` that uses it.
    keys : tuple of str
        The cache key of each item: a hash of image content, extractor settings and library versions.
    source : Source or None
        The files and extractor of items that are not cached, in the order of the keys.

    Examples
    --------
    >>> from classicvision import Sift, extract, find_images
    >>> items = extract(find_images("data/textures/brick"), Sift(max_features=50)).items
    >>> len(items), items[0].descriptors.shape
    (20, (18, 128))
    >>> len(items[:5]), len(items[[3, 1, 4]])
    (5, 3)
    """

    cache: FeatureCache
    keys: tuple[str, ...]
    source: Source[ItemT] | None = None

    @property
    def recomputed(self) -> bool:
        """Whether an item is computed again each time it is read, instead of loaded from the cache."""
        return self.source is not None

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, rows: int) -> ItemT: ...
    @overload
    def __getitem__(self, rows: slice | NDArray[Any] | Sequence[int]) -> Self: ...
    def __getitem__(self, rows: int | slice | NDArray[Any] | Sequence[int]) -> ItemT | Self:
        """Read one item; or select several by a slice, mask or index array, which reads none of them."""
        if isinstance(rows, slice):
            return self._chosen(range(len(self))[rows])
        if np.ndim(rows) == 1:
            return self._chosen(np.arange(len(self))[np.asarray(rows) if len(rows) else []].tolist())  # type: ignore[arg-type]
        return self._one(operator.index(rows))  # type: ignore[arg-type]

    def _one(self, row: int) -> ItemT:
        key = self.keys[row]
        return self._read(key) if self.source is None else self.source.make(row, key)

    def _chosen(self, rows: Sequence[int]) -> Self:
        source = self.source and replace(self.source, paths=tuple(self.source.paths[row] for row in rows))
        return type(self)(self.cache, tuple(self.keys[row] for row in rows), source)

    def _read(self, key: str) -> ItemT:
        arrays = self.cache.get(key)
        if arrays is None:
            raise CacheError(f"an entry is missing from the cache {self.cache.folder}; run again to extract it again")
        item: ItemT = item_of_arrays(arrays)
        return item


@dataclass(frozen=True, eq=False)
class JointItems(Items[tuple[Single, ...]]):
    """The items of several extractors for the same images: each item is a tuple with one item per extractor.

    Attributes
    ----------
    parts : tuple of Items
        One per extractor, all of the same length. `cache` is that of the first.
    """

    parts: tuple[Items[Any], ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Items[Any]]) -> Self:
        """Join the items of several extractors; the key of a tuple is a hash of the keys of its parts."""
        columns = zip(*(part.keys for part in parts), strict=True)
        keys = tuple(hashlib.sha256(" ".join(of_parts).encode()).hexdigest() for of_parts in columns)
        return cls(parts[0].cache, keys, parts=tuple(parts))

    @property
    def recomputed(self) -> bool:
        """Whether the items of any part are computed again each time they are read."""
        return any(part.recomputed for part in self.parts)

    def _one(self, row: int) -> tuple[Single, ...]:
        return tuple(part[row] for part in self.parts)

    def _chosen(self, rows: Sequence[int]) -> Self:
        keys = tuple(self.keys[row] for row in rows)
        return type(self)(self.cache, keys, parts=tuple(part[rows] for part in self.parts))


def parts_of(items: Items[tuple[Any, ...]]) -> tuple[Items[Any], ...]:
    """Return the items of each extractor of a `Joint`, from the items of all."""
    if not isinstance(items, JointItems):
        raise TypeError(f"items is of type {type(items).__name__}; expected the items of several extractors")
    return items.parts


def source_key(data: bytes, fingerprint: str) -> tuple[str, str]:
    """Return the SHA-256 of an image file, and the cache key of its item for an extractor with this fingerprint."""
    content = hashlib.sha256(data).hexdigest()
    return content, item_key(content, fingerprint)


def item_key(content: str, fingerprint: str) -> str:
    """Return the cache key of the item of a file with this SHA-256, for an extractor with this fingerprint."""
    return hashlib.sha256(f"{content} {fingerprint}".encode()).hexdigest()


def arrays_of_item(item: Item) -> dict[str, NDArray[Any]]:
    """Convert an item to named arrays; a TypeError reports what is not an item."""
    if isinstance(item, LocalFeatures):
        return item.to_arrays()
    if isinstance(item, np.ndarray) and item.ndim == 1:
        return {"vector": item}
    if isinstance(item, tuple):
        return {f"{i}/{name}": array for i, part in enumerate(item) for name, array in arrays_of_item(part).items()}
    raise TypeError(f"the extractor returned {type(item).__name__}; expected LocalFeatures or a vector (d,)")


def item_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Rebuild an item from the arrays of `arrays_of_item`."""
    if any("/" in name for name in arrays):
        parts: dict[int, dict[str, NDArray[Any]]] = {}
        for name, array in arrays.items():
            number, _, rest = name.partition("/")
            parts.setdefault(int(number), {})[rest] = array
        return tuple(item_of_arrays(parts[number]) for number in range(len(parts)))
    return arrays["vector"] if "vector" in arrays else LocalFeatures.from_arrays(arrays)
