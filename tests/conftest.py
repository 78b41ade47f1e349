"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

# One thread in the tests too: the results may not depend on it, and the test runner spreads over the cores.
cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the root of the project's checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real image sets, or skip the test where there is none."""
    folder = Path(os.environ.get("CLASSICVISION_SHARED", CHECKOUT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs real image sets in {folder}; name their folder in CLASSICVISION_SHARED")
    return folder
