"""The stages of a network: runs of layers that work at one resolution.

A stage ends with the last tensor of its resolution on which all later layers depend; tensors that a shortcut or another
branch bypasses are inside a stage. In a ResNet the stages end with its groups of blocks (He et al. 2016, table 1), in a
VGG with the last feature map before each pooling.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from classicvision.backbone.graph import Graph, Node
from classicvision.backbone.spatial_axes import resolution, spatial_axes

__all__ = ["HEAD", "PENULTIMATE", "Stage", "find_stages", "stage_of_nodes"]

PENULTIMATE = "penultimate"
HEAD = "head"  # the layers after the penultimate tensor, up to the output

LEARNED = frozenset(
    [
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "DeformConv",
        "Gemm",
        "MatMul",
        "MatMulInteger",
        "QGemm",
        "QLinearConv",
        "QLinearMatMul",
    ]
)


@dataclass(frozen=True)
class Stage:
    """A run of layers that work at one resolution."""

    name: str  # "stage1", "stage2", ... or "penultimate"
    tensor: str  # its output, on which all later layers depend
    shape: tuple[int, ...] | None  # of that tensor for one image, without the batch axis


def find_stages(graph: Graph, penultimate: str) -> tuple[Stage, ...]:
    """Return the stages of a network in order.

    Parameters
    ----------
    graph : Graph
    penultimate : str
        The input tensor of the last layer, where the last stage ends. If that tensor has no spatial axes, or another
        layer is between, it becomes a separate stage named "penultimate".

    Returns
    -------
    tuple of Stage
        Numbered stages with spatial axes, each of another resolution than the one before; then possibly "penultimate".
    """
    axes = spatial_axes(graph)
    runs: list[tuple[tuple[int, int], str]] = []
    for tensor in _bottlenecks(graph, penultimate):
        size = resolution(graph, axes, tensor)
        if size is None or size == (1, 1):
            continue
        if runs and runs[-1][0] == size:
            runs.pop()
        runs.append((size, tensor))
    names = [(f"stage{number}", tensor) for number, (_, tensor) in enumerate(runs, 1)]
    if not runs or runs[-1][1] != penultimate:
        names.append((PENULTIMATE, penultimate))
    return tuple(Stage(name, tensor, _shape_of_one(graph, tensor)) for name, tensor in names)


def stage_of_nodes(graph: Graph, stages: tuple[Stage, ...]) -> tuple[str, ...]:
    """Return the stage of each node by name; the nodes after the last stage are the head."""
    ends = [(_maker(graph, stage.tensor), stage.name) for stage in stages]
    return tuple(next((name for end, name in ends if number <= end), HEAD) for number in range(len(graph.nodes)))


def _bottlenecks(graph: Graph, penultimate: str) -> list[str]:
    """Return the tensors on which all later layers depend, from the first layer with weights to the penultimate."""
    last = _maker(graph, penultimate)
    nodes = [(number, node) for number, node in enumerate(graph.nodes) if any(map(graph.is_data, node.outputs))]
    waiting = Counter(name for _, node in nodes for name in _data_inputs(graph, node))
    live = {graph.input.name}
    found: list[str] = []
    learned = False
    for number, node in nodes:
        if number > last:
            break
        for name in _data_inputs(graph, node):
            waiting[name] -= 1
            if waiting[name] == 0:
                live.discard(name)
        live.update(name for name in node.outputs if waiting[name])
        learned = learned or node.operator in LEARNED
        if learned and len(live) == 1:
            found.extend(live)
    if learned and penultimate not in found and not waiting[penultimate]:
        found.append(penultimate)  # the end of a trunk: no node reads it
    return found


def _data_inputs(graph: Graph, node: Node) -> set[str]:
    return {name for name in node.inputs if graph.is_data(name)}


def _maker(graph: Graph, tensor: str) -> int:
    """Return the number of the node that produces a tensor; -1 for the network's input."""
    return next((number for number, node in enumerate(graph.nodes) if tensor in node.outputs), -1)


def _shape_of_one(graph: Graph, tensor: str) -> tuple[int, ...] | None:
    shape = graph.shape(tensor)
    return None if shape is None else shape[1:]
