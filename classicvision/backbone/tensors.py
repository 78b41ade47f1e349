"""The dtype and shape of a tensor, as far as they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import TypeProto

__all__ = ["Tensor", "dtype_name", "tensor_of"]


@dataclass(frozen=True)
class Tensor:
    """Dtype and shape of a tensor."""

    dtype: str  # NumPy's name, e.g. "float32"; "" if unknown
    shape: tuple[int | None, ...] | None  # None, for one axis or the whole shape: unknown

    @property
    def n_elements(self) -> int | None:
        """The number of elements, or None if the shape is not fully known."""
        if self.shape is None or None in self.shape:
            return None
        return math.prod(n or 0 for n in self.shape)


def tensor_of(kind: TypeProto) -> Tensor:
    """Convert an ONNX type; an axis of any length has the length None."""
    if not kind.HasField("tensor_type"):
        return Tensor("", None)
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return Tensor(dtype_name(tensor.elem_type), None)
    axes = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
    # Some exporters write a negative length for an axis of any length.
    return Tensor(dtype_name(tensor.elem_type), tuple(None if n is not None and n < 0 else n for n in axes))


def dtype_name(number: int) -> str:
    """Return NumPy's name of an ONNX type number, or "" if it is undefined or unknown."""
    from onnx import TensorProto

    if number not in TensorProto.DataType.values() or number == 0:
        return ""
    name = str(TensorProto.DataType.Name(number)).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)
