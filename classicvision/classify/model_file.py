"""Facts about a model file as plain values: its size and hash, its manifest, the shapes of its arrays."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

from classicvision.archive import read_archive
from classicvision.classify.classifier import Classifier
from classicvision.errors import BackboneError, ClassicVisionWarning
from classicvision.files import PathLike

__all__ = ["file_facts", "inspect_model"]


def file_facts(path: PathLike) -> dict[str, Any]:
    """Return name, size in bytes and SHA-256 of a file."""
    data = Path(path).read_bytes()
    return {"file": os.fspath(path), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def inspect_model(path: PathLike, *, backbone: PathLike | None = None) -> dict[str, Any]:
    """Return the manifest of a model file, and the shape and type of each of its arrays.

    The file is loaded as for a prediction, so an error of a prediction is an error here too. A missing network is only
    a warning unless `backbone` names its file: the model file itself says which network it needs.

    Raises
    ------
    ArchiveError
        If the file is damaged, or not a classifier.
    BackboneError
        If `backbone` is not the network of the model.

    Warns
    -----
    ClassicVisionWarning
        If its network is not found, or cannot be run.
    """
    try:
        Classifier.load(path, backbone=backbone)
    except BackboneError as error:
        if backbone is not None:
            raise
        warnings.warn(f"the model cannot predict here: {error}", ClassicVisionWarning, stacklevel=3)
    archive = read_archive(path)
    arrays = {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in archive.arrays.items()}
    return {**file_facts(path), **archive.manifest, "arrays": arrays}
