"""What is in a network's files, without running them: their digest, and their metadata."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from classicvision.backbone.modelfile import external_files, read_model
from classicvision.errors import BackboneError

__all__ = ["find_network", "is_digest", "metadata", "network_digest", "require_digest"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOCATION: Final = b"location"  # stands in every file that names another one with its weights


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256 as `network_digest` writes it."""
    return _DIGEST.fullmatch(text) is not None


def network_digest(path: Path) -> str:
    """Return the SHA-256 of a network: of the file, or of the digests of all its files if weights lie in others."""
    data = _read(path)
    own = hashlib.sha256(data)
    others = external_files(read_model(path)) if _LOCATION in data else ()
    if not others:
        return own.hexdigest()
    parts = [own.hexdigest(), *(hashlib.sha256(_read(path.parent / name)).hexdigest() for name in others)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def require_digest(path: Path, expected: str) -> None:
    """Raise a `BackboneError` unless a network is the expected one."""
    found = network_digest(path)
    if found != expected:
        raise BackboneError(
            f"{path}: this is another network: its SHA-256 begins with {found[:16]}, expected {expected[:16]}. "
            "Give the file that was used before, or fit again with this one."
        )


def find_network(sha256: str, places: list[Path]) -> Path:
    """Return the first file among some places that has the content; it is an error if none has it."""
    found = {path: network_digest(path) for path in dict.fromkeys(places) if path.is_file()}
    for path, content in found.items():
        if content == sha256:
            return path
    others = "".join(f" {path} is another network, with SHA-256 {content[:16]}." for path, content in found.items())
    raise BackboneError(
        f"the network {places[0].name} with SHA-256 {sha256[:16]} was not found; looked at "
        f"{', '.join(dict.fromkeys(map(str, places)))}.{others} Put the file there, or name it with --backbone."
    )


def metadata(path: Path) -> dict[str, str]:
    """Return what an ONNX file says of itself, by key."""
    return {entry.key: entry.value for entry in read_model(path).metadata_props}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackboneError(f"{path}: cannot be read: {error.strerror or error}") from error
