"""What a network wants to see: one picture, its layout and its size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from classicvision.backbone.modelfile import named
from classicvision.backbone.tensors import tensor_of
from classicvision.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ValueInfoProto

__all__ = ["ImageInput", "find_image_input"]

DEFAULT_SIZE = (224, 224)  # height and width of the picture where the file takes any


@dataclass(frozen=True)
class ImageInput:
    """What a network wants to see: None stands for any."""

    name: str
    dtype: str  # "float32" or "float16"
    layout: str  # "NCHW" or "NHWC"
    batch: int | None
    height: int | None
    width: int | None

    def image_size(self, size: tuple[int, int] | None, path: str | os.PathLike[str]) -> tuple[int, int]:
        """Return height and width of the picture: the file's, else those given, else 224 x 224.

        Raises
        ------
        BackboneError
            If the file fixes another size than the one given.
        """
        fixed = (self.height, self.width)
        if size is not None and any(n not in (None, asked) for n, asked in zip(fixed, size, strict=True)):
            expected = " x ".join("any" if n is None else str(n) for n in fixed)
            raise BackboneError(
                f"{os.fspath(path)}: the network takes pictures of {expected}, not of {size[0]} x {size[1]}. "
                "Leave the size out."
            )
        height, width = size or DEFAULT_SIZE
        return self.height or height, self.width or width


def find_image_input(inputs: Sequence[ValueInfoProto], path: str | os.PathLike[str]) -> ImageInput:
    """Return what the network wants to see, or say why that is no picture.

    Raises
    ------
    BackboneError
        If there is not exactly one input, or it is no batch of pictures of three colours.
    """
    if len(inputs) != 1:
        raise BackboneError(
            f"{os.fspath(path)}: the network has {len(inputs)} inputs ({named(value.name for value in inputs)}); "
            "a backbone takes one picture and nothing else. Export the part that sees the picture."
        )
    return _image_input(inputs[0], path)


def _image_input(value: ValueInfoProto, path: str | os.PathLike[str]) -> ImageInput:
    where = f"{os.fspath(path)}: the network's input {value.name!r}"
    tensor = tensor_of(value.type)
    if tensor.shape is None:
        raise BackboneError(f"{where} states no shape. Export it with one, e.g. (N, 3, 224, 224).")
    found = f"{tensor.dtype or 'no numbers'} ({', '.join('any' if n is None else str(n) for n in tensor.shape)})"
    if tensor.dtype not in ("float32", "float16"):
        hint = " Networks for text take such numbers." if tensor.dtype in ("int64", "int32") else ""
        raise BackboneError(f"{where} is {found}; a picture as float32 or float16 was expected.{hint}")
    if len(tensor.shape) != 4:
        raise BackboneError(f"{where} is {found}; a picture was expected, of 4 axes: (N, 3, height, width).")
    if any(n is not None and n <= 0 for n in tensor.shape):
        raise BackboneError(f"{where} is {found}: an axis of length 0. Export it with a batch of 1, or a free batch.")
    batch, second, third, fourth = tensor.shape
    if second == 3 or (second is None and fourth != 3):
        return ImageInput(value.name, tensor.dtype, "NCHW", batch, third, fourth)
    if fourth == 3 or fourth is None:
        return ImageInput(value.name, tensor.dtype, "NHWC", batch, second, third)
    raise BackboneError(f"{where} is {found}: neither axis 1 nor axis 3 has the 3 colours of a picture.")
