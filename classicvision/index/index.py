"""The index of a library on disk: what is in it, as one unchanging snapshot, while another process may write.

`Index.open` maps everything that the manifest names at that moment; the snapshot stays whole and readable whatever a
writer does meanwhile. Nothing is computed or checked before it is asked for, so opening is quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.archive import parse_archive, unpack_arrays
from classicvision.errors import ArchiveError, SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.files import PathLike
from classicvision.index.catalogue import IndexedImage, absolute, kept_path, whole_path
from classicvision.index.lock import LOCK_NAME, only_writer
from classicvision.index.manifest import MANIFEST_NAME, Manifest, owned_files
from classicvision.index.segment import Segment, map_file, naming
from classicvision.index.settings import IndexSettings
from classicvision.index.vocabulary import Vocabulary
from classicvision.index.vocabulary_file import write_vocabulary

if TYPE_CHECKING:
    from classicvision.index.writer import Writer

__all__ = ["Index"]

_MAX_ATTEMPTS = 20  # to open while a writer puts segments together; each is a matter of milliseconds


@dataclass(frozen=True, eq=False)
class Index:
    """A snapshot of an index; `Index.open` and `Index.create` make it.

    Attributes
    ----------
    folder : Path
        Absolute.
    manifest : Manifest
    segments : tuple of Segment
    removed : (R,) int64
        Numbers of images that are removed but still in a segment, ascending.

    Examples
    --------
    >>> index = Index.open("library.cvindex")  # doctest: +SKIP
    >>> with index.writer() as writer:  # doctest: +SKIP
    ...     writer.add("new.jpg", index.settings.extractor(read_image("new.jpg")))
    """

    folder: Path
    manifest: Manifest
    segments: tuple[Segment, ...]
    removed: NDArray[np.int64]
    _vocabulary_file: memoryview

    @classmethod
    def create(
        cls,
        folder: PathLike,
        vocabulary: Vocabulary,
        settings: IndexSettings | None = None,
        *,
        root: PathLike,
        folders: Iterable[PathLike] | None = None,
        learned: bool = False,
    ) -> Self:
        """Make an index without images.

        Parameters
        ----------
        folder : path
            Made here; it must not exist, or hold nothing but what a creation that was stopped left behind.
        vocabulary : Vocabulary
        settings : IndexSettings, optional
        root : path
            The folder of the library; paths in it are kept relative to it.
        folders : paths, optional
            Where new images are looked for; by default in the root.
        learned : bool
            Whether the vocabulary was learned from the images that will be added, and may be learned anew when there
            are many more.

        Raises
        ------
        SettingsError
            If there is something in the folder.
        OSError
            If it cannot be written.
        """
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with only_writer(folder):
            left_behind = owned_files(folder)
            others = {path.name for path in folder.iterdir()} - {path.name for path in left_behind} - {LOCK_NAME}
            if others:
                found = "an index" if MANIFEST_NAME in others else f"{min(others)!r} and maybe more"
                raise SettingsError(f"{folder} holds {found}; choose another name for the new index")
            for path in left_behind:
                path.unlink()
            entry = write_vocabulary(folder / "vocabulary-000001.cvwords", vocabulary)
            Manifest(
                settings or IndexSettings(),
                str(absolute(root)),
                generation=0,
                next_id=0,
                next_file=2,
                vocabulary=entry,
                learned=learned,
                folders=None if folders is None else tuple(str(absolute(one)) for one in folders),
            ).write(folder)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: PathLike) -> Self:
        """Take a snapshot of an index for reading.

        Raises
        ------
        ArchiveError
            If there is no index, or a file of it is missing or has the wrong size.
        """
        folder = Path(folder).absolute()
        missing: FileNotFoundError | None = None
        for _ in range(_MAX_ATTEMPTS):
            manifest = Manifest.read(folder)
            try:
                return cls(folder, manifest, *_map(folder, manifest))
            except FileNotFoundError as error:  # a writer replaced it after the manifest was read
                if missing is not None and missing.filename == error.filename:
                    break
                missing = error
        raise ArchiveError(f"{missing.filename if missing else folder} is missing. Build the index again.")

    @staticmethod
    def is_index(path: PathLike) -> bool:
        """Tell whether a folder has the manifest of an index; whether it is sound shows in `open`."""
        return (Path(path) / MANIFEST_NAME).is_file()

    def writer(self) -> Writer:
        """Return what changes the index, for a `with` statement; it works on the newest state, not on this snapshot."""
        from classicvision.index.writer import Writer

        return Writer(self.folder)

    def reopened(self) -> Self:
        """Return a snapshot of the newest state."""
        return type(self).open(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Do nothing: the memory is given back with the object."""

    @property
    def settings(self) -> IndexSettings:
        """What the index was made with."""
        return self.manifest.settings

    @property
    def root(self) -> Path:
        """The folder of the library."""
        return Path(self.manifest.root)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders where new images are looked for; images that were named one by one lie elsewhere."""
        return (self.root,) if self.manifest.folders is None else tuple(map(Path, self.manifest.folders))

    def __len__(self) -> int:
        return sum(segment.entry.n_images for segment in self.segments) - len(self.removed)

    @cached_property
    def all_ids(self) -> NDArray[np.int64]:
        """Numbers of the images, ascending, those included that are removed but still in a segment."""
        return np.concatenate([np.zeros(0, np.int64), *(segment.catalogue.ids for segment in self.segments)])

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Numbers of the images, (n,), ascending."""
        return self.all_ids[~np.isin(self.all_ids, self.removed)]

    @cached_property
    def contents(self) -> NDArray[np.void]:
        """SHA-256 of the file of each of `ids`, (n,), as 32 bytes that are one value."""
        columns = [np.zeros((0, 32), np.uint8), *(segment.catalogue.contents for segment in self.segments)]
        kept = np.concatenate(columns)[~np.isin(self.all_ids, self.removed)]
        contents: NDArray[np.void] = np.ascontiguousarray(kept).view("V32")[:, 0]
        return contents

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words."""
        with naming(self.folder / self.manifest.vocabulary.name):
            return Vocabulary.from_arrays(parse_archive(self._vocabulary_file).arrays)

    @cached_property
    def n_images_of_words(self) -> NDArray[np.int64]:
        """Images that have each word, (K,), those included that are removed but still in a segment."""
        counts = np.zeros(len(self.vocabulary), np.int64)
        for segment in self.segments:
            with naming(segment.folder / segment.entry.postings.name):
                counts += segment.postings.n_images_of  # a ValueError for another number of words
        return counts

    def __contains__(self, number: int) -> bool:
        at = np.searchsorted(self.ids, number)
        return bool(at < len(self.ids) and self.ids[at] == number)

    def __iter__(self) -> Iterator[IndexedImage]:
        """Yield the images in the order of their numbers."""
        return (self.image(number) for number in self.ids.tolist())

    def image(self, number: int) -> IndexedImage:
        """Return what is known of an image without its features; a KeyError if the index has no such image."""
        segment, row = self._place(number)
        return segment.catalogue.image(row, self.manifest.root)

    def path(self, number: int) -> Path:
        """Return the absolute path of an image."""
        segment, row = self._place(number)
        return whole_path(segment.catalogue.name(row), self.manifest.root)

    def features(self, number: int) -> LocalFeatures:
        """Return the features of an image, with positions that err by less than its longer side / 131,000."""
        segment, row = self._place(number)
        return segment.features(row)

    def with_content(self, content: str) -> tuple[int, ...]:
        """Return the numbers of the images whose file has this SHA-256: exact duplicates."""
        found = [seg.catalogue.ids[seg.catalogue.rows_with(content)] for seg in self.segments]
        ids = np.concatenate([np.zeros(0, np.int64), *found])
        return tuple(ids[~np.isin(ids, self.removed)].tolist())

    def with_path(self, path: PathLike) -> int | None:
        """Return the number of the image at a path, or None."""
        return self._id_of_name.get(kept_path(absolute(path), self.manifest.root))

    def info(self) -> dict[str, Any]:
        """Return what there is to say about the index: sizes, counts, settings."""
        n_keypoints = np.array([image.n_keypoints for image in self], np.int64)
        sizes = {kind: sum(getattr(s.entry, kind).n_bytes for s in self.segments) for kind in _KINDS}
        total = sum(file.n_bytes for file in self.manifest.files)
        return {
            "folder": str(self.folder),
            "root": self.manifest.root,
            "n_images": len(self),
            "n_removed": len(self.removed),
            "n_without_keypoints": int((n_keypoints == 0).sum()),
            "n_keypoints": int(n_keypoints.sum()),
            "n_words": len(self.vocabulary),
            "n_segments": len(self.segments),
            "generation": self.manifest.generation,
            "bytes": total,
            "bytes_of": sizes | {"vocabulary": self.manifest.vocabulary.n_bytes},
            "bytes_per_image": round(total / max(len(self), 1)),
            "settings": config.to_dict(self.settings),
        }

    def _place(self, number: int) -> tuple[Segment, int]:
        if number in self:
            for segment in self.segments:
                row = int(np.searchsorted(segment.catalogue.ids, number))
                if row < len(segment.catalogue) and segment.catalogue.ids[row] == number:
                    return segment, row
        raise KeyError(f"the index has no image number {number}")

    @cached_property
    def _id_of_name(self) -> dict[bytes, int]:
        removed = set(self.removed.tolist())
        return {
            segment.catalogue.name(row): number
            for segment in self.segments
            for row, number in enumerate(segment.catalogue.ids.tolist())
            if number not in removed
        }


_KINDS = ("catalogue", "features", "postings")


def _map(folder: Path, manifest: Manifest) -> tuple[tuple[Segment, ...], NDArray[np.int64], memoryview]:
    segments = tuple(Segment.open(folder, entry) for entry in manifest.segments)
    vocabulary = map_file(folder, manifest.vocabulary)
    if manifest.removed is None:
        return segments, np.zeros(0, np.int64), vocabulary
    with naming(folder / manifest.removed.name):
        removed = unpack_arrays(map_file(folder, manifest.removed)).get("ids")
        if removed is None or removed.dtype != np.int64 or removed.ndim != 1:
            raise ValueError("it is no list of numbers")
    return segments, removed, vocabulary
