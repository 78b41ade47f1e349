"""Infer the shape of every tensor of a network, node by node, with ONNX's shape inference.

Shapes are for one image if the file leaves the batch size free, and for a given image size if the file leaves that
free. Nodes are inferred one at a time and their outputs checked in between: inferring a whole graph, in ONNX or
onnxruntime, kills the process on some networks in which a window does not fit into its feature map.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.constant_folding import evaluate
from classicvision.backbone.image_input import ImageInput
from classicvision.backbone.tensors import Tensor, tensor_of
from classicvision.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, TypeProto

__all__ = ["infer_tensors"]

MAX_VALUES = 4096  # largest constant whose values are kept, in elements: axes, shapes and sizes, not weights
NUMERIC_TYPES = (1, 6, 7, 10, 11)  # ONNX's numbers of float32, int32, int64, float16 and float64


def infer_tensors(
    model: ModelProto, image: ImageInput, size: tuple[int, int], constants: frozenset[str], path: str | os.PathLike[str]
) -> tuple[dict[str, Tensor], dict[str, NDArray[Any]]]:
    """Infer the type and shape of every tensor, and the values of small constants.

    Raises
    ------
    BackboneError
        If a layer's window does not fit into its input.
    """
    types, declared = _stored_types(model, image, size), _declared_types(model, image)
    values = {tensor.name: _array(tensor) for tensor in model.graph.initializer if _is_small(tensor)}
    tensors = {name: tensor_of(kind) for name, kind in types.items()}
    for node in model.graph.node:
        found = _infer_node(model, node, types, values)
        for name, kind in ({name: declared[name] for name in node.output if name in declared} | found).items():
            if name not in constants:
                _check_lengths(node, name, kind, size, path)
            types[name], tensors[name] = kind, tensor_of(kind)
        values |= _evaluate_node(node, tensors, values, constants)
    return tensors, values


def _stored_types(model: ModelProto, image: ImageInput, size: tuple[int, int]) -> dict[str, TypeProto]:
    """Return the types of the image input and the stored tensors."""
    from onnx import TensorProto, helper

    shape = (3, *size) if image.layout == "NCHW" else (*size, 3)
    kind = TensorProto.FLOAT if image.dtype == "float32" else TensorProto.FLOAT16
    types = {image.name: helper.make_tensor_type_proto(kind, (image.batch or 1, *shape))}
    for tensor in model.graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    for sparse in model.graph.sparse_initializer:
        types[sparse.values.name] = helper.make_tensor_type_proto(sparse.values.data_type, sparse.dims)
    return types


def _declared_types(model: ModelProto, image: ImageInput) -> dict[str, TypeProto]:
    """Return the declared types of the outputs of non-standard operators, if the file fixes the image size."""
    foreign = {name for node in model.graph.node if node.domain not in ("", "ai.onnx") for name in node.output}
    batch = next(value.type.tensor_type.shape.dim[0] for value in model.graph.input if value.name == image.name)
    types = {}
    for value in model.graph.value_info:
        if value.name in foreign and image.height and image.width:
            types[value.name] = kind = type(value.type)()
            kind.CopyFrom(value.type)
            for axis in kind.tensor_type.shape.dim:
                if batch.dim_param and axis.dim_param == batch.dim_param:
                    axis.dim_value = 1
    return types


def _infer_node(
    model: ModelProto, node: NodeProto, types: Mapping[str, TypeProto], values: Mapping[str, NDArray[Any]]
) -> dict[str, TypeProto]:
    """Return the types of a node's outputs that are known; empty if the operator or an input type is unknown."""
    from onnx import defs, numpy_helper, shape_inference

    inputs = list(filter(None, node.input))
    has_branches = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    if has_branches or any(name not in types for name in inputs):
        return {}
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = max(
        (o.version for o in model.opset_import if (o.domain or "ai.onnx") == (domain or "ai.onnx")), default=0
    )
    try:
        schema = defs.get_schema(node.op_type, version, domain)
        found = shape_inference.infer_node_outputs(
            schema,
            node,
            {name: types[name] for name in inputs},
            {name: numpy_helper.from_array(values[name], name) for name in inputs if name in values},
            opset_imports=list(model.opset_import),
        )
    except Exception:  # the library raises InferenceError, RuntimeError, ValueError and more
        return {}
    return {name: kind for name, kind in found.items() if name}


def _check_lengths(
    node: NodeProto, name: str, kind: TypeProto, size: tuple[int, int], path: str | os.PathLike[str]
) -> None:
    """Reject a tensor without elements: libraries handle it unpredictably."""
    lengths = [axis.dim_value for axis in kind.tensor_type.shape.dim if axis.HasField("dim_value")]
    if any(n < 1 for n in lengths):
        raise BackboneError(
            f"{os.fspath(path)}: for an image of {size[0]} x {size[1]} pixels the layer {node.name or name!r} "
            f"({node.op_type}) outputs {' x '.join(map(str, lengths))} values, as its window does not fit. "
            "Use larger images, or export the network again."
        )


def _evaluate_node(
    node: NodeProto, tensors: Mapping[str, Tensor], values: Mapping[str, NDArray[Any]], constants: frozenset[str]
) -> dict[str, NDArray[Any]]:
    """Return the value of a node's output if it is a small constant."""
    output = node.output[0] if node.output else ""
    if output not in constants:
        return {}
    for attribute in node.attribute:
        if node.op_type == "Constant" and attribute.name == "value":
            return {output: _array(attribute.t)} if _is_small(attribute.t) else {}
    value = evaluate(node, tensors, values)
    return {output: value} if value is not None and value.size <= MAX_VALUES else {}


def _is_small(tensor: TensorProto) -> bool:
    """Tell whether a stored tensor may be an axis, a shape or a size, whose values are needed."""
    stored_here = tensor.data_location == 0 and tensor.data_type in NUMERIC_TYPES
    return stored_here and math.prod(tensor.dims) <= MAX_VALUES


def _array(tensor: TensorProto) -> NDArray[Any]:
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(tensor))
