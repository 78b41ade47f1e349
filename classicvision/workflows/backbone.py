"""Networks as extractors: what can be fetched, and whether a file is what it says it is."""

from __future__ import annotations

from classicvision.backbone.registry import Entry, known_networks, newest

__all__ = ["list_backbones"]


def list_backbones(*, every_file: bool = False) -> list[Entry]:
    """Return the networks that can be fetched by name: of each the newest float file, or every file."""
    entries = known_networks()
    return list(entries) if every_file else newest(entries)
