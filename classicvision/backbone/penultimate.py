"""Where the code of a picture lies in a network: what the last layer takes, and how a tensor is to be read.

A classifier's last layer is linear, so what it takes has been trained to be linearly separable (Donahue et al. 2014).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from classicvision.backbone.graph import Graph, Node
from classicvision.backbone.spatial_axes import spatial_axes

__all__ = ["Tap", "has_classes", "output_of", "penultimate", "tap_at"]

# Operators whose product with constant weights makes logits; the quantised take scale and zero point after the data.
_PRODUCTS: Final = frozenset({"Gemm", "MatMul", "QGemm", "QLinearMatMul"})
_CONVOLUTIONS: Final = frozenset({"Conv", "QLinearConv"})
_QUANTISED: Final = frozenset({"QGemm", "QLinearMatMul", "QLinearConv"})
_FEATURES: Final = "features"  # what files call an output that is meant as a code


@dataclass(frozen=True)
class Tap:
    """A tensor to be read out of a network.

    Attributes
    ----------
    tensor : str
    channel_axis : int
        Where the channels are if it has four axes: 1 or 3.
    scale, zero_point : str
        The tensors that turn its bytes into numbers, where it is quantised; else empty.
    """

    tensor: str
    channel_axis: int = 1
    scale: str = ""
    zero_point: str = ""


def penultimate(graph: Graph) -> str:
    """Return the tensor that the last layer takes: the data input of the last Gemm, MatMul or 1 x 1 Conv.

    That node is the last layer only if it is the last one with weights and all that its output depends on comes through
    it: a trunk without classifier can end in a 1 x 1 convolution beside a shortcut. Where there is no such node, the
    network's own output is the answer, and so it is where a 1 x 1 convolution leads to an output called features.
    """
    weighted = [node for node in graph.nodes if _has_weights(node, graph)]
    if not weighted or not _is_last_layer(weighted[-1], graph):
        return output_of(graph, prefer=_FEATURES)
    return next(filter(graph.is_data, weighted[-1].inputs))


def output_of(graph: Graph, *, prefer: str = "") -> str:
    """Return the network's first output, or the one of the preferred name if it has it."""
    return prefer if prefer in graph.outputs else graph.outputs[0]


def has_classes(graph: Graph) -> bool:
    """Tell whether a last layer stands behind the features, so that the output names classes."""
    return penultimate(graph) != output_of(graph)


def tap_at(graph: Graph, tensor: str) -> Tap:
    """Return how a tensor is to be read."""
    axis = 3 if spatial_axes(graph).get(tensor) == (1, 2) else 1
    for node in graph.nodes:
        if node.operator in _QUANTISED and node.inputs[0] == tensor:
            return Tap(tensor, axis, node.inputs[1], node.inputs[2])
    return Tap(tensor, axis)


def _has_weights(node: Node, graph: Graph) -> bool:
    """Tell whether a node multiplies something that depends on the picture by weights."""
    if node.operator in _CONVOLUTIONS:
        return graph.is_data(node.inputs[0])
    if node.operator in _PRODUCTS:
        # Attention multiplies two tensors that both depend on the picture.
        return graph.is_data(node.inputs[0]) != graph.is_data(_weights_of(node))
    return False


def _weights_of(node: Node) -> str:
    return node.inputs[3 if node.operator in _QUANTISED else 1]


def _is_last_layer(node: Node, graph: Graph) -> bool:
    if node.operator in _CONVOLUTIONS:
        kernel = node.integers("kernel_shape") or (graph.shape(_weights_of(node)) or ())[2:]
        if set(kernel) != {1} or _FEATURES in _reached(graph, node.outputs):
            return False
    return _all_comes_through(node, graph)


def _all_comes_through(node: Node, graph: Graph) -> bool:
    """Tell whether the outputs that depend on a node depend on the picture through this node alone."""
    after = _reached(graph, node.outputs).intersection(graph.outputs)
    without = _reached(graph, [graph.input.name], skip=node)
    return bool(after) and not after & without


def _reached(graph: Graph, names: Iterable[str], *, skip: Node | None = None) -> set[str]:
    """Return the tensors that depend on some, not counting the paths through one node or through constants."""
    reached = set(names)
    for node in graph.nodes:
        if node is not skip and reached.intersection(node.inputs):
            reached.update(filter(graph.is_data, node.outputs))
    return reached
