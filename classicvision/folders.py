"""Find image files in folders, with sub-folders as labels.

Folders are walked in sorted order, so a tree gives the same list on every machine. Hidden files and the metadata files
of operating systems are skipped. Links are followed, except back into a folder that is being walked.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import ImageReadError, NotEnoughDataError, SkippedImagesWarning
from classicvision.files import PathLike

__all__ = ["EXTENSIONS", "ImageFolder", "each_path", "find_images", "images_in", "listed", "require_images"]

EXTENSIONS: Final = frozenset(
    {".bmp", ".dib", ".gif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""The extensions by which image files are found in folders, in lower case."""

_SYSTEM_FILES: Final = frozenset({"__macosx", "desktop.ini", "thumbs.db"})


def find_images(paths: PathLike | Iterable[PathLike]) -> list[Path]:
    """List the image files among files and folders.

    Parameters
    ----------
    paths : path or paths
        Files are listed whatever their name. Folders are searched recursively for files with one of the extensions in
        `EXTENSIONS`.

    Returns
    -------
    list of Path
        Sorted by path components, without duplicates. Empty if the folders contain no images.

    Raises
    ------
    ImageReadError
        If a path does not exist, or a folder cannot be opened.

    Examples
    --------
    >>> from classicvision import find_images
    >>> [path.name for path in find_images("data/copies/library")]
    ['astronaut.jpg', 'bricks.jpg', 'cat.jpg', 'coffee.jpg', 'rocket.jpg', 'stars.jpg']
    """
    found: set[Path] = set()
    for path in map(Path, [paths] if isinstance(paths, str | os.PathLike) else paths):
        if path.is_dir():
            found.update(_walk(path, ()))
        elif path.exists() or path.is_symlink():  # dangling links are listed, so that reading them reports the error
            found.add(path)
        else:
            raise ImageReadError(path, "there is no such file or folder; check the path")
    return sorted(found, key=lambda path: path.parts)


def images_in(paths: PathLike | Sequence[PathLike]) -> list[Path]:
    """List the image files among files and folders as `find_images` does, and require at least one.

    Raises
    ------
    ImageReadError
        If a path does not exist, or a folder cannot be opened.
    NotEnoughDataError
        If there are no image files.
    """
    return require_images(find_images(paths), paths)


