"""What a measurement was made on: processor, system, versions."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from classicvision import _native
from classicvision.versions import library_versions

__all__ = ["machine_facts"]

CPU_INFO = Path("/proc/cpuinfo")
TELLING_FLAGS = ("sse4_2", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni")


def machine_facts() -> dict[str, Any]:
    """Return the facts that a reader needs to judge a figure, as plain values."""
    flags = _cpu_line("flags").split()
    return {
        "cpu": _cpu_line("model name") or platform.processor(),
        "n_cpus": os.cpu_count() or 1,
        "cpu_flags": [flag for flag in TELLING_FLAGS if flag in flags],
        "system": platform.platform(),
        "instruction_set": _native.instruction_set(),
        "versions": library_versions(),
    }


def _cpu_line(name: str) -> str:
    lines = CPU_INFO.read_text("utf-8").splitlines() if CPU_INFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
