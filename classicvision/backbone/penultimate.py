"""Find the feature tensor of a classification network: the input of its last layer.

The last layer is linear, so its input has been trained to be linearly separable (Donahue et al. 2014).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from classicvision.backbone.graph import Graph, Node
from classicvision.backbone.spatial_axes import spatial_axes

__all__ = ["Tap", "has_classes", "output_of", "penultimate", "tap_at"]

# Operators that compute logits with constant weights; quantised ones take scale and zero point after the data.
_PRODUCTS: Final = frozenset({"Gemm", "MatMul", "QGemm", "QLinearMatMul"})
_CONVOLUTIONS: Final = frozenset({"Conv", "QLinearConv"})
_QUANTISED: Final = frozenset({"QGemm", "QLinearMatMul", "QLinearConv"})
_FEATURES: Final = "features"  # the usual name of an output meant as features


@dataclass(frozen=True)
class Tap:
    """A tensor to read from a network.

    Attributes
    ----------
    tensor : str
        Its name.
    channel_axis : int
        The axis of the channels if it has four axes: 1 or 3.
    scale, zero_point : str
        Names of the tensors to dequantise it with; empty if it is not quantised.
    """

    tensor: str
    channel_axis: int = 1
    scale: str = ""
    zero_point: str = ""


def penultimate(graph: Graph) -> str:
    """Return the input of the last layer: the data input of the last Gemm, MatMul or 1 x 1 Conv.

    That node counts as the last layer only if it is the last one with weights and the output depends on the image
    through it alone: a trunk without classifier can end in a 1 x 1 convolution parallel to a shortcut. Without such a
    node, or if a 1 x 1 convolution leads to an output called features, the network's output is returned.
    """
    weighted = [node for node in graph.nodes if _has_weights(node, graph)]
    if not weighted or not _is_last_layer(weighted[-1], graph):
        return output_of(graph, prefer=_FEATURES)
    return next(filter(graph.is_data, weighted[-1].inputs))


def output_of(graph: Graph, *, prefer: str = "") -> str:
    """Return the network's first output, or the preferred one if it exists."""
    return prefer if prefer in graph.outputs else graph.outputs[0]


def has_classes(graph: Graph) -> bool:
    """Tell whether a last layer follows the features, so that the output consists of class scores."""
    return penultimate(graph) != output_of(graph)


def tap_at(graph: Graph, tensor: str) -> Tap:
    """Return how to read a tensor: the axis of its channels, and how to dequantise it."""
    axis = 3 if spatial_axes(graph).get(tensor) == (1, 2) else 1
    for node in graph.nodes:
        if node.operator in _QUANTISED and node.inputs[0] == tensor:
            return Tap(tensor, axis, node.inputs[1], node.inputs[2])
    return Tap(tensor, axis)


def _has_weights(node: Node, graph: Graph) -> bool:
    """Tell whether a node multiplies a tensor that depends on the image by weights."""
    if node.operator in _CONVOLUTIONS:
        return graph.is_data(node.inputs[0])
    if node.operator in _PRODUCTS:
        # Attention multiplies two tensors that both depend on the image.
        return graph.is_data(node.inputs[0]) != graph.is_data(_weights_of(node))
    return False


def _weights_of(node: Node) -> str:
    return node.inputs[3 if node.operator in _QUANTISED else 1]


def _is_last_layer(node: Node, graph: Graph) -> bool:
    if node.operator in _CONVOLUTIONS:
        kernel = node.integers("kernel_shape") or (graph.shape(_weights_of(node)) or ())[2:]
        if set(kernel) != {1} or _FEATURES in _reached(graph, node.outputs):
            return False
    return _is_only_path(node, graph)


def _is_only_path(node: Node, graph: Graph) -> bool:
    """Tell whether the outputs that depend on a node depend on the image only through it."""
    after = _reached(graph, node.outputs).intersection(graph.outputs)
    without = _reached(graph, [graph.input.name], skip=node)
    return bool(after) and not after & without


def _reached(graph: Graph, names: Iterable[str], *, skip: Node | None = None) -> set[str]:
    """Return the tensors that depend on `names`, except through the node `skip` or through constants."""
    reached = set(names)
    for node in graph.nodes:
        if node is not skip and reached.intersection(node.inputs):
            reached.update(filter(graph.is_data, node.outputs))
    return reached
