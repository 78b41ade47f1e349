"""Folders of images: finding the files, and sub-folders as labels.

Folders are walked in sorted order, so that one tree gives one list everywhere. Hidden files and the files that
operating systems leave behind are passed over. Links are followed, except back into a folder that is being walked.
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
"""The endings by which image files are found in folders, in lower case."""

_LEFT_BEHIND: Final = frozenset({"__macosx", "desktop.ini", "thumbs.db"})


def find_images(paths: PathLike | Iterable[PathLike]) -> list[Path]:
    """List the image files among files and folders.

    Parameters
    ----------
    paths : path or paths
        Files are listed whatever their name; folders are searched at every depth by `EXTENSIONS`.

    Returns
    -------
    list of Path
        Sorted part by part, each path once. Empty if the folders hold no image.

    Raises
    ------
    ImageReadError
        For a path that does not exist, or a folder that cannot be opened.
    """
    found: set[Path] = set()
    for path in map(Path, [paths] if isinstance(paths, str | os.PathLike) else paths):
        if path.is_dir():
            found.update(_walk(path, ()))
        elif path.exists() or path.is_symlink():  # a dangling link is listed: reading it says what is wrong
            found.add(path)
        else:
            raise ImageReadError(path, "there is no such file or folder; check the path")
    return sorted(found, key=lambda path: path.parts)


def images_in(paths: PathLike | Sequence[PathLike]) -> list[Path]:
    """List the image files among files and folders, as `find_images` does, of which there must be at least one.

    Raises
    ------
    ImageReadError
        For a path that does not exist, or a folder that cannot be opened.
    NotEnoughDataError
        If there is no image file.
    """
    return require_images(find_images(paths), paths)


def require_images(files: list[Path], where: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the image files that were found somewhere; a NotEnoughDataError if there are none."""
    if not files:
        raise NotEnoughDataError(
            f"no image files in {listed(where)}; in folders they are found by their endings, "
            f"{' '.join(sorted(EXTENSIONS))}"
        )
    return files


def listed(paths: PathLike | Sequence[PathLike]) -> str:
    """Return paths as text for a message."""
    return ", ".join(map(str, each_path(paths))) or "nothing"


def each_path(paths: PathLike | Sequence[PathLike]) -> Sequence[PathLike]:
    """Return one path or several as a sequence."""
    return [paths] if isinstance(paths, str | os.PathLike) else paths


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Labelled images: each sub-folder of the root is a class, and all images below it, at any depth, belong to it.

    Attributes
    ----------
    root : Path
    paths : tuple of Path
        The N image files, class by class, each class in sorted order.
    labels : tuple of str
        The N names of the sub-folders they lie in.
    classes : tuple of str
        The distinct labels, sorted.
    ignored : tuple of Path
        Image files that lie in the root itself and so have no label.
    """

    root: Path
    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    ignored: tuple[Path, ...] = ()

    @classmethod
    def open(cls, root: PathLike, *, min_classes: int = 2) -> Self:
        """List the images of a folder that has one sub-folder a class.

        Parameters
        ----------
        root : path
        min_classes : int
            Two to learn from; one is enough to measure with.

        Raises
        ------
        NotEnoughDataError
            If there is no such folder, it has fewer sub-folders than `min_classes`, or one of them holds no image.

        Warns
        -----
        SkippedImagesWarning
            If images lie in the root itself.
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
            _warn_of_loose_images(ignored)
        paths = tuple(path for found in images.values() for path in found)
        labels = tuple(label for label, found in images.items() for _ in found)
        return cls(root, paths, labels, tuple(images), ignored)

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, rows: Iterable[int] | NDArray[Any]) -> Self:
        """Return the images chosen by an index array or a mask of N, in that order; all classes stay known."""
        index = rows if isinstance(rows, np.ndarray) else np.fromiter(rows, np.intp)
        chosen = np.arange(len(self))[index].tolist()
        paths = tuple(self.paths[row] for row in chosen)
        return type(self)(self.root, paths, tuple(self.labels[row] for row in chosen), self.classes, self.ignored)


def _check_classes(root: Path, images: dict[str, list[Path]], n_loose: int, min_classes: int) -> None:
    if len(images) < min_classes:
        found = f"the sub-folder {next(iter(images))!r} only" if images else "no sub-folders"
        loose = f" and {n_loose} image(s) of its own" if n_loose else ""
        remedy = f"Put the images of each class in a sub-folder named after it, at least {min_classes}"
        raise NotEnoughDataError(
            f"{root} has {found}{loose}. {remedy}, as in {root.name}/cat/1.jpg {root.name}/dog/1.jpg"
        )
    empty = [label for label, found in images.items() if not found]
    if empty:
        names = ", ".join(map(repr, empty))
        raise NotEnoughDataError(f"{root}: no images in class {names}. Add some, or remove the sub-folder")


def _warn_of_loose_images(loose: tuple[Path, ...]) -> None:
    more = f", like {len(loose) - 1} more" if len(loose) > 1 else ""
    warnings.warn(
        f"{loose[0]}: lies beside the folders of the classes and so has no class; it is left out{more}",
        SkippedImagesWarning,
        stacklevel=3,
    )


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yield the image files of a folder at every depth; `above` holds the identities of the folders on the way."""
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
    return [entry for entry in found if not entry.name.startswith(".") and entry.name.lower() not in _LEFT_BEHIND]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS
