"""What is done to a picture before a network sees it: the contract that an ONNX file does not cache.

A network answers to any tensor of the right shape, so the wrong colour order or range is a silent fault: accuracy
drops and nothing fails. Here the contract is one frozen dataclass. It is a part of every recipe that names a network,
hence of cache keys, models and reports, and it is never guessed.

Pillow resizes: its filters widen when a picture shrinks, and networks are trained on pictures resized so (torchvision
does the same). OpenCV's bilinear resizing looks at four pixels however much it shrinks, which is `antialias=False`
here; its mean over the area that each new pixel covers is `interpolation="area"`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from classicvision.config import require, validate
from classicvision.errors import SettingsError
from classicvision.images import Image, resize_by_area

__all__ = ["PRESETS", "Preprocessing", "apply", "centre_and_whole", "named_preset", "resized", "ten_crop"]

MAX_SIDE: Final = 4096  # pixels; the tensor of such a picture has 200 MB

_FILTERS: Final = {
    "nearest": PillowImage.Resampling.NEAREST,
    "bilinear": PillowImage.Resampling.BILINEAR,
    "bicubic": PillowImage.Resampling.BICUBIC,
    "lanczos": PillowImage.Resampling.LANCZOS,
}
_PLAIN_FILTERS: Final = ("nearest", "bilinear", "bicubic")  # those that Pillow has without antialiasing


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the tensor of a network: resize, crop, scale, subtract the mean, divide by the deviation.

    A channel's number is ``(grey * white / 255 - mean) / std``. Whether the tensor has channels first or last is read
    from the network, which says so.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.

    Examples
    --------
    >>> PRESETS["inception"].white, PRESETS["inception"].mean
    (255.0, (127.5, 127.5, 127.5))
    """

    colors: Literal["rgb", "bgr"] = "rgb"  # order of the channels
    white: float = 1.0  # what 255 becomes before the mean is subtracted; 1 or 255 as a rule
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)  # in the order of the channels
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)  # in the order of the channels
    resize: Literal["shorter-side", "square", "none"] = "shorter-side"  # what gets the length resize_to
    resize_to: int = 256  # pixels
    crop: int = 224  # side of the square in the middle that the network sees, in pixels
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "area"] = "bilinear"
    antialias: bool = True  # the filter grows as the picture shrinks, as in Pillow and torchvision

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.white <= 65535, "white", self.white, "above 0 and at most 65535")
        require(all(value > 0 for value in self.std), "std", self.std, "above 0 for each channel")
        require(1 <= self.crop <= MAX_SIDE, "crop", self.crop, f"from 1 to {MAX_SIDE} pixels")
        require(1 <= self.resize_to <= MAX_SIDE, "resize_to", self.resize_to, f"from 1 to {MAX_SIDE} pixels")
        if self.resize != "none" and self.resize_to < self.crop:
            raise SettingsError(f"resize_to is {self.resize_to}, but crop is {self.crop}; crop at most what is resized")
        if not self.antialias and self.interpolation not in _PLAIN_FILTERS:
            raise SettingsError(
                f"antialias is False, but interpolation {self.interpolation!r} has no such form; "
                f"use {' or '.join(_PLAIN_FILTERS)}"
            )


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_SIGNED: Final = (127.5, 127.5, 127.5)  # mean and deviation that bring 0 to 255 into -1 to 1

PRESETS: Final[dict[str, Preprocessing]] = {
    # ResNet, VGG, DenseNet and most others of torchvision, and of the model zoo where it says "as ResNet".
    "imagenet": Preprocessing(mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
    # Networks trained with Caffe: blue first, greys as they are, less the mean colour of ImageNet.
    "caffe": Preprocessing(colors="bgr", white=255.0, mean=(104.0, 117.0, 123.0), interpolation="area"),
    # GoogLeNet in the model zoo: the mean of VGG's authors, and the whole picture squeezed into the square.
    "googlenet-zoo": Preprocessing(
        colors="bgr", white=255.0, mean=(103.939, 116.779, 123.68), resize="square", resize_to=224
    ),
    # TensorFlow's Inception and MobileNet: x / 127.5 - 1.
    "inception": Preprocessing(white=255.0, mean=_SIGNED, std=_SIGNED, interpolation="area"),
    # The same for MobileNet at 128 pixels: the middle 7 eighths.
    "inception-128": Preprocessing(
        white=255.0, mean=_SIGNED, std=_SIGNED, resize_to=146, crop=128, interpolation="area"
    ),
    # EfficientNet-lite: (x - 127) / 128 of the middle 7 eighths.
    "efficientnet-lite": Preprocessing(white=255.0, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)),
}
"""What the well-known families were trained with, by name."""


