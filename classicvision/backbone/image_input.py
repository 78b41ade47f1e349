"""The image input of a network: its layout, dtype and size."""

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

DEFAULT_SIZE = (224, 224)  # height and width of the image where the file accepts any


@dataclass(frozen=True)
class ImageInput:
    """The image input of a network; None means any length."""

    name: str
    dtype: str  # "float32" or "float16"
    layout: str  # "NCHW" or "NHWC"
    batch: int | None
    height: int | None
    width: int | None

    def image_size(self, size: tuple[int, int] | None, path: str | os.PathLike[str]) -> tuple[int, int]:
        """Return height and width of the input: those fixed by the file, else those given, else 224 x 224.

        Raises
        ------
        BackboneError
            If the file fixes another size than the one given.
        """
        fixed = (self.height, self.width)
        if size is not None and any(n not in (None, given) for n, given in zip(fixed, size, strict=True)):
            expected = " x ".join("any" if n is None else str(n) for n in fixed)
            raise BackboneError(
                f"{os.fspath(path)}: the network takes images of {expected} pixels, not {size[0]} x {size[1]}. "
                "Omit the size."
            )
        height, width = size or DEFAULT_SIZE
        return self.height or height, self.width or width


def find_image_input(inputs: Sequence[ValueInfoProto], path: str | os.PathLike[str]) -> ImageInput:
    """Return the image input of a network.

    Raises
    ------
    BackboneError
        If there is not exactly one input, or it is not a batch of images with three channels.
    """
    if len(inputs) != 1:
        raise BackboneError(
            f"{os.fspath(path)}: the network has {len(inputs)} inputs ({named(value.name for value in inputs)}); "
            "a backbone takes one image and nothing else. Export only the image encoder."
        )
    return _image_input(inputs[0], path)


def _image_input(value: ValueInfoProto, path: str | os.PathLike[str]) -> ImageInput:
    where = f"{os.fspath(path)}: the network's input {value.name!r}"
    tensor = tensor_of(value.type)
    if tensor.shape is None:
        raise BackboneError(f"{where} has no shape. Export the network with one, e.g. (N, 3, 224, 224).")
    found = f"{tensor.dtype or 'not numeric'} ({', '.join('any' if n is None else str(n) for n in tensor.shape)})"
    if tensor.dtype not in ("float32", "float16"):
        hint = " Integers are usual for text; export an image network." if tensor.dtype in ("int64", "int32") else ""
        raise BackboneError(f"{where} is {found}; expected an image as float32 or float16.{hint}")
    if len(tensor.shape) != 4:
        raise BackboneError(f"{where} is {found}; expected an image with 4 axes: (N, 3, height, width).")
    if any(n is not None and n <= 0 for n in tensor.shape):
        raise BackboneError(f"{where} is {found}, with an axis of length 0. Export it with a batch of 1 or any length.")
    batch, second, third, fourth = tensor.shape
    if second == 3 or (second is None and fourth != 3):
        return ImageInput(value.name, tensor.dtype, "NCHW", batch, third, fourth)
    if fourth == 3 or fourth is None:
        return ImageInput(value.name, tensor.dtype, "NHWC", batch, second, third)
    raise BackboneError(f"{where} is {found}; expected an image, with 3 colour channels in axis 1 or axis 3.")