def require_images(files: list[Path], where: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return `files`, or raise a NotEnoughDataError that names `where` if the list is empty."""
    if not files and not each_path(where):
        raise NotEnoughDataError("the list of paths is empty; pass image files or folders")
    if not files:
        raise NotEnoughDataError(
            f"no image files in {listed(where)}; folders are searched for the extensions {' '.join(sorted(EXTENSIONS))}"
        )
    return files


def listed(paths: PathLike | Sequence[PathLike]) -> str:
    """Format paths for a message."""
    return ", ".join(map(str, each_path(paths))) or "nothing"


def each_path(paths: PathLike | Sequence[PathLike]) -> Sequence[PathLike]:
    """Return a single path as a sequence of one, and a sequence as it is."""
    return [paths] if isinstance(paths, str | os.PathLike) else paths


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Labelled images: each sub-folder of `root` is a class, which contains all images below it at any depth.

    Attributes
    ----------
    root : Path
        The folder whose sub-folders are the classes.
    paths : tuple of Path
        The N image files, class by class, sorted within each class.
    labels : tuple of str
        The class of each image: the name of its sub-folder of `root`.
    classes : tuple of str
        The distinct labels, sorted.
    ignored : tuple of Path
        Image files directly in `root`; they have no label and are not among `paths`.

    Examples
    --------
    >>> from classicvision import ImageFolder
    >>> images = ImageFolder.open("data/textures")
    >>> len(images), images.classes[:3]
    (140, ('brick', 'coffee', 'coins'))
    >>> images.labels[0], images.paths[0].name
    ('brick', '00.jpg')
    """

    root: Path
    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    ignored: tuple[Path, ...] = ()

    @classmethod
    def open(cls, root: PathLike, *, min_classes: int = 2) -> Self:
        """List the images of a folder with one sub-folder per class.

        Parameters
        ----------
        root : path
            The folder whose sub-folders are the classes.
        min_classes : int
            Fewest classes that are accepted: 2 for training, 1 for testing.

        Returns
        -------
        ImageFolder

        Raises
        ------
        NotEnoughDataError
            If the folder does not exist, has fewer than `min_classes` sub-folders, or a sub-folder contains no images.
        ImageReadError
            If a folder cannot be opened.

        Warns
        -----
        SkippedImagesWarning
            If images lie directly in `root`.
        """
        root = Path(root)
        if not root.is_dir():
            found = "is a file" if root.exists() else "does not exist"
            raise NotEnoughDataError(f"{root} {found}; expected a folder with one sub-folder of images for each class")
        entries = list(_entries(root))
        here = (_identity(root),)
        folders = [entry for entry in entries if entry.is_dir() and _identity(entry) not in here]
        images = {folder.name: sorted(_walk(folder, here), key=lambda path: path.parts) for folder in folders}
        ignored = tuple(entry for entry in entries if not entry.is_dir() and _is_image(entry))
        _check_classes(root, images, len(ignored), min_classes)
        if ignored:
            _warn_of_unlabelled_images(ignored)
        paths = tuple(path for found in images.values() for path in found)
        labels = tuple(label for label, found in images.items() for _ in found)
        return cls(root, paths, labels, tuple(images), ignored)

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, rows: Iterable[int] | NDArray[Any]) -> Self:
        """Select images.

        Parameters
        ----------
        rows : iterable of int, or (M,) int or (N,) bool array
            Row numbers in the order wanted, or a mask over all N images.

        Returns
        -------
        ImageFolder
            The selected images; `classes` keeps every class, also those without an image in the selection.
        """
        index = rows if isinstance(rows, np.ndarray) else np.fromiter(rows, np.intp)
        chosen = np.arange(len(self))[index].tolist()
        paths = tuple(self.paths[row] for row in chosen)
        return type(self)(self.root, paths, tuple(self.labels[row] for row in chosen), self.classes, self.ignored)


def _check_classes(root: Path, images: dict[str, list[Path]], n_loose: int, min_classes: int) -> None:
    if len(images) < min_classes:
        found = f"the sub-folder {next(iter(images))!r} only" if images else "no sub-folders"
        loose = f" and {n_loose} {'image' if n_loose == 1 else 'images'} outside of sub-folders" if n_loose else ""
        remedy = f"Put the images of each class in a sub-folder named after it, at least {min_classes} in all"
        raise NotEnoughDataError(
            f"{root} has {found}{loose}. {remedy}, as in {root.name}/cat/1.jpg and {root.name}/dog/1.jpg"
        )
    empty = [label for label, found in images.items() if not found]
    if empty:
        names = ", ".join(map(repr, empty))
        raise NotEnoughDataError(f"{root}: no images in class {names}. Add some, or remove the sub-folder")


def _warn_of_unlabelled_images(unlabelled: tuple[Path, ...]) -> None:
    more = f" and {len(unlabelled) - 1} more" if len(unlabelled) > 1 else ""
    warnings.warn(
        f"skipped {unlabelled[0]}{more}: not in the sub-folder of a class; move the images into one to use them",
        SkippedImagesWarning,
        stacklevel=3,
    )


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yield the image files of a folder at every depth; `above` are the identities of the folders being walked."""
    identity = _identity(folder)
    if identity in above:
        return
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _walk(entry, (*above, identity))
        elif _is_image(entry):
            yield entry


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _entries(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise ImageReadError(folder, f"cannot open the folder ({error.strerror}); check its permissions") from error
    return [entry for entry in found if not entry.name.startswith(".") and entry.name.lower() not in _SYSTEM_FILES]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS
