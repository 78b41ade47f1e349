"""``inspect``: what a model file holds."""

from __future__ import annotations

from typing import Any

from classicvision.classify.model_file import inspect_model
from classicvision.files import PathLike

__all__ = ["inspect"]


def inspect(model: PathLike, *, backbone: PathLike | None = None) -> dict[str, Any]:
    """Return the manifest of a model file, and the shape and type of each array; see `inspect_model`."""
    return inspect_model(model, backbone=backbone)
