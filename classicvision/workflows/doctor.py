"""``doctor``: which engine, instruction set and libraries this installation uses."""

from __future__ import annotations

from typing import Any

from classicvision import _native
from classicvision.features.sift import Sift
from classicvision.versions import installed_version, library_versions

__all__ = ["doctor"]


def doctor() -> dict[str, Any]:
    """Return the engine of SIFT, the instruction set of the kernels, and the versions of the libraries."""
    return {
        "engine": Sift().engine,
        "instruction_set": _native.instruction_set(),
        "versions": library_versions() | {"onnxruntime": installed_version("onnxruntime")},
    }
