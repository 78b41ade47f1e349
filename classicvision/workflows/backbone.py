"""Networks as extractors: what can be fetched, and whether a file is what it says it is."""

from __future__ import annotations

from pathlib import Path

from classicvision.backbone.download import pull
from classicvision.backbone.registry import Entry, find, known_networks, newest
from classicvision.workflows.run import Progress

__all__ = ["list_backbones", "pull_backbone"]


def list_backbones(*, every_file: bool = False) -> list[Entry]:
    """Return the networks that can be fetched by name: of each the newest float file, or every file."""
    entries = known_networks()
    return list(entries) if every_file else newest(entries)


def pull_backbone(
    name: str, *, folder: Path | None = None, offline: bool | None = None, progress: Progress | None = None
) -> Path:
    """Fetch a network by its name unless it is there, and return its file; size and SHA-256 are those of the registry.

    `folder` and `offline` are as in `backbone.download.pull`.
    """
    entry = find(name)
    megabytes = (lambda done, total: progress(f"{entry.name}, MB", done >> 20, total >> 20)) if progress else None
    return pull(entry, folder, offline=offline, progress=megabytes)
