"""The versions of the libraries that can change a result. They are stored with every model and every report."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from classicvision._version import __version__

__all__ = ["installed_version", "library_versions", "versions_line"]


def library_versions() -> dict[str, str]:
    """Return the version of Python, and of each library that can change a result, by name."""
    versions = {"classicvision": __version__, "python": platform.python_version(), "numpy": np.__version__}
    for name in ("opencv-python-headless", "pillow", "scikit-learn", "onnxruntime"):
        versions[name] = installed_version(name, otherwise="not installed under this name")
    return versions


def installed_version(distribution: str, *, otherwise: str = "not installed") -> str:
    """Return the version of a distribution without importing it, or `otherwise` if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return otherwise


def versions_line(versions: Mapping[str, str]) -> str:
    """Return versions as one line of text."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())
