"""The machine and software of a measurement: processor, versions, commit."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from classicvision.evaluation.machine import machine_facts


def describe() -> dict[str, Any]:
    """Return the facts needed to judge a figure."""
    return {**machine_facts(), "commit": _commit()}


def _commit() -> str:
    folder = Path(__file__).parent
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
