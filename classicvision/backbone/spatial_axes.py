"""Find the height and width axes of each tensor, and so the resolution at which the network works there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from classicvision.backbone.graph import Graph, Node

__all__ = ["Axes", "resolution", "spatial_axes"]

Axes = tuple[int, int]  # the axes of height and width

# Operators that take images only as (N, C, H, W).
CHANNELS_FIRST = frozenset(
    [
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "FusedConv",
        "ConvInteger",
        "ConvTranspose",
        "DepthToSpace",
        "DeformConv",
        "GlobalAveragePool",
        "GlobalLpPool",
        "GlobalMaxPool",
        "GridSample",
        "GroupNormalization",
        "InstanceNormalization",
        "LpPool",
        "LRN",
        "MaxPool",
        "MaxRoiPool",
        "QLinearConv",
        "QLinearAveragePool",
        "QLinearGlobalAveragePool",
        "SpaceToDepth",
    ]
)
RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def spatial_axes(graph: Graph) -> dict[str, Axes]:
    """Return the height and width axes of every tensor that has them; vectors and tokens do not."""
    axes: dict[str, Axes] = {graph.input.name: (2, 3) if graph.input.layout == "NCHW" else (1, 2)}
    for node in graph.nodes:
        source = next((name for name in node.inputs if name in axes), None)
        if source is None:
            continue
        for name in node.outputs:
            found = (
                _axes_after(node, graph.shape(source), axes[source], graph.shape(name)) if graph.is_data(name) else None
            )
            if found is not None:
                axes[name] = found
    return axes


def resolution(graph: Graph, axes: Mapping[str, Axes], name: str) -> tuple[int, int] | None:
    """Return height and width of a tensor, or None if it has no such axes or they are unknown."""
    shape = graph.shape(name)
    if name not in axes or shape is None:
        return None
    row, column = axes[name]
    return shape[row], shape[column]


def _axes_after(node: Node, before: Sequence[int] | None, axes: Axes, after: Sequence[int] | None) -> Axes | None:
    """Return the height and width axes after a node, or None if they are gone or unknown."""
    if node.operator in CHANNELS_FIRST:
        return (2, 3) if axes == (2, 3) and after is not None and len(after) == 4 else None
    if before is None or after is None:
        return None
    if node.operator == "Transpose":
        order = node.integers("perm", tuple(range(len(before)))[::-1])
        places = [place for place, axis in enumerate(order) if axis in axes]
        together = len(places) == 2 and places[1] == places[0] + 1 and order[places[0]] == axes[0]
        return (places[0], places[1]) if together else None
    if node.operator in RESHAPING:
        return _axes_after_reshape(before, axes, after)
    if node.operator == "Gemm" or (node.operator == "MatMul" and axes[1] == len(before) - 1):
        return None
    return axes if len(after) == len(before) else None


def _axes_after_reshape(before: Sequence[int], axes: Axes, after: Sequence[int]) -> Axes | None:
    """Return the axes after a reshape: both lengths unchanged, with the same number of elements before them."""
    row, column = axes
    outer, lengths = _product(before[:row]), (before[row], before[column])
    for place in range(len(after) - 1):
        if _product(after[:place]) == outer and tuple(after[place : place + 2]) == lengths:
            return place, place + 1
    return None


def _product(lengths: Sequence[int]) -> int:
    product = 1
    for n in lengths:
        product *= n
    return product
