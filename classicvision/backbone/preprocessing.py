"""From an image to the input tensor of a network: the preprocessing, which an ONNX file does not state.

A network accepts any tensor of the right shape, so a wrong channel order or value range is a silent error: accuracy
drops and nothing fails. The preprocessing is therefore one frozen dataclass. It is part of every recipe with a network,
and so of cache keys, models and reports, and it is never guessed.

Images are resized with Pillow, whose filters widen when downsampling; networks are trained on images resized in this
way (torchvision does the same). OpenCV's bilinear resizing reads four pixels whatever the scale, which corresponds to
`antialias=False` here; its averaging over the area of each new pixel is `interpolation="area"`.
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

MAX_SIDE: Final = 4096  # pixels; the tensor of an image of this size takes 200 MB

_FILTERS: Final = {
    "nearest": PillowImage.Resampling.NEAREST,
    "bilinear": PillowImage.Resampling.BILINEAR,
    "bicubic": PillowImage.Resampling.BICUBIC,
    "lanczos": PillowImage.Resampling.LANCZOS,
}
_PLAIN_FILTERS: Final = ("nearest", "bilinear", "bicubic")  # available in Pillow without antialiasing


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a network: resize, crop, scale, subtract the mean, divide by the deviation.

    A pixel value x in 0..255 becomes ``(x * white / 255 - mean) / std``. Use the values that the network was trained
    with: a wrong one raises no error and costs accuracy. The layout, channels first or last, is read from the network.

    Parameters
    ----------
    colors : {"rgb", "bgr"}
        Order of the channels; networks trained with Caffe or OpenCV take BGR.
    white : float
        The value that 255 becomes before the mean is subtracted: 1 or 255 in most networks.
    mean, std : (float, float, float)
        Mean and standard deviation per channel, in the order of the channels and the range 0..`white`.
    resize : {"shorter-side", "square", "none"}
        What is resized to `resize_to` pixels: the shorter side, which keeps the aspect ratio; both sides, which
        distorts; or nothing.
    resize_to : int
        Pixels, at least `crop`. Larger values crop more of the border, so that the object in the centre is larger.
    crop : int
        Side of the centre square that is the input, in pixels. The network fixes it, or takes any: larger crops then
        show more detail and take quadratically more time.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "area"}
        The resampling filter; "area" averages over the area of each new pixel.
    antialias : bool
        Widen the filter when downsampling, as Pillow and torchvision do. False reads only the nearest pixels, as
        OpenCV does.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.

    Examples
    --------
    >>> from classicvision import Preprocessing, read_image
    >>> from classicvision.backbone.preprocessing import apply
    >>> inception = Preprocessing(white=255.0, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
    >>> tensor = apply(read_image("data/copies/library/cat.jpg"), inception)
    >>> tensor.shape, bool(tensor.min() >= -1), bool(tensor.max() <= 1)
    ((3, 224, 224), True, True)
    """

    colors: Literal["rgb", "bgr"] = "rgb"
    white: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resize: Literal["shorter-side", "square", "none"] = "shorter-side"
    resize_to: int = 256  # pixels
    crop: int = 224  # pixels
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "area"] = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        validate(self)
        require(0 < self.white <= 65535, "white", self.white, "above 0 and at most 65535")
        require(all(value > 0 for value in self.std), "std", self.std, "above 0 for each channel")
        require(1 <= self.crop <= MAX_SIDE, "crop", self.crop, f"from 1 to {MAX_SIDE} pixels")
        require(1 <= self.resize_to <= MAX_SIDE, "resize_to", self.resize_to, f"from 1 to {MAX_SIDE} pixels")
        if self.resize != "none" and self.resize_to < self.crop:
            raise SettingsError(f"resize_to is {self.resize_to}; it must be at least crop, which is {self.crop}")
        if not self.antialias and self.interpolation not in _PLAIN_FILTERS:
            raise SettingsError(
                f"antialias is False, which interpolation {self.interpolation!r} does not support; "
                f"use {' or '.join(_PLAIN_FILTERS)}"
            )


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_SIGNED: Final = (127.5, 127.5, 127.5)  # mean and standard deviation that map 0..255 to -1..1

PRESETS: Final[dict[str, Preprocessing]] = {
    # ResNet, VGG, DenseNet and most others of torchvision, and those of the model zoo described "as ResNet".
    "imagenet": Preprocessing(mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
    # Networks trained with Caffe: BGR in 0..255, minus the mean colour of ImageNet.
    "caffe": Preprocessing(colors="bgr", white=255.0, mean=(104.0, 117.0, 123.0), interpolation="area"),
    # GoogLeNet in the model zoo: the mean of VGG's authors, and the whole image squeezed into the square.
    "googlenet-zoo": Preprocessing(
        colors="bgr", white=255.0, mean=(103.939, 116.779, 123.68), resize="square", resize_to=224
    ),
    # TensorFlow's Inception and MobileNet: x / 127.5 - 1.
    "inception": Preprocessing(white=255.0, mean=_SIGNED, std=_SIGNED, interpolation="area"),
    # The same for MobileNet at 128 pixels: the central 7/8.
    "inception-128": Preprocessing(
        white=255.0, mean=_SIGNED, std=_SIGNED, resize_to=146, crop=128, interpolation="area"
    ),
    # EfficientNet-lite: (x - 127) / 128 of the central 7/8.
    "efficientnet-lite": Preprocessing(white=255.0, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)),
}
"""The preprocessing that well-known families of networks were trained with, by name."""


