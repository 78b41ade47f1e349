"""The receptive field of each tensor: the part of the image that one of its positions depends on.

Along each axis it is an interval that moves with the position: position i depends on the pixels from ``low + i step``
to ``high + i step``. A window of K positions widens the interval by K - 1 steps, padding by P moves its start P steps
back, and a stride multiplies the step (Araujo et al. 2019, "Computing receptive fields of convolutional neural
networks"). Where paths join, it is the union of their intervals.

As in published tables, per-channel factors that depend on the whole image do not count: squeeze-and-excitation gates,
and the statistics of instance and group normalisation. Tokens have no receptive field here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from classicvision.backbone.convolution_windows import window_of
from classicvision.backbone.graph import Graph, Node
from classicvision.backbone.operators import is_known
from classicvision.backbone.spatial_axes import Axes, resolution, spatial_axes

__all__ = ["ReceptiveField", "receptive_fields"]


@dataclass(frozen=True)
class Span:
    """The pixels along one axis that the first position depends on, and their shift from position to position."""

    low: float = 0.0
    high: float = 0.0
    step: float = 1.0

    def through(self, n_positions: float, first: float, stride: float) -> Span:
        """Return the span after a window of `n_positions`, which starts at position `first` for the first output."""
        low = self.low + first * self.step
        return Span(low, self.high + (first + n_positions - 1) * self.step, stride * self.step)


Field = tuple[Span, Span]  # along height and width


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of one position of a tensor, in pixels of the image; each pair is (height, width)."""

    size: tuple[float, float]
    stride: tuple[float, float]  # from one position to the next
    centre: tuple[float, float]  # of the first position, (y, x); pixel centres are integers, padding is negative
    whole: bool  # the tensor has one position for the whole image

    @staticmethod
    def of(field: Field, *, whole: bool) -> ReceptiveField:
        """Return the receptive field of two spans."""
        y, x = field
        return ReceptiveField(
            (y.high - y.low + 1, x.high - x.low + 1),
            (y.step, x.step),
            ((y.low + y.high) / 2, (x.low + x.high) / 2),
            whole,
        )


def receptive_fields(graph: Graph) -> dict[str, ReceptiveField]:
    """Return the receptive field of every tensor for which it is known."""
    axes = spatial_axes(graph)
    fields: dict[str, Field] = {graph.input.name: (Span(), Span())}
    for node in graph.nodes:
        sources = [name for name in node.inputs if graph.is_data(name)]
        if not is_known(node) or node.operator in NOT_LOCAL or any(name not in fields for name in sources):
            continue
        for name in filter(graph.is_data, node.outputs):
            field = _field_of(graph, axes, fields, node, sources, name)
            if field is not None:
                fields[name] = field
    return {
        name: ReceptiveField.of(field, whole=resolution(graph, axes, name) in (None, (1, 1)))
        for name, field in fields.items()
    }


def _field_of(
    graph: Graph, axes: Mapping[str, Axes], fields: Mapping[str, Field], node: Node, sources: Sequence[str], output: str
) -> Field | None:
    """Return the field of one output of a node, or None if it is unknown."""
    sizes = {name: resolution(graph, axes, name) for name in sources}
    size = resolution(graph, axes, output)
    if size is None:
        shape = graph.shape(output)
        is_vector = shape is not None and len(shape) <= 2
        if not is_vector and any(sizes.values()):
            return None  # height and width were merged into one axis: tokens
        return _union(_of_all_positions(fields[name], sizes[name]) for name in sources)
    # Ignore per-channel factors, unless there is nothing else.
    wide = [name for name in sources if sizes[name] not in (None, (1, 1))] or sources
    if node.operator in RULES:
        source = node.inputs[0]
        return RULES[node.operator](graph, node, fields[source], axes[source]) if source in axes else None
    if size == (1, 1):
        return _union(_of_all_positions(fields[name], sizes[name]) for name in wide)
    return _union(fields[name] for name in wide) if all(sizes[name] == size for name in wide) else None


def _of_all_positions(field: Field, size: tuple[int, int] | None) -> Field:
    """Return the field of all positions together."""
    y, x = (span.through(n, 0, n) for span, n in zip(field, size or (1, 1), strict=True))
    return y, x