def named_preset(name: str) -> Preprocessing:
    """Return a preset by its name; an unknown one is a `SettingsError` that lists those there are."""
    if name not in PRESETS:
        raise SettingsError(f"no preprocessing is named {name!r}; choose from {', '.join(PRESETS)}, or give its values")
    return PRESETS[name]


def apply(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Turn a picture into what a network wants to see, channels first.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB.
    preprocessing : Preprocessing

    Returns
    -------
    (3, crop, crop) float32

    Raises
    ------
    ValueError
        If the picture is not resized and smaller than the crop.
    """
    crop = preprocessing.crop
    picture = resized(image, preprocessing)
    return _to_tensor(_centre_crop(picture, crop), preprocessing)


def ten_crop(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return the four corners and the middle of a picture, each also mirrored (Krizhevsky et al. 2012, section 4.1).

    Returns
    -------
    (10, 3, crop, crop) float32
        Row 0 is what `apply` returns, row 5 its mirror image.
    """
    crop = preprocessing.crop
    picture = resized(image, preprocessing)
    middle = _centre_crop(picture, crop)
    height, width = picture.shape[:2]
    bottom, right = height - crop, width - crop
    corners = [picture[y : y + crop, x : x + crop] for y in (0, bottom) for x in (0, right)]
    views = np.stack([_to_tensor(view, preprocessing) for view in (middle, *corners)])
    return np.concatenate([views, views[..., ::-1]])


def centre_and_whole(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return what `apply` does and the whole picture squeezed into the square, each also mirrored.

    Returns
    -------
    (4, 3, crop, crop) float32
        Row 0 is what `apply` returns, row 2 its mirror image. Two rows if `apply` returns the whole squeezed picture.
    """
    squeezed = replace(preprocessing, resize="square", resize_to=preprocessing.crop)
    ways = [preprocessing] if squeezed == preprocessing else [preprocessing, squeezed]
    views = np.stack([apply(image, way) for way in ways])
    return np.concatenate([views, views[..., ::-1]])


def resized(image: Image, preprocessing: Preprocessing) -> Image:
    """Return a picture (H, W, 3) in the size that its crop is taken from, (h, w, 3) uint8."""
    height, width = image.shape[:2]
    size = _size_before_crop(height, width, preprocessing)
    if size == (height, width):
        return image
    if preprocessing.interpolation == "area":
        return resize_by_area(image, size)
    picture = PillowImage.fromarray(np.ascontiguousarray(image))
    method = _FILTERS[preprocessing.interpolation]
    if preprocessing.antialias:
        return np.asarray(picture.resize(size[::-1], method))
    # Pillow evaluates an affine transform at pixel centres, between the nearest pixels of the original.
    scale = (width / size[1], 0, 0, 0, height / size[0], 0)
    return np.asarray(picture.transform(size[::-1], PillowImage.Transform.AFFINE, scale, method))


def _size_before_crop(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Return (height, width) after resizing."""
    side = preprocessing.resize_to
    if preprocessing.resize == "none":
        return height, width
    if preprocessing.resize == "square":
        return side, side
    shorter = min(height, width)
    # torchvision rounds the longer side down; what resizes by areas keeps closest to the picture's shape.
    half = shorter // 2 if preprocessing.interpolation == "area" else 0
    return (height * side + half) // shorter, (width * side + half) // shorter


def _centre_crop(picture: Image, crop: int) -> Image:
    height, width = picture.shape[:2]
    if min(height, width) < crop:
        raise ValueError(f"the picture has {width} x {height} pixels; the network sees {crop} x {crop} of them")
    # round, as torchvision's CenterCrop does: it decides between two places where the margin is odd
    top, left = round((height - crop) / 2), round((width - crop) / 2)
    return picture[top : top + crop, left : left + crop]


def _to_tensor(picture: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return (3, h, w) float32: a line through grey and number for each channel."""
    channels = picture[..., ::-1] if preprocessing.colors == "bgr" else picture
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    grey = np.arange(256)[:, np.newaxis]
    # One number for each of 256 greys and each channel, computed in float64 and rounded once.
    table = ((grey * (preprocessing.white / 255) - mean) / std).astype(np.float32)
    tensor = np.empty((3, *picture.shape[:2]), np.float32)
    for c in range(3):
        np.take(table[:, c], channels[..., c], out=tensor[c], mode="clip")  # `clip` writes into `out` without a copy
    return tensor
