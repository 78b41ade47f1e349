"""Weights that can be looked at: the first filters, and the linear last layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.graph import Graph, Node, read_graph
from classicvision.backbone.network import read_weights
from classicvision.backbone.penultimate import penultimate

__all__ = ["LastLayer", "first_filters", "last_layer"]

# Operators that average over places, or only change the shape.
_POOLING: Final = frozenset(
    (
        *("AveragePool", "Cast", "Dropout", "Flatten", "GlobalAveragePool", "Identity"),
        *("ReduceMean", "Reshape", "Squeeze", "Transpose", "Unsqueeze"),
    )
)


@dataclass(frozen=True, eq=False)
class LastLayer:
    """What makes class scores of features.

    Attributes
    ----------
    weights : (K, C) float32
        A row for each class.
    scores : str
        The tensor of scores that it gives.
    maps : str
        The tensor with places (C, h, w) that may be averaged to the features, as far as the operators tell.
    """

    weights: NDArray[np.float32]
    scores: str
    maps: str


def first_filters(path: Path) -> NDArray[np.float32]:
    """Return the filters of the first convolution, (n, 3, height, width), channels in the order that the network takes.

    Where the first convolution does not look at the three channels of the picture, or is quantised, n is 0.
    """
    graph = read_graph(path)
    nothing = np.zeros((0, 3, 1, 1), np.float32)
    convolutions = (node for node in graph.nodes if "Conv" in node.operator and graph.is_data(node.inputs[0]))
    node = next(convolutions, None)
    if node is None or node.operator != "Conv" or graph.is_data(node.inputs[1]):
        return nothing
    weights = read_weights(path, node.inputs[1])
    return weights if weights.ndim == 4 and weights.shape[1] == 3 else nothing


def last_layer(path: Path) -> LastLayer | None:
    """Return the linear layer that takes the penultimate tensor, or None where there is none with plain weights."""
    graph = read_graph(path)
    features = penultimate(graph)
    takers = [node for node in graph.nodes if features in node.inputs[:1] and len(node.inputs) > 1]
    node = next((node for node in takers if node.operator in ("Gemm", "MatMul", "Conv")), None)
    if node is None or graph.is_data(node.inputs[1]):
        return None
    weights = _rows_by_class(node, read_weights(path, node.inputs[1]))
    maps = _before_pooling(graph, features)
    return LastLayer(weights, node.outputs[0], maps) if weights.ndim == 2 and maps else None


def _rows_by_class(node: Node, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weights as (K, C)."""
    if node.operator == "Conv":
        return weights.reshape(weights.shape[:2]) if weights.shape[2:] == (1, 1) else weights
    if node.operator == "Gemm" and node.integer("transB", 0):
        return weights
    return weights.T


def _before_pooling(graph: Graph, name: str) -> str:
    """Follow a tensor back, through averages and changes of shape, to one with places; empty if there is none."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    while True:
        shape = graph.shape(name) if name in makers else None
        if shape is not None and len(shape) == 4 and 1 not in (shape[1], shape[2] * shape[3]):
            return name
        node = makers.get(name)  # the picture itself has none
        if node is None or node.operator not in _POOLING:
            return ""
        name = node.inputs[0]
