"""Inspect a network layer by layer and stage by stage: shapes, parameters, MACs, memory, receptive fields.

All numbers follow from the graph alone, for one image; nothing is run. An unknown number is None, and the layers with
unknown numbers are listed, so that no total hides them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from classicvision.backbone.convolution_windows import Window, window_of
from classicvision.backbone.graph import Graph, ImageInput, Node
from classicvision.backbone.memory import n_bytes_of, peak_bytes, takes_memory
from classicvision.backbone.operators import count_macs, is_known, parameters_of
from classicvision.backbone.receptive_field import ReceptiveField, receptive_fields
from classicvision.backbone.stages import HEAD, Stage, find_stages, stage_of_nodes

__all__ = ["Layer", "NetworkInspection", "StageSummary", "inspect_graph"]


@dataclass(frozen=True)
class Layer:
    """One operation on the image; operations that only unpack weights or compute shapes are not layers."""

    name: str
    operator: str
    stage: str
    window: Window | None  # of a convolution or pooling
    output: str  # name of the output tensor
    shape: tuple[int, ...] | None  # of the first output, without the batch axis
    n_parameters: int  # weights shared with an earlier layer count there
    n_macs: int | None
    n_activations: int | None  # elements of the output
    n_bytes: int | None  # of the output; 0 if it replaces the input in memory
    receptive_field: ReceptiveField | None


@dataclass(frozen=True)
class StageSummary:
    """The sums over the layers of one stage, and the stage's output."""

    name: str
    tensor: str  # name of the output tensor
    shape: tuple[int, ...] | None
    n_layers: int  # with parameters
    n_parameters: int
    n_macs: int  # over the layers whose MACs are known
    n_bytes: int
    receptive_field: ReceptiveField | None


@dataclass(frozen=True)
class NetworkInspection:
    """The layers and stages of a network, and its totals for one image."""

    input: ImageInput
    size: tuple[int, int]  # height and width of the image that the numbers are for
    opset: int
    producer: str
    layers: tuple[Layer, ...]
    stages: tuple[StageSummary, ...]
    n_parameters: int
    n_macs: int  # over the layers whose MACs are known
    n_bytes: int  # of all activations together
    peak_bytes: int | None  # most activations needed at the same time; None if unknown
    unknown_operators: Mapping[str, int]  # operators whose costs are unknown, and how many layers have them
    unknown_layers: tuple[str, ...]  # layers of known operators whose costs are unknown because their shapes are


def inspect_graph(graph: Graph, penultimate: str) -> NetworkInspection:
    """List the layers and stages of a network and sum up their costs.

    Parameters
    ----------
    graph : Graph
    penultimate : str
        The input tensor of the last layer; everything after it is the stage "head".
    """
    stages = find_stages(graph, penultimate)
    fields = receptive_fields(graph)
    seen: set[str] = set()
    layers, unknown = [], Counter[str]()
    for node, stage in zip(graph.nodes, stage_of_nodes(graph, stages), strict=True):
        if any(map(graph.is_data, node.outputs)):
            layers.append(_layer(graph, node, stage, fields, seen))
            if not is_known(node):
                unknown[f"{node.domain}.{node.operator}" if node.domain else node.operator] += 1
    foreign = {node.name for node in graph.nodes if not is_known(node)}
    return NetworkInspection(
        input=graph.input,
        size=graph.size,
        opset=graph.opset,
        producer=graph.producer,
        layers=tuple(layers),
        stages=tuple(_summaries(stages, layers, fields)),
        n_parameters=sum(layer.n_parameters for layer in layers),
        n_macs=_known_sum(layer.n_macs for layer in layers),
        n_bytes=_known_sum(layer.n_bytes for layer in layers),
        peak_bytes=peak_bytes(graph),
        unknown_operators=dict(unknown),
        unknown_layers=tuple(
            layer.name for layer in layers if None in (layer.n_macs, layer.n_bytes) and layer.name not in foreign
        ),
    )


def _layer(graph: Graph, node: Node, stage: str, fields: Mapping[str, ReceptiveField], seen: set[str]) -> Layer:
    """Describe one layer; `seen` are the weights of earlier layers, which do not count again."""
    weights = set(parameters_of(graph, node)) - seen
    seen |= weights
    output = next(filter(graph.is_data, node.outputs))
    shape = graph.shape(output)
    n_elements = graph.tensor(output).n_elements
    return Layer(
        name=node.name,
        operator=node.operator,
        stage=stage,
        window=window_of(graph, node),
        output=output,
        shape=None if shape is None else shape[1:],
        n_parameters=sum(graph.tensor(name).n_elements or 0 for name in weights),
        n_macs=count_macs(graph, node),
        n_activations=None if n_elements is None else n_elements // graph.batch,
        n_bytes=n_bytes_of(graph, output) if takes_memory(node) else 0,
        receptive_field=fields.get(output),
    )


def _summaries(
    stages: Sequence[Stage], layers: Sequence[Layer], fields: Mapping[str, ReceptiveField]
) -> list[StageSummary]:
    ends = {stage.name: (stage.tensor, stage.shape) for stage in stages}
    rest = [layer for layer in layers if layer.stage == HEAD]
    if rest:
        ends[HEAD] = (rest[-1].output, rest[-1].shape)
    summaries = []
    for name, (tensor, shape) in ends.items():
        members = [layer for layer in layers if layer.stage == name]
        summaries.append(
            StageSummary(
                name=name,
                tensor=tensor,
                shape=shape,
                n_layers=sum(layer.n_parameters > 0 for layer in members),
                n_parameters=sum(layer.n_parameters for layer in members),
                n_macs=_known_sum(layer.n_macs for layer in members),
                n_bytes=_known_sum(layer.n_bytes for layer in members),
                receptive_field=fields.get(tensor),
            )
        )
    return summaries


def _known_sum(numbers: Iterable[int | None]) -> int:
    return sum(number for number in numbers if number is not None)
