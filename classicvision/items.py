"""What extractors make of images, as lazy sequences: read from a cache, or made anew, when one is asked for."""

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
    "JointItems",
    "Source",
    "arrays_of_item",
    "cacheable",
    "item_of_arrays",
    "libraries_of",
    "source_key",
]

Single: TypeAlias = LocalFeatures | NDArray[np.float32]
Item: TypeAlias = Single | tuple[Single, ...]
"""What an extractor makes of one image: local features, or one vector (d,); of several extractors, a tuple of these."""

ItemT = TypeVar("ItemT", bound=Item)
Item_co = TypeVar("Item_co", bound=Item, covariant=True)


class Extractor(Protocol[Item_co]):
    """Turns one image into one item and learns nothing: a frozen dataclass, whose fingerprint is part of the key.

    One with a class variable ``cacheable = False`` makes items that are cheaper to recompute than to read. One with an
    attribute ``libraries`` names with it what else its items depend on.
    """

    kind: ClassVar[str]

    def __call__(self, image: Image) -> Item_co:
        """Return the item of one image."""
        ...


def libraries_of(extractor: Any) -> str:
    """Return what the items of an extractor depend on besides the settings and what decodes pictures; empty as a rule.

    An extractor may be made of others: of one, its attribute `extractor`, or several, its `parts`.
    """
    inner = (getattr(extractor, "extractor", None), *getattr(extractor, "parts", ()))
    names = {getattr(extractor, "libraries", ""), *(libraries_of(part) for part in inner if part is not None)}
    return " ".join(sorted(names - {""}))


def cacheable(extractor: Extractor[Any]) -> bool:
    """Tell whether the items of an extractor are worth storing in a cache; by default they are."""
    return bool(getattr(extractor, "cacheable", True))


@dataclass(frozen=True)
class Source(Generic[ItemT]):
    """Where items come from that are not kept: the files, and what is made of them."""

    paths: tuple[Path, ...]
    extractor: Extractor[ItemT]
    fingerprint: str

    def make(self, row: int, key: str) -> ItemT:
        """Make the item of a file anew, if the file is still the one with that key."""
        path = self.paths[row]
        try:
            data = read_bytes(path)
            if source_key(data, self.fingerprint)[1] != key:
                raise ImageReadError(path, "it has changed since it was first read")
            return self.extractor(decode_image(data, path))
        except ImageReadError as error:
            raise CacheError(f"{path} is needed once more: {error.reason}; run the same again") from error


@dataclass(frozen=True, eq=False)
class Items(Sequence[ItemT], Generic[ItemT]):
    """Items that are looked at one by one: each is read from its cache, or made anew, when it is asked for.

    Attributes
    ----------
    cache : FeatureCache
        A temporary one lasts as long as the `Items` that read from it.
    keys : tuple of str
        One for each item; it identifies the content of the image and the extractor with its settings.
    source : Source or None
        Of items that are not kept in the cache; its paths are as many as the keys.
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
        """Return one item, or those chosen by a slice, mask or index array, which stay where they are."""
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
            raise CacheError(
                f"an extracted item is no longer in {self.cache.folder}; run the same again to make it anew"
            )
        item: ItemT = item_of_arrays(arrays)
        return item


@dataclass(frozen=True, eq=False)
class JointItems(Items[tuple[Single, ...]]):
    """The items of several extractors, of the same images: one of them is the tuple of theirs.

    Attributes
    ----------
    parts : tuple of Items
        Of one length; the cache is that of the first.
    """

    parts: tuple[Items[Any], ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Items[Any]]) -> Self:
        """Join the items of some extractors; the key of a tuple is made of the keys of its parts."""
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


def source_key(data: bytes, fingerprint: str) -> tuple[str, str]:
    """Return the SHA-256 of an image file, and the key of what an extractor of that fingerprint makes of it."""
    content = hashlib.sha256(data).hexdigest()
    return content, hashlib.sha256(f"{content} {fingerprint}".encode()).hexdigest()


def arrays_of_item(item: Item) -> dict[str, NDArray[Any]]:
    """Return an item as plain named arrays; a TypeError says what is none."""
    if isinstance(item, LocalFeatures):
        return item.to_arrays()
    if isinstance(item, np.ndarray) and item.ndim == 1:
        return {"vector": item}
    if isinstance(item, tuple):
        return {f"{i}/{name}": array for i, part in enumerate(item) for name, array in arrays_of_item(part).items()}
    raise TypeError(f"the extractor returned {type(item).__name__}; LocalFeatures or a vector (d,) was expected")


def item_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Rebuild an item from what `arrays_of_item` returned."""
    if any("/" in name for name in arrays):
        parts: dict[int, dict[str, NDArray[Any]]] = {}
        for name, array in arrays.items():
            number, _, rest = name.partition("/")
            parts.setdefault(int(number), {})[rest] = array
        return tuple(item_of_arrays(parts[number]) for number in range(len(parts)))
    return arrays["vector"] if "vector" in arrays else LocalFeatures.from_arrays(arrays)
