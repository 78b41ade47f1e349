"""The versions of everything that has a say in a result, kept with each model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from classicvision._version import __version__

__all__ = ["library_versions", "versions_line"]


def library_versions() -> dict[str, str]:
    """Return the versions of everything that has a say in a result."""
    versions = {"classicvision": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("opencv-python-headless", "pillow", "scikit-learn", "onnxruntime"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed under this name"
    return versions


def versions_line(versions: Mapping[str, str]) -> str:
    """Return versions as one line of text."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())
