"""The networks that can be fetched by name: the ONNX model zoo's classifiers of ImageNet, each pinned by its SHA-256.

`registry.json` is made by ``data/make_backbone_registry.py``. An ONNX file says nothing of the preprocessing that it
was trained with; an entry has it where the zoo states it. Accuracies are those that the zoo states, on ImageNet's
validation images.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from classicvision.errors import BackboneError

__all__ = ["Entry", "entry_of", "find", "known_networks", "newest"]

_NAME = re.compile(r"(?P<stem>[a-z0-9.-]+?)-(?P<opset>\d+)(?P<variant>-int8|-qdq)?")


@dataclass(frozen=True)
class Entry:
    """One file that can be fetched.

    Attributes
    ----------
    name : str
        As in the zoo, e.g. ``resnet50-v1-12``: network, operator set, and ``int8`` or ``qdq`` where it is quantised.
    family : str
    url : str
    sha256 : str
        64 hexadecimal digits.
    n_bytes : int
    opset : int
        The operator set that the zoo states.
    features : str, optional
        The tensor that the zoo names as features; otherwise it is found in the graph.
    preprocessing : str, optional
        The name of a preset; None where the zoo states nothing, or contradicts itself.
    top1, top5 : float, optional
        Accuracy on ImageNet's validation images as the zoo states it, in percent.
    licence : str
    """

    name: str
    family: str
    url: str
    sha256: str
    n_bytes: int
    opset: int
    features: str | None = None
    preprocessing: str | None = None
    top1: float | None = None
    top5: float | None = None
    licence: str = ""

    @property
    def network(self) -> str:
        """The name without the operator set: what files of one network share."""
        match = _NAME.fullmatch(self.name)
        return match["stem"] if match else self.name

    @property
    def quantised(self) -> bool:
        """Whether weights and activations are kept in 8 bits."""
        return self.name.endswith(("-int8", "-qdq"))


@cache
def known_networks() -> tuple[Entry, ...]:
    """Return every entry, by family and name."""
    text = resources.files("classicvision.backbone").joinpath("registry.json").read_text("utf-8")
    return tuple(Entry(**network) for network in json.loads(text)["networks"])


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """Return of each network the file of the newest operator set that is not quantised, in the order of the entries."""
    best: dict[str, Entry] = {}
    for entry in entries:
        if not entry.quantised and (entry.network not in best or entry.opset > best[entry.network].opset):
            best[entry.network] = entry
    return [entry for entry in entries if best.get(entry.network) is entry]


def find(name: str, entries: Sequence[Entry] | None = None) -> Entry:
    """Return the entry of a name; a network without its operator set, as ``resnet50-v1``, is the newest file of it.

    Raises
    ------
    BackboneError
        If there is none; the nearest names are in the message.
    """
    entries = known_networks() if entries is None else entries
    names = {entry.network: entry for entry in newest(entries)} | {entry.name: entry for entry in entries}
    if name not in names:
        close = _near(name, [entry.network for entry in newest(entries)])
        hint = f"; did you mean {' or '.join(close)}?" if close else "."
        raise BackboneError(
            f"no network is known by the name {name!r}{hint} `classicvision backbone list` has the names"
        )
    return names[name]


def entry_of(sha256: str) -> Entry | None:
    """Return the entry of a file by its content, whatever the file is called; None where it is not one of these."""
    return next((entry for entry in known_networks() if entry.sha256 == sha256), None)


def _near(name: str, networks: Sequence[str]) -> list[str]:
    """Return the networks that a name may mean: those that hold it, else those that are spelled like it."""
    wanted = _letters(name)
    holding = [network for network in networks if wanted and wanted in _letters(network)]
    return holding[:4] or difflib.get_close_matches(name, networks, n=3, cutoff=0.5)


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
