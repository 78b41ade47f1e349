"""Every exception and warning that classicvision raises on purpose.

::

    ClassicVisionError
    ├── ImageReadError          (also OSError)       an image file that cannot be used
    ├── ImageWriteError         (also OSError)       a picture that cannot be written
    ├── NotEnoughDataError      (also ValueError)    too few images, classes or keypoints to learn from
    ├── SettingsError           (also ValueError)    a setting with a value that it cannot have
    ├── ArchiveError            (also ValueError)    a model or index that is damaged or not ours
    │   ├── UnsafeArchiveError                       ... or that asks for more than it may
    │   └── UnsupportedVersionError                  ... or that another version wrote
    ├── BackboneError           (also RuntimeError)  a network that cannot be fetched, read or run
    ├── IndexInUseError         (also OSError)       an index that another process is writing to
    └── CacheError              (also OSError)       a cache folder that cannot be read or written

    ClassicVisionWarning (UserWarning)
    ├── ExtractorDriftWarning                        features differ from those the model was fitted on
    └── SkippedImagesWarning                         some images were left out

Each class also inherits the built-in that a stranger would catch. A message says what was found, what was expected, and
what to do next.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = [
    "ArchiveError",
    "BackboneError",
    "CacheError",
    "ClassicVisionError",
    "ClassicVisionWarning",
    "ExtractorDriftWarning",
    "ImageReadError",
    "ImageWriteError",
    "IndexInUseError",
    "NotEnoughDataError",
    "SettingsError",
    "SkippedImagesWarning",
    "UnsafeArchiveError",
    "UnsupportedVersionError",
]


class ClassicVisionError(Exception):
    """Root of all errors raised on purpose."""


class _ImageFileError(ClassicVisionError, OSError):
    """A problem with one image file: `path` and `reason` are kept apart so that reports can list them."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[_ImageFileError], tuple[Path, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.reason)


class ImageReadError(_ImageFileError):
    """An image file that cannot be used."""


class ImageWriteError(_ImageFileError):
    """A picture that cannot be written."""


class NotEnoughDataError(ClassicVisionError, ValueError):
    """Too few images, classes or keypoints to do what was asked."""


class SettingsError(ClassicVisionError, ValueError):
    """A setting that does not exist, or has a value it cannot have."""


class ArchiveError(ClassicVisionError, ValueError):
    """A file that is not an intact archive of the expected kind."""


class UnsafeArchiveError(ArchiveError):
    """An archive that was refused before reading because of what it asks for."""


class UnsupportedVersionError(ArchiveError):
    """An archive in a format version that this release does not read."""


class BackboneError(ClassicVisionError, RuntimeError):
    """A network that cannot be fetched, read or run."""


class IndexInUseError(ClassicVisionError, OSError):
    """An index that another process is writing to; it can still be read and searched."""


class CacheError(ClassicVisionError, OSError):
    """A feature cache that cannot be read or written."""


class ClassicVisionWarning(UserWarning):
    """Root of all warnings raised on purpose."""


class ExtractorDriftWarning(ClassicVisionWarning):
    """The extractor finds other features here than where the model was fitted."""


class SkippedImagesWarning(ClassicVisionWarning):
    """Some images were left out."""
