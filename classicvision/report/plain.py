"""Values for JSON, tables and UTF-8 text."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["flat", "plain", "text", "visible"]


def plain(value: Any) -> Any:
    """Return a value of JSON's types; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {text(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else text(value)


def text(value: Any) -> str:
    """Return text that UTF-8 can encode: Linux file names may be any bytes, which Python keeps as lone surrogates."""
    words = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    return words.encode("utf-8", "backslashreplace").decode("utf-8")


def visible(value: Any) -> str:
    """Return text with invisible characters escaped, such as line breaks and marks of writing direction."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text(value))


def flat(data: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the values of nested tables with their keys, such as ("recipe · extractor · contrast", "0.04")."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from flat(value, (*place, key))
        else:
            words = value if isinstance(value, list) else [value]
            yield " · ".join((*place, key)), ", ".join(_words(word) for word in words)


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
