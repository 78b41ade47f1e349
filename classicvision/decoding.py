"""Decode the content of an image file: detect its format, check its size, return upright RGB.

Pillow decodes, since it reports the size of an image before decoding it. TIFF files that Pillow does not support
(float16, float64, several float channels) are decoded by tifffile. The format is detected from the first bytes of the
file, not from its name.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.BmpImagePlugin import BmpImageFile, DibImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from classicvision.errors import ImageReadError
from classicvision.files import PathLike

__all__ = ["MAX_PIXELS", "Image", "decode_image"]

Image: TypeAlias = NDArray[np.uint8]
"""An RGB image: a uint8 array of shape (height, width, 3)."""


MAX_PIXELS: Final = 178_956_970
"""Largest image read by default, in pixels: half a gigabyte as RGB. Pillow's own limit is the same."""

# The signature of each format and Pillow's decoder for it. The decoders are called directly because Image.open
# enforces a pixel limit that can only be changed for the whole process.
_DECODERS: Final[dict[str, tuple[re.Pattern[bytes], type[ImageFile]]]] = {
    "JPEG": (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    "GIF": (re.compile(rb"GIF8[79]a"), GifImageFile),
    "WebP": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    "TIFF": (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    "BMP": (re.compile(rb"BM"), BmpImageFile),
    "DIB": (re.compile(rb"[\x0c\x28\x6c\x7c]\0\0\0"), DibImageFile),
    "PNM": (re.compile(rb"P[1-6]\s"), PpmImageFile),
}

_ORIENTATION: Final = 0x0112

# How to bring each EXIF orientation upright (CIPA DC-008, tag 0x0112); 1 is upright already.
_UPRIGHT: Final[dict[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}

# tifffile's names for the layouts of a single image: grey, interleaved channels, planar channels.
_TIFF_AXES: Final = ("YX", "YXS", "SYX")
_TIFF_COLOURS: Final = (1, 2)  # black is zero; RGB
_TIFF_COMPRESSIONS: Final = (
    1,
    8,
    32946,
)  # none, and both codes of deflate; for any other tifffile needs imagecodecs
_TIFF_PREDICTORS: Final = (1, 2)  # none; horizontal differences


def decode_image(data: bytes, name: PathLike, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode the content of an image file.

    Parameters
    ----------
    data : bytes
        The whole file. Of a file with several images, the first is decoded.
    name : path
        What errors call the file.
    max_pixels : int
        Largest width x height that is accepted; checked before decoding.

    Returns
    -------
    (H, W, 3) uint8
        RGB, rotated upright by EXIF, alpha composited on white. 16-bit integers are scaled from 0..65535 to 0..255,
        floats within [0, 1] from 0..1. Any other range has no defined white and is stretched from its minimum to its
        maximum.

    Raises
    ------
    ImageReadError
        If `data` is not a complete image in a supported format, or has more than `max_pixels` pixels.
    """
    kind = _recognise(data, name)
    try:
        with _silence():
            pixels, orientation = _decode(data, name, kind, max_pixels)
    except ImageReadError:
        raise
    except PillowImage.DecompressionBombError as error:
        raise ImageReadError(name, f"Pillow refuses it as too large ({error}); shrink it") from error
    except Exception as error:  # on hostile bytes decoders raise errors that no documentation lists
        reason = f"is a damaged or truncated {kind} file ({error}); copy it again from its source"
        raise ImageReadError(name, reason) from error
    return np.ascontiguousarray(_UPRIGHT.get(orientation, np.asarray)(pixels), dtype=np.uint8)


def _recognise(data: bytes, name: PathLike) -> str:
    for kind, (signature, _) in _DECODERS.items():
        if signature.match(data):
            return kind
    # Text contains no zero bytes and binary data contains one early: grep and git distinguish the two in the same way.
    is_text = b"\0" not in data[:512]
    found = f"looks like text: {data[:16]!r}..." if is_text else f"begins with the bytes {data[:8].hex(' ')}"
    raise ImageReadError(name, f"is not a supported image ({found}); convert it to one of {', '.join(_DECODERS)}")


def _decode(data: bytes, name: PathLike, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Return the pixels in the order of the file, (H, W, 3), and their EXIF orientation."""
    try:
        decoder = _DECODERS[kind][1](io.BytesIO(data))
    except SyntaxError:  # Pillow's way to refuse a file it does not support
        if kind != "TIFF":
            raise
        return _decode_deep_tiff(data, name, max_pixels)
    with decoder:
        _check_size(name, decoder.size, max_pixels)
        decoder.load()
        return _to_rgb(decoder), _orientation(decoder)


def _check_size(name: PathLike, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        found = f"has {width} x {height} = {width * height:,} pixels"
        raise ImageReadError(name, f"{found}; the limit is {max_pixels:,}. Shrink it, or read with a larger max_pixels")


def _orientation(image: PillowImage.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # the pixels are fine even if EXIF is damaged, for which Pillow raises many kinds of error
        return 1


def _to_rgb(image: PillowImage.Image) -> NDArray[np.uint8]:
    if image.mode == "F" or image.mode.startswith("I"):
        return _repeat_grey(_to_uint8(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PillowImage.new("RGBA", image.size, "white")
        image = PillowImage.alpha_composite(white, image)
    # Pillow's RGB takes four bytes per pixel: a needless copy of a large image would double the memory.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _decode_deep_tiff(data: bytes, name: PathLike, max_pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Decode grey, RGB or RGBA of any bit depth; returns the same as `_decode`."""
    import tifffile  # takes 0.1 s to import and is rarely needed

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        _check_size(name, (page.imagewidth, page.imagelength), max_pixels)
        channels = page.samplesperpixel
        if page.axes not in _TIFF_AXES or page.photometric not in _TIFF_COLOURS or channels not in (1, 3, 4):
            found = f"a TIFF file with {channels} channel(s) of {page.dtype} in {page.axes} order"
            raise ImageReadError(name, f"is {found}; save it as grey, RGB or RGBA")
        if page.compression not in _TIFF_COMPRESSIONS or page.predictor not in _TIFF_PREDICTORS:
            reason = "is a TIFF file that is damaged or has an unsupported compression; save it uncompressed"
            raise ImageReadError(name, reason)
        pixels = page.asarray()
        tag = page.tags.get(_ORIENTATION)
        orientation = 1 if tag is None else tag.value
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim == 2:
        return _repeat_grey(_to_uint8(pixels)), orientation
    colours = PillowImage.fromarray(_to_uint8(pixels[:, :, :3]))
    if channels == 4:
        colours.putalpha(PillowImage.fromarray(_to_uint8(pixels[:, :, 3])))
    return _to_rgb(colours), orientation


def _repeat_grey(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale values of any real type to 0..255, as described in `decode_image`.

    NaN becomes black; infinities are clipped to the finite range.
    """
    if values.dtype == np.uint8:
        return values
    low, high = _finite_range(values)
    white = 1.0 if values.dtype.kind == "f" else 65535.0
    if low >= 0 and high <= white:
        low, high = 0.0, white
    spread = (high - low) or 1.0
    scaled = np.empty(values.shape, np.uint8)
    for row, levels in zip(scaled, values, strict=True):  # by rows: a large image in float64 would fill the memory
        levels = np.clip(levels.astype(np.float64), low, high)
        row[:] = np.nan_to_num((levels - low) / spread) * 255 + 0.5
    return scaled


def _finite_range(values: NDArray[Any]) -> tuple[float, float]:
    finite = np.isfinite(values)
    if not finite.any():
        return 0.0, 0.0
    kept = values[finite]
    return float(kept.min()), float(kept.max())


_silence_lock = threading.Lock()


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress the decoders' warnings and log messages: a file's problem is reported once, as an error.

    The filters apply to the whole process, so threads take turns; extraction runs in processes.
    """
    logs = [logging.getLogger(name) for name in ("PIL.TiffImagePlugin", "tifffile")]
    with _silence_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log in logs:
            log.addFilter(_drop)
        try:
            yield
        finally:
            for log in logs:
                log.removeFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False
