"""Looking: every step of SIFT on one photo, and what this installation computes with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from classicvision import _native
from classicvision.classify.versions import library_versions
from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.images import read_image

__all__ = ["doctor", "show"]


def show(photo: PathLike, output: PathLike, *, sift: Sift | None = None) -> int:
    """Draw every step of SIFT on one photo as a sheet, and return the number of keypoints."""
    from classicvision.viz import write_stages

    return write_stages(output, read_image(photo), sift)


def doctor() -> dict[str, Any]:
    """Return what this installation computes with: the engine of SIFT, the kernels' instruction set, the libraries."""
    return {
        "engine": Sift().engine,
        "instruction_set": _native.instruction_set(),
        "versions": library_versions() | {"onnxruntime": _installed_version("onnxruntime")},
    }


def _installed_version(distribution: str) -> str:
    """Return the version of a package without importing it."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
