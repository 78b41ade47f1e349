"""The contents of an image file to pixels: which format it is, how large, and the picture as upright RGB.

Pillow decodes, since it tells the size before it decodes. TIFF files of kinds that Pillow refuses (float16, float64,
several channels of float) go through tifffile. Formats are told by the first bytes of a file and not by its name.
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
"""An RGB picture, (height, width, 3)."""


MAX_PIXELS: Final = 178_956_970
"""Largest image read by default, in pixels; as RGB it takes half a gigabyte. Pillow's own limit is the same."""

# The first bytes of each format, and Pillow's decoder for it. The decoders are called directly because Image.open
# has a pixel limit of its own that can only be changed for the whole process.
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

# What each EXIF orientation asks for (CIPA DC-008, tag 0x0112); 1 is upright.
_TURNS: Final[dict[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}

# What tifffile calls the layouts that hold one picture: grey, channels together, channels one after the other.
_TIFF_AXES: Final = ("YX", "YXS", "SYX")
_TIFF_COLOURS: Final = (1, 2)  # black is zero; RGB
_TIFF_COMPRESSIONS: Final = (
    1,
    8,
    32946,
)  # none; deflate under both of its numbers. For more, tifffile needs imagecodecs
_TIFF_PREDICTORS: Final = (1, 2)  # none; horizontal differences


def decode_image(data: bytes, name: PathLike, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode the contents of an image file.

    Parameters
    ----------
    data : bytes
        The whole file. Of several pictures in it the first is read.
    name : path
        Named in errors.
    max_pixels : int
        A larger picture is refused before it is decoded.

    Returns
    -------
    (H, W, 3) uint8
        RGB, upright by EXIF, alpha composited on white. Integers of 16 bits are scaled. Floats within [0, 1] are taken
        as shares of white; other ranges have no agreed white and are stretched from least to greatest.

    Raises
    ------
    ImageReadError
        If `data` is no whole picture of a known format, or is larger than allowed.
    """
    kind = _recognise(data, name)
    try:
        with _silence():
            pixels, orientation = _decode(data, name, kind, max_pixels)
    except ImageReadError:
        raise
    except PillowImage.DecompressionBombError as error:
        raise ImageReadError(name, f"is refused by Pillow as too large ({error})") from error
    except Exception as error:  # decoders meet hostile bytes, and what they raise then is not documented
        reason = f"is a damaged or cut-off {kind} file ({error}); copy it again from its source"
        raise ImageReadError(name, reason) from error
    return np.ascontiguousarray(_TURNS.get(orientation, np.asarray)(pixels), dtype=np.uint8)


def _recognise(data: bytes, name: PathLike) -> str:
    for kind, (signature, _) in _DECODERS.items():
        if signature.match(data):
            return kind
    # Text has no zero bytes, and pictures have one early: the test by which grep and git tell them apart.
    found = f"data that begins with {data[:8].hex(' ')}" if b"\0" in data[:512] else f"text ({data[:16]!r}...)"
    raise ImageReadError(
        name, f"holds {found} and no picture that is known; convert it to one of {', '.join(_DECODERS)}"
    )


def _decode(data: bytes, name: PathLike, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Return the pixels as they lie in the file, (H, W, 3), and their EXIF orientation."""
    try:
        picture = _DECODERS[kind][1](io.BytesIO(data))
    except SyntaxError:  # so Pillow refuses a file that it does not know
        if kind != "TIFF":
            raise
        return _decode_deep_tiff(data, name, max_pixels)
    with picture:
        _check_size(name, picture.size, max_pixels)
        picture.load()
        return _to_rgb(picture), _orientation(picture)


def _check_size(name: PathLike, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        found = f"has {width} x {height} = {width * height:,} pixels"
        raise ImageReadError(name, f"{found}; the limit is {max_pixels:,}. Shrink it, or read with a larger max_pixels")


def _orientation(picture: PillowImage.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block does not spoil the picture, and Pillow raises many kinds of error for it
        return 1


def _to_rgb(picture: PillowImage.Image) -> NDArray[np.uint8]:
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _repeat_grey(_to_uint8(np.asarray(picture)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PillowImage.new("RGBA", picture.size, "white")
        picture = PillowImage.alpha_composite(white, picture)
    # Pillow's RGB takes four bytes a pixel: a copy of a large picture for nothing would be half of all memory used.
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _decode_deep_tiff(data: bytes, name: PathLike, max_pixels: int) -> tuple[NDArray[np.uint8], int]:
    """Return what `_decode` returns, for grey, RGB and RGBA of any number of bits."""
    import tifffile  # a tenth of a second, and seldom needed

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        _check_size(name, (page.imagewidth, page.imagelength), max_pixels)
        channels = page.samplesperpixel
        if page.axes not in _TIFF_AXES or page.photometric not in _TIFF_COLOURS or channels not in (1, 3, 4):
            found = f"a TIFF file of {channels} channel(s) of {page.dtype} in {page.axes} order"
            raise ImageReadError(name, f"is {found}; save it as grey, RGB or RGBA")
        if page.compression not in _TIFF_COMPRESSIONS or page.predictor not in _TIFF_PREDICTORS:
            raise ImageReadError(name, "is a TIFF file, damaged or packed in an unknown way; save it uncompressed")
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
    """Bring values of any real type to 0..255, as `decode_image` describes.

    Not-a-number becomes black, the infinities become the ends of the finite range.
    """
    if values.dtype == np.uint8:
        return values
    low, high = _finite_range(values)
    white = 1.0 if values.dtype.kind == "f" else 65535.0
    if low >= 0 and high <= white:
        low, high = 0.0, white
    spread = (high - low) or 1.0
    scaled = np.empty(values.shape, np.uint8)
    for row, levels in zip(scaled, values, strict=True):  # by rows: a large picture in float64 would fill the memory
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
    """Keep the decoders' warnings and logs to ourselves: what is wrong with a file is said in one error.

    The filters belong to the whole process, so threads take turns; extraction runs in processes.
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