def named_preset(name: str) -> Preprocessing:
    """Return a preset by name; a `SettingsError` for an unknown name lists the presets."""
    if name not in PRESETS:
        raise SettingsError(f"unknown preprocessing {name!r}; choose from {', '.join(PRESETS)}, or give its values")
    return PRESETS[name]


def apply(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Convert an image to the input tensor of a network.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB.
    preprocessing : Preprocessing

    Returns
    -------
    (3, crop, crop) float32
        Channels first.

    Raises
    ------
    ValueError
        If the image is not resized and smaller than the crop.
    """
    whole = resized(image, preprocessing)
    return _to_tensor(_centre_crop(whole, preprocessing.crop), preprocessing)


def ten_crop(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return the centre and corner crops of an image and their horizontal flips (Krizhevsky et al. 2012, section 4.1).

    Returns
    -------
    (10, 3, crop, crop) float32
        Row 0 equals `apply`, row 5 its horizontal flip.
    """
    crop = preprocessing.crop
    whole = resized(image, preprocessing)
    height, width = whole.shape[:2]
    centre = _centre_crop(whole, crop)
    bottom, right = height - crop, width - crop
    corners = [whole[y : y + crop, x : x + crop] for y in (0, bottom) for x in (0, right)]
    views = np.stack([_to_tensor(view, preprocessing) for view in (centre, *corners)])
    return np.concatenate([views, views[..., ::-1]])


def centre_and_whole(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Return the centre crop and the whole image squeezed into a square, and their horizontal flips.

    Returns
    -------
    (4, 3, crop, crop) float32
        Row 0 equals `apply`, row 2 its horizontal flip. Two rows if `apply` squeezes the whole image already.
    """
    squeezed = replace(preprocessing, resize="square", resize_to=preprocessing.crop)
    ways = [preprocessing] if squeezed == preprocessing else [preprocessing, squeezed]
    views = np.stack([apply(image, way) for way in ways])
    return np.concatenate([views, views[..., ::-1]])


def resized(image: Image, preprocessing: Preprocessing) -> Image:
    """Resize an (H, W, 3) image to the size from which it is cropped, (h, w, 3) uint8."""
    height, width = image.shape[:2]
    size = _size_before_crop(height, width, preprocessing)
    if size == (height, width):
        return image
    if preprocessing.interpolation == "area":
        return resize_by_area(image, size)
    pillow = PillowImage.fromarray(np.ascontiguousarray(image))
    method = _FILTERS[preprocessing.interpolation]
    if preprocessing.antialias:
        return np.asarray(pillow.resize(size[::-1], method))
    # Pillow evaluates an affine transform at pixel centres, between the nearest pixels of the original.
    scale = (width / size[1], 0, 0, 0, height / size[0], 0)
    return np.asarray(pillow.transform(size[::-1], PillowImage.Transform.AFFINE, scale, method))


def _size_before_crop(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """Return (height, width) after resizing."""
    side = preprocessing.resize_to
    if preprocessing.resize == "none":
        return height, width
    if preprocessing.resize == "square":
        return side, side
    shorter = min(height, width)
    # torchvision rounds the longer side down; area averaging rounds to the nearest aspect ratio.
    half = shorter // 2 if preprocessing.interpolation == "area" else 0
    return (height * side + half) // shorter, (width * side + half) // shorter


def _centre_crop(image: Image, crop: int) -> Image:
    height, width = image.shape[:2]
    if min(height, width) < crop:
        raise ValueError(
            f"the image has {width} x {height} pixels; the network takes {crop} x {crop}. Use larger images"
        )
    # Python's round, to even, as in torchvision's CenterCrop: at an odd margin two positions are equally central.
    top, left = round((height - crop) / 2), round((width - crop) / 2)
    return image[top : top + crop, left : left + crop]


def _to_tensor(image: Image, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Normalise an (h, w, 3) image to (3, h, w) float32."""
    channels = image[..., ::-1] if preprocessing.colors == "bgr" else image
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    level = np.arange(256)[:, np.newaxis]
    # A table of the result for each of 256 levels and each channel, computed in float64 and rounded once.
    table = ((level * (preprocessing.white / 255) - mean) / std).astype(np.float32)
    tensor = np.empty((3, *image.shape[:2]), np.float32)
    for c in range(3):
        np.take(table[:, c], channels[..., c], out=tensor[c], mode="clip")  # `clip` writes into `out` without a copy
    return tensor
