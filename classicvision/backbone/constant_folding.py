"""Constant folding: evaluate the small constants that exporters compute in the graph, such as target shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.tensors import Tensor

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["attributes_of", "evaluate"]

Values = Sequence[NDArray[Any]]
Attributes = Mapping[str, Any]


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """Return a node's attributes as numbers, text and tuples of them, without tensors and subgraphs."""
    from onnx import AttributeProto

    plain: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.INT:
            plain[attribute.name] = attribute.i
        elif attribute.type == AttributeProto.FLOAT:
            plain[attribute.name] = attribute.f
        elif attribute.type == AttributeProto.STRING:
            plain[attribute.name] = attribute.s.decode("utf-8", "replace")
        elif attribute.type == AttributeProto.INTS:
            plain[attribute.name] = tuple(attribute.ints)
        elif attribute.type == AttributeProto.FLOATS:
            plain[attribute.name] = tuple(attribute.floats)
        elif attribute.type == AttributeProto.STRINGS:
            plain[attribute.name] = tuple(text.decode("utf-8", "replace") for text in attribute.strings)
    return plain


def evaluate(node: NodeProto, tensors: Mapping[str, Tensor], values: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """Evaluate the first output of a node; None if the value of an input is unknown or the operator unsupported."""
    attributes = attributes_of(node)
    try:
        if node.op_type in ("Shape", "Size"):
            return _size(node.op_type, attributes, tensors.get(node.input[0]))
        if node.op_type == "Constant":
            numbers = (attributes[name] for name in attributes if name.startswith(("value_int", "value_float")))
            return next((np.asarray(number) for number in numbers), None)
        if node.op_type not in OPERATORS or any(name not in values for name in node.input):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(OPERATORS[node.op_type]([values[name] for name in node.input], attributes))
    except (IndexError, TypeError, ValueError, OverflowError, MemoryError):  # invalid inputs of the operator
        return None


def _size(operator: str, attributes: Attributes, tensor: Tensor | None) -> NDArray[Any] | None:
    if tensor is None or tensor.shape is None or None in tensor.shape:
        return None
    if operator == "Size":
        return np.asarray(tensor.n_elements, np.int64)
    lengths = tensor.shape[slice(attributes.get("start", 0), attributes.get("end"))]
    return np.asarray(lengths, np.int64)


def _axes(inputs: Values, attributes: Attributes) -> tuple[int, ...]:
    """Return the axes of a squeeze: an attribute before operator set 13, an input since."""
    return tuple(inputs[1].ravel().tolist()) if len(inputs) > 1 else tuple(attributes.get("axes", ()))


def _squeeze(inputs: Values, attributes: Attributes) -> NDArray[Any]:
    return np.squeeze(inputs[0], _axes(inputs, attributes) or None)


def _unsqueeze(inputs: Values, attributes: Attributes) -> NDArray[Any]:
    return np.expand_dims(inputs[0], _axes(inputs, attributes))


def _cast(inputs: Values, attributes: Attributes) -> NDArray[Any]:
    from onnx import helper

    if attributes["to"] not in (1, 6, 7, 9, 10, 11):
        raise ValueError("shapes are not computed in this type")
    return inputs[0].astype(helper.tensor_dtype_to_np_dtype(attributes["to"]))


def _divide(inputs: Values, attributes: Attributes) -> NDArray[Any]:
    """Divide; integer division rounds towards zero."""
    a, b = inputs
    quotient = a / b
    return np.trunc(quotient).astype(a.dtype) if a.dtype.kind == "i" else quotient


def _slice(inputs: Values, attributes: Attributes) -> NDArray[Any]:
    x, starts, ends = inputs[:3]
    axes = inputs[3].tolist() if len(inputs) > 3 else list(range(len(starts)))
    steps = inputs[4].tolist() if len(inputs) > 4 else [1] * len(starts)
    taken = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        # With a negative step, any end before the first element means up to the first element.
        taken[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return x[tuple(taken)]


OPERATORS: dict[str, Callable[[Values, Attributes], Any]] = {
    "Identity": lambda inputs, _: inputs[0],
    "Gather": lambda inputs, attributes: np.take(inputs[0], inputs[1], attributes.get("axis", 0)),
    "Concat": lambda inputs, attributes: np.concatenate(inputs, attributes["axis"]),
    "Reshape": lambda inputs, _: inputs[0].reshape(inputs[1]),
    "Transpose": lambda inputs, attributes: np.transpose(inputs[0], attributes.get("perm")),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Cast": _cast,
    "Add": lambda inputs, _: inputs[0] + inputs[1],
    "Sub": lambda inputs, _: inputs[0] - inputs[1],
    "Mul": lambda inputs, _: inputs[0] * inputs[1],
    "Div": _divide,
    "Floor": lambda inputs, _: np.floor(inputs[0]),
    "Ceil": lambda inputs, _: np.ceil(inputs[0]),
    "Equal": lambda inputs, _: inputs[0] == inputs[1],
    "Where": lambda inputs, _: np.where(inputs[0], inputs[1], inputs[2]),
}
