"""``backbone list``, ``pull``, ``verify`` and ``inspect``: networks, and whether a file is what it claims to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from classicvision.backbone.download import locate, pull
from classicvision.backbone.graph import read_graph
from classicvision.backbone.inspection import NetworkInspection, inspect_graph
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.penultimate import penultimate
from classicvision.backbone.registry import Entry, find, known_networks, newest
from classicvision.backbone.verification import Verification, make_reference, read_reference, verify
from classicvision.files import PathLike, write_atomically
from classicvision.progress import Progress

__all__ = ["inspect_backbone", "list_backbones", "pull_backbone", "verify_backbone", "write_reference"]


def list_backbones(*, every_file: bool = False) -> list[Entry]:
    """Return the networks that can be fetched by name: the newest float file of each, or every file."""
    entries = known_networks()
    return list(entries) if every_file else newest(entries)


def pull_backbone(
    name: str, *, folder: Path | None = None, offline: bool | None = None, progress: Progress | None = None
) -> Path:
    """Fetch a network by name, unless it is there already, and return its file; size and SHA-256 are verified.

    Parameters
    ----------
    name : str
        A name of `list_backbones`.
    folder, offline
        As in `backbone.download.pull`.
    progress : callable(stage, done, total), optional
        Called with megabytes.
    """
    entry = find(name)
    megabytes = (lambda done, total: progress(f"{entry.name}, MB", done >> 20, total >> 20)) if progress else None
    return pull(entry, folder, offline=offline, progress=megabytes)


def verify_backbone(backbone: OnnxBackbone, *, reference: PathLike | None = None) -> Verification:
    """Compare a network with the registry, with the classes of photographs, and with vectors stored in a file."""
    return verify(backbone, read_reference(Path(reference)) if reference else None)


def write_reference(backbone: OnnxBackbone, output: PathLike) -> dict[str, Any]:
    """Write the vectors of a network for the photographs, for `verify_backbone` on another machine, and return them."""
    reference = make_reference(backbone)
    write_atomically(Path(output), [json.dumps(reference, indent=1).encode()])
    return reference


def inspect_backbone(network: PathLike, *, size: tuple[int, int] | None = None) -> NetworkInspection:
    """Return the layers and stages of a network, with their costs, without running it.

    Parameters
    ----------
    network : path or str
        A file, or the name of a network that was pulled.
    size : (int, int), optional
        Height and width of the image, for files that take any size; 224 x 224 by default.
    """
    graph = read_graph(locate(network), size=size)
    return inspect_graph(graph, penultimate(graph))
