"""The index of a library on disk, as one unchanging snapshot that stays valid while another process writes.

`Index.open` maps all files that the manifest names at that moment; whatever a writer does later, the snapshot stays
complete and readable. Nothing is parsed or checked before it is needed, so opening is quick.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classicvision import config
from classicvision.errors import ArchiveError, SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.features.phash import HASH_SIZE
from classicvision.files import PathLike
from classicvision.index.catalogue import IndexedImage, absolute, full_path, stored_path
from classicvision.index.lock import LOCK_NAME, only_writer
from classicvision.index.manifest import MANIFEST_NAME, Manifest, owned_files
from classicvision.index.segment import Segment, naming, read_removed
from classicvision.index.settings import IndexSettings
from classicvision.index.vocabulary import Vocabulary
from classicvision.index.vocabulary_file import MappedVocabulary, write_vocabulary

__all__ = ["Index"]

_MAX_ATTEMPTS = 20  # to open while a writer merges segments; each takes milliseconds


@dataclass(frozen=True, eq=False, repr=False)
class Index:
    """A snapshot of an index; `Index.open` and `Index.create` return one, and `IndexWriter` changes the index.

    A snapshot can be passed to another process, which maps the same files.

    Attributes
    ----------
    folder : Path
        Absolute.
    manifest : Manifest
    segments : tuple of Segment
    removed : (R,) int64
        IDs of images that are removed but still in a segment, ascending.

    Examples
    --------
    >>> index = Index.open("library.cvindex")  # doctest: +SKIP
    >>> with IndexWriter(index) as writer:  # doctest: +SKIP
    ...     image = read_image("new.jpg")
    ...     writer.add("new.jpg", index.settings.extractor(image), GlobalFeatures.of(image))
    >>> index = index.reopen()  # doctest: +SKIP
    """

    folder: Path
    manifest: Manifest
    segments: tuple[Segment, ...]
    removed: NDArray[np.int64]
    _vocabulary: MappedVocabulary

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
        """Create an index without images.

        Parameters
        ----------
        folder : path
            Created if necessary; it may contain nothing but what an interrupted creation left behind.
        vocabulary : Vocabulary
        settings : IndexSettings, optional
        root : path
            The folder of the library; paths in it are stored relative to it, so both may move together.
        folders : paths, optional
            Where an update looks for new images; by default in the root.
        learned : bool
            Whether the vocabulary was learned from the images that will be added. It is then learned again when there
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
        return cls._open(Path(folder).absolute())

    @staticmethod
    def is_index(path: PathLike) -> bool:
        """Tell whether a folder has the manifest of an index; `open` shows whether it is intact."""
        return (Path(path) / MANIFEST_NAME).is_file()

    def reopen(self) -> Self:
        """Return a snapshot of the newest state. It shares the parsed vocabulary unless that has changed."""
        return self._open(self.folder, self._vocabulary)

    @classmethod
    def _open(cls, folder: Path, known: MappedVocabulary | None = None, manifest: Manifest | None = None) -> Self:
        """Map what a manifest names; by default, and if a writer has merged those files since, the newest manifest."""
        missing: FileNotFoundError | None = None
        for _ in range(_MAX_ATTEMPTS):
            manifest = manifest or Manifest.read(folder)
            try:
                return cls._map(folder, manifest, known)
            except FileNotFoundError as error:  # a writer replaced it after the manifest was read
                if missing is not None and missing.filename == error.filename:
                    break
                missing, manifest = error, None
        raise ArchiveError(f"{missing.filename if missing else folder} is missing. Build the index again.")

    @classmethod
    def _map(cls, folder: Path, manifest: Manifest, known: MappedVocabulary | None) -> Self:
        segments = tuple(Segment.open(folder, entry) for entry in manifest.segments)
        if known is None or known.entry != manifest.vocabulary:
            known = MappedVocabulary.open(folder, manifest.vocabulary)
        return cls(folder, manifest, segments, read_removed(folder, manifest.removed), known)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process map the files itself, rather than send it their content."""
        return type(self)._open, (self.folder, None, self.manifest)

    def __repr__(self) -> str:
        return f"<Index {str(self.folder)!r}: {len(self):,} images of {self.manifest.root!r}>"

    def _repr_html_(self) -> str:
        facts = {"folder": str(self.folder), "library": self.manifest.root, "images": f"{len(self):,}"}
        rows = (f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
        return f"<table><caption>Index</caption>{''.join(rows)}</table>"

    @property
    def settings(self) -> IndexSettings:
        """The settings that the index was created with."""
        return self.manifest.settings

    @property
    def root(self) -> Path:
        """The folder of the library."""
        return Path(self.manifest.root)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders where an update looks for new images; images that were added by name may lie elsewhere."""
        return (self.root,) if self.manifest.folders is None else tuple(map(Path, self.manifest.folders))

    def __len__(self) -> int:
        return sum(segment.entry.n_images for segment in self.segments) - len(self.removed)

    @cached_property
    def all_ids(self) -> NDArray[np.int64]:
        """IDs of the images, ascending, including images that are removed but still in a segment."""
        return np.concatenate([np.zeros(0, np.int64), *(segment.catalogue.ids for segment in self.segments)])

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """IDs of the images, (n,), ascending."""
        return self.all_ids[~np.isin(self.all_ids, self.removed)]

    @cached_property
    def contents(self) -> NDArray[np.void]:
        """SHA-256 of the file of each of `ids`, (n,), each 32 bytes as one value."""
        return _as_values(self._column("contents", 32))

    @cached_property
    def pixels(self) -> NDArray[np.void]:
        """SHA-256 of the pixels of each of `ids`, (n,), each 32 bytes as one value."""
        return _as_values(self._column("pixels", 32))

    @cached_property
    def hashes(self) -> NDArray[np.uint8]:
        """Perceptual hash of each of `ids`, (n, 64), as `pack_signs` returns it."""
        return self._column("hashes", HASH_SIZE // 4)

    @cached_property
    def image_sizes(self) -> NDArray[np.int64]:
        """Height and width of each of `ids`, (n, 2)."""
        columns = [np.zeros((0, 2), np.int64), *(segment.catalogue.image_sizes for segment in self.segments)]
        return np.concatenate(columns)[~np.isin(self.all_ids, self.removed)]

    def _column(self, name: str, width: int) -> NDArray[np.uint8]:
        """Return a column of bytes of the catalogues, (n, width), for `ids`."""
        columns = [np.zeros((0, width), np.uint8), *(getattr(segment.catalogue, name) for segment in self.segments)]
        return np.concatenate(columns)[~np.isin(self.all_ids, self.removed)]

    @property
    def vocabulary(self) -> Vocabulary:
        """The visual words."""
        return self._vocabulary.parsed

    @cached_property
    def n_images_of_words(self) -> NDArray[np.int64]:
        """Number of images that have each word, (K,), including images that are removed but still in a segment."""
        counts = np.zeros(len(self.vocabulary), np.int64)
        for segment in self.segments:
            with naming(segment.folder / segment.entry.postings.name):
                counts += segment.postings.n_images_of  # a ValueError for another number of words
        return counts

    @cached_property
    def id_of_stored_path(self) -> Mapping[bytes, int]:
        """ID of the image at each path, written as the catalogue stores it (`stored_path`)."""
        removed = set(self.removed.tolist())
        return {
            segment.catalogue.stored_path(row): image_id
            for segment in self.segments
            for row, image_id in enumerate(segment.catalogue.ids.tolist())
            if image_id not in removed
        }

    def __contains__(self, image_id: int) -> bool:
        at = np.searchsorted(self.ids, image_id)
        return bool(at < len(self.ids) and self.ids[at] == image_id)

    def __iter__(self) -> Iterator[IndexedImage]:
        """Yield the images in the order of their IDs."""
        return (self.image(image_id) for image_id in self.ids.tolist())

    def image(self, image_id: int) -> IndexedImage:
        """Return an image without its features; a KeyError if the index has no such image."""
        segment, row = self._place(image_id)
        return segment.catalogue.image(row, self.manifest.root)

    def path(self, image_id: int) -> Path:
        """Return the absolute path of an image."""
        segment, row = self._place(image_id)
        return full_path(segment.catalogue.stored_path(row), self.manifest.root)

    def features(self, image_id: int) -> LocalFeatures:
        """Return the features of an image; positions are off by less than its longer side / 131,000."""
        segment, row = self._place(image_id)
        return segment.features(row)

    def with_content(self, content: str) -> tuple[int, ...]:
        """Return the IDs of the images whose file has this SHA-256: exact duplicates."""
        return self._present(seg.catalogue.ids[seg.catalogue.rows_with(content)] for seg in self.segments)

    def with_pixels(self, pixels: str) -> tuple[int, ...]:
        """Return the IDs of the images whose pixels have this SHA-256, whatever the format of their files."""
        return self._present(seg.catalogue.ids[seg.catalogue.rows_with_pixels(pixels)] for seg in self.segments)

    def _present(self, found: Iterable[NDArray[np.int64]]) -> tuple[int, ...]:
        """Return the IDs that are not removed."""
        ids = np.concatenate([np.zeros(0, np.int64), *found])
        return tuple(ids[~np.isin(ids, self.removed)].tolist())

    def with_path(self, path: PathLike) -> int | None:
        """Return the ID of the image at a path, or None."""
        return self.id_of_stored_path.get(stored_path(absolute(path), self.manifest.root))

    def info(self) -> dict[str, Any]:
        """Return sizes, counts and settings of the index as plain values."""
        n_keypoints = np.array([image.n_keypoints for image in self], np.int64)
        sizes = {
            kind: sum(getattr(s.entry, kind).n_bytes for s in self.segments)
            for kind in ("catalogue", "features", "postings")
        }
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

    def _place(self, image_id: int) -> tuple[Segment, int]:
        if image_id in self:
            for segment in self.segments:
                row = int(np.searchsorted(segment.catalogue.ids, image_id))
                if row < len(segment.catalogue) and segment.catalogue.ids[row] == image_id:
                    return segment, row
        raise KeyError(f"the index has no image with ID {image_id}")


def _as_values(digests: NDArray[np.uint8]) -> NDArray[np.void]:
    """Return (n, 32) bytes as (n,) values that can be compared and sorted."""
    values: NDArray[np.void] = np.ascontiguousarray(digests).view("V32")[:, 0]
    return values
