"""Weights that can be visualised: the filters of the first convolution, and the linear last layer."""

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

# Operators that average over positions, or only change the shape.
_POOLING: Final = frozenset(
    (
        *("AveragePool", "Cast", "Dropout", "Flatten", "GlobalAveragePool", "Identity"),
        *("ReduceMean", "Reshape", "Squeeze", "Transpose", "Unsqueeze"),
    )
)


@dataclass(frozen=True, eq=False)
class LastLayer:
    """The linear layer that computes class scores from features.

    Attributes
    ----------
    weights : (K, C) float32
        One row per class.
    scores : str
        Name of its output, the class scores.
    maps : str
        Name of the tensor (C, h, w) whose spatial average is the features, judging by the operators between.
    """

    weights: NDArray[np.float32]
    scores: str
    maps: str


def first_filters(path: Path) -> NDArray[np.float32]:
    """Return the filters of the first convolution, (n, 3, height, width), channels in the order of the network's input.

    If the first convolution is quantised, or does not take the three channels of the image, n is 0.
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
    """Return the linear layer after the penultimate tensor, or None if there is no such layer with plain weights."""
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
    """Follow a tensor back through averages and changes of shape to one with spatial axes; "" if not found."""
    makers = {output: node for node in graph.nodes for output in node.outputs}
    while True:
        shape = graph.shape(name) if name in makers else None
        if shape is not None and len(shape) == 4 and 1 not in (shape[1], shape[2] * shape[3]):
            return name
        node = makers.get(name)  # None for the image input
        if node is None or node.operator not in _POOLING:
            return ""
        name = node.inputs[0]
