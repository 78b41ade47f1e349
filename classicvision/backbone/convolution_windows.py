"""The sliding window of a convolution or pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classicvision.backbone.graph import Graph, Node
from classicvision.backbone.operators import weights_of

__all__ = ["Window", "window_of"]

POOLINGS = {"MaxPool", "AveragePool", "LpPool", "QLinearAveragePool"}

Pair = tuple[int, int]  # along height and width


@dataclass(frozen=True)
class Window:
    """A window; each pair is (height, width)."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Pair  # before the first pixel
    groups: int

    @property
    def extent(self) -> Pair:
        """How many positions the window spans, including the gaps of a dilated one."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1


def window_of(graph: Graph, node: Node) -> Window | None:
    """Return the window of a convolution or pooling; None for any other node, or if it is unknown."""
    weights = graph.shape(weights_of(node))
    if node.operator not in POOLINGS and not weights_of(node):
        return None
    kernel = node.integers("kernel_shape", () if weights is None else weights[2:])
    strides, dilations = node.integers("strides", (1, 1)), node.integers("dilations", (1, 1))
    pads = node.integers("pads", (0, 0, 0, 0))
    if len(kernel) != 2 or len(strides) != 2 or len(dilations) != 2 or len(pads) != 4 or min(strides) < 1:
        return None
    padding: Pair | None = (pads[0], pads[1])
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic == "VALID":
        padding = (0, 0)
    elif automatic in ("SAME_UPPER", "SAME_LOWER"):
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        padding = _same_padding(graph, node, extents, strides, smaller_first=automatic == "SAME_UPPER")
    if padding is None:
        return None
    return Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (dilations[0], dilations[1]),
        padding,
        node.integer("group", 1),
    )


def _same_padding(
    graph: Graph, node: Node, extents: Sequence[int], strides: Sequence[int], *, smaller_first: bool
) -> Pair | None:
    """Return the padding before the first pixel for which the output has the length ceil(input / stride)."""
    before, after = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    if before is None or after is None or len(before) != 4 or len(after) != 4:
        return None
    small, large = (before, after) if node.operator != "ConvTranspose" else (after, before)
    totals = [
        max((n_windows - 1) * stride + extent - n, 0)
        for n, n_windows, stride, extent in zip(small[2:], large[2:], strides, extents, strict=True)
    ]
    first, second = (total // 2 if smaller_first else total - total // 2 for total in totals)
    return first, second
