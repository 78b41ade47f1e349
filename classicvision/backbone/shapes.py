"""The shape of every tensor of a network, by ONNX's own shape inference.

It runs on a copy without the large weights: for one image where the file leaves the size of a batch free, and for a
picture of a given size where the file takes any.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from classicvision.backbone.image_input import ImageInput
from classicvision.backbone.tensors import Tensor, dtype_name, tensor_of
from classicvision.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

__all__ = ["infer_tensors", "is_small"]

MAX_VALUES = 4096  # elements of a constant that is kept with its values: axes, shapes and sizes, not weights


def is_small(tensor: TensorProto) -> bool:
    """Return whether a stored tensor may be an axis, a shape or a size, whose values are needed."""
    return tensor.data_type in (1, 6, 7, 10, 11) and tensor.data_location == 0 and math.prod(tensor.dims) <= MAX_VALUES


def infer_tensors(
    model: ModelProto, image: ImageInput, size: tuple[int, int], path: str | os.PathLike[str]
) -> dict[str, Tensor]:
    """Return the type and shape of every tensor, inferred for a picture of the given size."""
    from onnx import shape_inference

    light = _without_weights(model, image, size)
    try:
        inferred = shape_inference.infer_shapes(light, data_prop=True).graph
    except Exception as error:  # the library raises its own errors, RuntimeError, ValueError and more
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackboneError(f"{os.fspath(path)}: the shapes in the network do not fit: {reason}") from error
    tensors = {value.name: tensor_of(value.type) for value in (*inferred.input, *inferred.value_info, *inferred.output)}
    tensors |= {
        tensor.name: Tensor(dtype_name(tensor.data_type), tuple(tensor.dims)) for tensor in model.graph.initializer
    }
    for sparse in model.graph.sparse_initializer:
        tensors[sparse.values.name] = Tensor(dtype_name(sparse.values.data_type), tuple(sparse.dims))
    return tensors


def _without_weights(model: ModelProto, image: ImageInput, size: tuple[int, int]) -> ModelProto:
    """Return a copy for one picture, with the shapes of the large weights but not the weights."""
    from onnx import ModelProto

    light = ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    foreign = {name for node in model.graph.node if node.domain not in ("", "ai.onnx") for name in node.output}
    graph.value_info.extend(value for value in model.graph.value_info if value.name in foreign)
    for tensor in model.graph.initializer:
        if is_small(tensor):
            graph.initializer.append(tensor)
        else:
            graph.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    for value in model.graph.input:
        graph.input.append(value)
        if value.name == image.name:
            picture = (3, *size) if image.layout == "NCHW" else (*size, 3)
            for axis, n in zip(graph.input[-1].type.tensor_type.shape.dim, (image.batch or 1, *picture), strict=True):
                axis.dim_value = n
    for value in model.graph.output:  # what the file says of its outputs may be for another size
        graph.output.add(name=value.name).type.tensor_type.elem_type = value.type.tensor_type.elem_type
    return light
