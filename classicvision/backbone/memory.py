"""The memory of a network's activations for one image."""

from __future__ import annotations

from collections import Counter

import numpy as np

from classicvision.backbone.graph import Graph, Node
from classicvision.backbone.operators import IN_PLACE

__all__ = ["n_bytes_of", "peak_bytes", "takes_memory"]

BYTES = {
    "bfloat16": 2,
    "bool": 1,
    **dict.fromkeys(("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"), 1),
}


def takes_memory(node: Node) -> bool:
    """Tell whether a node's output needs memory; activation functions and views can replace their input in place."""
    return node.operator not in IN_PLACE


def n_bytes_of(graph: Graph, name: str) -> int | None:
    """Return the size of a tensor in bytes for one image, or None if it is unknown."""
    tensor = graph.tensor(name)
    if tensor.n_elements is None or not tensor.dtype:
        return None
    try:
        itemsize = BYTES.get(tensor.dtype) or np.dtype(tensor.dtype).itemsize
    except TypeError:  # types smaller than a byte, and text
        return None
    return tensor.n_elements * itemsize // graph.batch


def peak_bytes(graph: Graph) -> int | None:
    """Return the peak size of the activations for one image in bytes, without the weights; None if it is unknown.

    Nodes run in the order of the graph. A tensor is freed after the last node that reads it; a node that can work in
    place needs no memory if no other node reads its input later.
    """
    nodes = [node for node in graph.nodes if any(map(graph.is_data, node.outputs))]
    waiting = Counter(name for node in nodes for name in _data_inputs(graph, node))
    waiting.update(graph.outputs)  # kept until the end
    first = n_bytes_of(graph, graph.input.name)
    if first is None:
        return None
    live, peak = {graph.input.name: first}, first
    for node in nodes:
        sources = _data_inputs(graph, node)
        last = {name for name in sources if waiting[name] == 1}
        freed_first = last if not takes_memory(node) else set()
        for name in filter(graph.is_data, node.outputs):
            n_bytes = n_bytes_of(graph, name)
            if n_bytes is None and waiting[name]:
                return None
            live[name] = (n_bytes or 0) if waiting[name] or name == node.outputs[0] else 0
        peak = max(peak, sum(live.values()) - sum(live.get(name, 0) for name in freed_first))
        waiting.subtract(sources)
        for name in (*sources, *node.outputs):
            if waiting[name] <= 0:
                live.pop(name, None)
    return peak


def _data_inputs(graph: Graph, node: Node) -> set[str]:
    return {name for name in node.inputs if graph.is_data(name)}
