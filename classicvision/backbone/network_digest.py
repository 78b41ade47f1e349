"""The SHA-256 that identifies a network, and the metadata of its file; nothing is run."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from classicvision.backbone.modelfile import external_files, read_model
from classicvision.errors import BackboneError

__all__ = ["find_network", "is_digest", "metadata", "network_digest", "require_digest"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOCATION: Final = b"location"  # a key in every file whose weights are in external files


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256 of 64 lower-case hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def network_digest(path: Path) -> str:
    """Return the SHA-256 of a network: of its file, or of the digests of all its files if it has external weights."""
    data = _read(path)
    own = hashlib.sha256(data)
    others = external_files(read_model(path)) if _LOCATION in data else ()
    if not others:
        return own.hexdigest()
    parts = [own.hexdigest(), *(hashlib.sha256(_read(path.parent / name)).hexdigest() for name in others)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def require_digest(path: Path, expected: str) -> None:
    """Raise a `BackboneError` unless the file has the expected SHA-256."""
    found = network_digest(path)
    if found != expected:
        raise BackboneError(
            f"{path} is another network: its SHA-256 begins with {found[:16]}, expected {expected[:16]}. "
            "Pass the file that the model was fitted with, or fit again with this one."
        )


def find_network(sha256: str, places: list[Path]) -> Path:
    """Return the first of several paths whose content has the SHA-256; a `BackboneError` if no file has."""
    found = {path: network_digest(path) for path in dict.fromkeys(places) if path.is_file()}
    for path, content in found.items():
        if content == sha256:
            return path
    others = "".join(f" {path} is another network, with SHA-256 {content[:16]}." for path, content in found.items())
    raise BackboneError(
        f"the network {places[0].name} with SHA-256 {sha256[:16]} was not found; searched "
        f"{', '.join(dict.fromkeys(map(str, places)))}.{others} Copy the file there, or pass its path with --backbone."
    )


def metadata(path: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file, by key."""
    return {entry.key: entry.value for entry in read_model(path).metadata_props}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackboneError(f"{path}: cannot be read: {error.strerror or error}") from error
