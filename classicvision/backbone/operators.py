"""The costs of ONNX operators: parameters and multiply-adds (MACs).

A MAC is one multiplication and one addition. Convolutions and matrix products count, including those of attention. As
in published tables, additions, activation functions, pooling and normalisation do not: the operators in `FREE` have 0
MACs. For an operator not listed here the number is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from classicvision.backbone.graph import Graph, Node

__all__ = ["IN_PLACE", "count_macs", "is_known", "parameters_of", "weights_of"]

# Operators that can work in place: activation functions, batch normalisation (folded into the convolution before it),
# and views of the same values.
ACTIVATIONS = {
    *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid"),
    *("HardSwish", "Swish", "Tanh", "Softplus", "Softsign", "Gelu", "QuickGelu", "Mish", "BatchNormalization"),
}
VIEWS = {"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
IN_PLACE = ACTIVATIONS | VIEWS

FREE = IN_PLACE | {
    *("MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool", "MaxUnpool"),
    *("LRN", "LpNormalization", "MeanVarianceNormalization", "InstanceNormalization", "LayerNormalization"),
    *("GroupNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "Hardmax"),
    *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Pow", "Erf", "Sin", "Cos"),
    *("Sum", "Mean", "Max", "Min", "Floor", "Ceil", "Round", "Sign", "Not", "And", "Or", "Xor", "IsNaN", "IsInf"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Where", "CumSum"),
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
    *("ReduceLogSum", "ReduceLogSumExp", "ArgMax", "ArgMin", "TopK"),
    *("Concat", "Split", "Slice", "Gather", "GatherElements", "GatherND", "Transpose", "Expand", "Tile", "Pad"),
    *("Cast", "CastLike", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "ReverseSequence", "ScatterND"),
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
}

# Operators of onnxruntime that its optimiser and quantiser insert.
MICROSOFT = "com.microsoft"
FREE_OF_MICROSOFT = {
    *("Gelu", "QuickGelu", "FastGelu", "QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearAveragePool"),
    *("QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"),
    *("QuantizeLinear", "DequantizeLinear"),
}

# The inputs of an operator that are learned parameters if they are constant. The running mean and variance of batch
# normalisation are statistics, not learned, and published tables exclude them.
LEARNED_INPUTS = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvTranspose", "BatchNormalization", "InstanceNormalization"), (1, 2)),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), (1, 2)),
    **dict.fromkeys(("Gemm", "MatMul", "Einsum", "ConvInteger", "MatMulInteger"), (0, 1, 2)),
    **dict.fromkeys(("PRelu", "RMSNormalization"), (1,)),
    "DeformConv": (1, 3),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "QGemm": (3, 6),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Sum"), (0, 1, 2, 3)),
    **dict.fromkeys(("Gather", "Expand", "Tile"), (0,)),
    "Where": (1, 2),
}
# Operators whose constant inputs are parameters only if they are float arrays: a scalar is a setting.
ONLY_ARRAYS = {"Add", "Sub", "Mul", "Div", "Sum", "Gather", "Expand", "Tile", "Where", "Concat"}


def is_known(node: Node) -> bool:
    """Tell whether the costs of an operator are known."""
    if node.domain == MICROSOFT:
        return node.operator in FREE_OF_MICROSOFT or node.operator in ("FusedConv", "QGemm")
    return not node.domain and (node.operator in FREE or node.operator in MACS)


def parameters_of(graph: Graph, node: Node) -> Iterator[str]:
    """Yield the learned parameters of a node."""
    slots = range(len(node.inputs)) if node.operator == "Concat" else LEARNED_INPUTS.get(node.operator, ())
    for slot in slots:
        name = node.inputs[slot] if slot < len(node.inputs) else ""
        if not name or graph.is_data(name):
            continue
        tensor = graph.tensor(name)
        if node.operator not in ONLY_ARRAYS or (
            tensor.dtype.startswith(("float", "bfloat")) and tensor.n_elements != 1
        ):
            yield name


def weights_of(node: Node) -> str:
    """Return the filter tensor of a convolution, or "" for any other node."""
    slot = {"Conv": 1, "FusedConv": 1, "ConvTranspose": 1, "ConvInteger": 1, "DeformConv": 1, "QLinearConv": 3}
    place = slot.get(node.operator, len(node.inputs))
    return node.inputs[place] if place < len(node.inputs) else ""


def count_macs(graph: Graph, node: Node) -> int | None:
    """Return the multiply-adds of a node for one image, or None if they are unknown."""
    if not is_known(node):
        return None
    count = MACS.get(node.operator)
    if count is None:
        return 0
    try:
        macs = count(graph, node)
    except (IndexError, KeyError, ValueError):  # shapes that do not fit the operator, in an invalid file
        return None
    return None if macs is None else macs // graph.batch


def _convolution(graph: Graph, node: Node) -> int | None:
    """Each output is a sum over the input channels of its group and the window: H W C_out (C_in / groups) K_h K_w."""
    weights, output = graph.shape(weights_of(node)), graph.shape(node.outputs[0])
    return None if weights is None or output is None else math.prod(output) * math.prod(weights[1:])


def _transposed_convolution(graph: Graph, node: Node) -> int | None:
    """Each input contributes to the output channels of its group within the window."""
    weights, source = graph.shape(weights_of(node)), graph.shape(node.inputs[0])
    return None if weights is None or source is None else math.prod(source) * math.prod(weights[1:])


def _matrix_product(graph: Graph, node: Node) -> int | None:
    """Each output is a sum over the inner dimension."""
    a, output = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    if a is None or output is None:
        return None
    return math.prod(output) * a[0 if node.integer("transA", 0) else -1]


def _einsum(graph: Graph, node: Node) -> int | None:
    """One MAC per combination of all indices, for one or two tensors."""
    terms = str(node.attributes["equation"]).replace(" ", "").split("->")[0].split(",")
    if len(terms) > 2 or any("." in term for term in terms):
        return None
    lengths: dict[str, int] = {}
    for term, name in zip(terms, node.inputs, strict=True):
        shape = graph.shape(name)
        if shape is None:
            return None
        lengths |= dict(zip(term, shape, strict=True))
    return math.prod(lengths.values())


def _attention(graph: Graph, node: Node) -> int | None:
    """Q K^T and its product with V: for each head, query and key the depths of both (Vaswani et al. 2017, eq. 1)."""
    q, k, output = graph.shape(node.inputs[0]), graph.shape(node.inputs[1]), graph.shape(node.outputs[0])
    if q is None or k is None or output is None or any(node.inputs[4:6]):
        return None  # with past keys there are more than these
    heads = q[1] if len(q) == 4 else 1
    return q[0] * heads * q[-2] * k[-2] * (q[-1] + output[-1])


MACS: dict[str, Callable[[Graph, Node], int | None]] = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvInteger", "QLinearConv", "DeformConv"), _convolution),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("Gemm", "QGemm", "MatMul", "MatMulInteger", "QLinearMatMul"), _matrix_product),
    "Einsum": _einsum,
    "Attention": _attention,
}
