"""What is known of a tensor: the type of its numbers, and its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import TypeProto

__all__ = ["Tensor", "dtype_name", "tensor_of"]


@dataclass(frozen=True)
class Tensor:
    """What is known of one tensor."""

    dtype: str  # NumPy's name, e.g. "float32"; "" where it is not known
    shape: tuple[int | None, ...] | None  # None: not known, one axis or all

    @property
    def n_elements(self) -> int | None:
        """The number of elements, or None where the shape is not fully known."""
        if self.shape is None or None in self.shape:
            return None
        return math.prod(n or 0 for n in self.shape)


def tensor_of(kind: TypeProto) -> Tensor:
    """Return what ONNX states of a type; a free axis has the length None."""
    if not kind.HasField("tensor_type"):
        return Tensor("", None)
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return Tensor(dtype_name(tensor.elem_type), None)
    axes = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
    # A negative length is what some exporters write for a free axis, and what an overflow leaves.
    return Tensor(dtype_name(tensor.elem_type), tuple(None if n is not None and n < 0 else n for n in axes))


def dtype_name(number: int) -> str:
    """Return NumPy's name of one of ONNX's types, or "" for none."""
    from onnx import TensorProto

    if number not in TensorProto.DataType.values() or number == 0:
        return ""
    name = str(TensorProto.DataType.Name(number)).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)