def _union(fields: Iterable[Field]) -> Field | None:
    """Return the union of the fields of paths that join; None if their steps differ."""
    spans = []
    for along in zip(*fields, strict=True):
        if len({span.step for span in along}) > 1:
            return None
        spans.append(Span(min(span.low for span in along), max(span.high for span in along), along[0].step))
    return (spans[0], spans[1]) if spans else None


def _window(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    window = window_of(graph, node)
    if window is None:
        return None
    y, x = (
        span.through(n, -p, s)
        for span, n, s, p in zip(field, window.extent, window.stride, window.padding, strict=True)
    )
    return y, x


def _transposed(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    """Output o depends on the inputs i with 0 <= o + padding - i stride < extent, at most ceil(extent / stride)."""
    window = window_of(graph, node)
    if window is None:
        return None
    y, x = (
        _between(span, math.ceil(n / s), (p - (n - 1) / 2) / s, 1 / s)
        for span, n, s, p in zip(field, window.extent, window.stride, window.padding, strict=True)
    )
    return y, x


def _between(span: Span, n_positions: int, middle: float, stride: float) -> Span:
    """Return the span after a window centred between positions."""
    return span.through(n_positions, middle - (n_positions - 1) / 2, stride)


def _resize(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    """Upsampling reads one, two or four nearest positions; downsampling is not supported, as its filters vary."""
    before, after = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    n_positions = {"nearest": 1, "linear": 2, "bilinear": 2, "cubic": 4}.get(
        str(node.attributes.get("mode", "nearest"))
    )
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    known = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners")
    if before is None or after is None or n_positions is None or mode not in known:
        return None
    spans = []
    for span, axis in zip(field, axes, strict=True):
        old, new = before[axis], after[axis]
        if new < old or new < 2:
            return None
        stride = (old - 1) / (new - 1) if mode == "align_corners" else old / new
        middle = 0.5 * stride - 0.5 if "half_pixel" in mode else 0.0
        spans.append(_between(span, n_positions if new > old else 1, middle, stride))
    return spans[0], spans[1]


def _space_to_depth(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    block = max(node.integer("blocksize", 1), 1)
    return field[0].through(block, 0, block), field[1].through(block, 0, block)


def _depth_to_space(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    block = max(node.integer("blocksize", 1), 1)
    y, x = (_between(span, 1, 0.5 / block - 0.5, 1 / block) for span in field)
    return y, x


def _pad(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    shape = graph.shape(node.inputs[0])
    pads = node.integers("pads") or _constant(graph, node, 1)
    if shape is None or pads is None:
        return None
    padded = _constant(graph, node, 3) or tuple(range(len(shape)))
    first = {axis % len(shape): n for axis, n in zip(padded, pads, strict=False)}  # the second half pads the end
    return field[0].through(1, -first.get(axes[0], 0), 1), field[1].through(1, -first.get(axes[1], 0), 1)


def _slice(graph: Graph, node: Node, field: Field, axes: Axes) -> Field | None:
    shape = graph.shape(node.inputs[0])
    starts = node.integers("starts") or _constant(graph, node, 1)
    if shape is None or starts is None:
        return None
    cut = node.integers("axes") or _constant(graph, node, 3) or tuple(range(len(starts)))
    steps = _constant(graph, node, 4) or (1,) * len(starts)
    taken = {axis % len(shape): (start, step) for axis, start, step in zip(cut, starts, steps, strict=False)}
    spans = []
    for span, axis in zip(field, axes, strict=True):
        start, step = taken.get(axis, (0, 1))
        if step < 1:
            return None
        spans.append(span.through(1, max(start + shape[axis], 0) if start < 0 else min(start, shape[axis]), step))
    return spans[0], spans[1]


def _constant(graph: Graph, node: Node, slot: int) -> tuple[int, ...] | None:
    """Return the values of an input of a node if it is an integer constant, else None."""
    values = graph.values.get(node.inputs[slot]) if slot < len(node.inputs) else None
    return None if values is None or values.dtype.kind != "i" else tuple(values.ravel().tolist())


NOT_LOCAL = {"CumSum", "DeformConv", "GatherElements", "GatherND", "MaxUnpool", "ScatterND", "Tile", "TopK"}

RULES: dict[str, Callable[[Graph, Node, Field, Axes], Field | None]] = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvInteger", "QLinearConv"), _window),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool", "QLinearAveragePool"), _window),
    "ConvTranspose": _transposed,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "SpaceToDepth": _space_to_depth,
    "DepthToSpace": _depth_to_space,
    "Pad": _pad,
    "Slice": _slice,
}
