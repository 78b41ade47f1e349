"""The compiled kernels, where they were built: the same results as the NumPy modules, much faster.

The kernels are C++17, compiled several times, for a portable instruction set and, on x86-64, for AVX2 (`v3`) and
AVX-512 with VNNI (`v4`). The best one that the CPU supports is chosen when they are loaded; the environment variable
``CLASSICVISION_ISA`` selects another one. Without a compiler at installation there are no kernels.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from classicvision.errors import SettingsError

__all__ = ["instruction_set", "kernels", "native_available"]


def _load() -> ModuleType | None:
    try:
        return importlib.import_module(f"{__name__}._kernels")
    except ModuleNotFoundError:
        return None
    except ValueError as error:  # CLASSICVISION_ISA names an instruction set that this CPU or build lacks
        raise SettingsError(str(error)) from error


_LOADED = _load()

if TYPE_CHECKING:
    from classicvision._native import _kernels as kernels
else:
    kernels = _LOADED


def native_available() -> bool:
    """Tell whether the kernels were built."""
    return _LOADED is not None


def instruction_set() -> str | None:
    """Return ``portable``, ``v3`` or ``v4``: what the kernels use here; None without kernels."""
    return kernels.instruction_set() if native_available() else None
