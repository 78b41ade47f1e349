"""All exceptions and warnings of classicvision.

::

    ClassicVisionError
    ├── ImageReadError          (also OSError)       an image file cannot be read or decoded
    ├── ImageWriteError         (also OSError)       an image cannot be written
    ├── NotEnoughDataError      (also ValueError)    too few images, classes or keypoints
    ├── SettingsError           (also ValueError)    an unknown setting, or an invalid value
    ├── ArchiveError            (also ValueError)    a model or index file is damaged or has another format
    │   ├── UnsafeArchiveError                       ... declares sizes or names that are not allowed
    │   └── UnsupportedVersionError                  ... was written by a newer version
    ├── BackboneError           (also RuntimeError)  a network cannot be fetched, read or run
    ├── IndexInUseError         (also OSError)       another process is writing to the index
    └── CacheError              (also OSError)       a cache folder cannot be read or written

    ClassicVisionWarning (UserWarning)
    ├── ExtractorDriftWarning                        features differ from those the model was fitted on
    └── SkippedImagesWarning                         some images were skipped

Each class also derives from the built-in exception that callers expect. A message says what was found, what was
expected, and what to do.
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
    """Base class of all errors."""


class _ImageFileError(ClassicVisionError, OSError):
    """A problem with one image file; `path` and `reason` are separate attributes so that reports can list them."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[_ImageFileError], tuple[Path, str]]:
        """Make the error picklable, so that a worker process can raise it."""
        return type(self), (self.path, self.reason)


class ImageReadError(_ImageFileError):
    """An image file cannot be read or decoded."""


class ImageWriteError(_ImageFileError):
    """An image cannot be written."""


class NotEnoughDataError(ClassicVisionError, ValueError):
    """Too few images, classes or keypoints for an operation."""


class SettingsError(ClassicVisionError, ValueError):
    """An unknown setting, or one with an invalid value."""


class ArchiveError(ClassicVisionError, ValueError):
    """A file is damaged, or not an archive of the expected kind."""


class UnsafeArchiveError(ArchiveError):
    """An archive declares sizes or names that are not allowed; it is rejected before its arrays are read."""


class UnsupportedVersionError(ArchiveError):
    """An archive has a format version that this release cannot read."""


class BackboneError(ClassicVisionError, RuntimeError):
    """A network cannot be fetched, read or run."""


class IndexInUseError(ClassicVisionError, OSError):
    """Another process is writing to the index; it can still be read and searched."""


class CacheError(ClassicVisionError, OSError):
    """A feature cache cannot be read or written."""


class ClassicVisionWarning(UserWarning):
    """Base class of all warnings."""


class ExtractorDriftWarning(ClassicVisionWarning):
    """The extractor's features differ from those the model was fitted on, e.g. on another machine."""


class SkippedImagesWarning(ClassicVisionWarning):
    """Some images were skipped."""
