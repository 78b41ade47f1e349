"""Read and write images: one array type for every file format, and a reason for every file that cannot be read.

Every file is decoded to an `Image`: uint8 RGB, upright (EXIF orientation applied), alpha composited on white, 16-bit
values scaled to 8 bits, grey repeated in three channels.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image as PillowImage

from classicvision.decoding import MAX_PIXELS, Image, decode_image
from classicvision.errors import ImageReadError, ImageWriteError, SettingsError
from classicvision.files import PathLike, write_atomically

__all__ = [
    "MAX_PIXELS",
    "Image",
    "decode_image",
    "enlarge",
    "read_bytes",
    "read_image",
    "resize_by_area",
    "sample",
    "shrink",
    "to_gray",
    "write_image",
]

LIBRARIES: Final = f"opencv {cv2.__version__} pillow {PIL.__version__}"
"""The libraries that decode and resize images. Cache keys name them: other releases may differ in the last bit."""

MAX_BYTES: Final = 2**31
"""Largest file read, in bytes; an uncompressed 16-bit RGBA image of `MAX_PIXELS` fits."""

# Pillow's options by file extension. Formats that would reduce colours to grey or to a palette are missing on purpose.
_WRITERS: Final[dict[str, dict[str, Any]]] = {
    ".bmp": {"format": "BMP"},
    ".jpeg": {"format": "JPEG", "quality": 95},
    ".jpg": {"format": "JPEG", "quality": 95},
    ".png": {"format": "PNG"},
    ".ppm": {"format": "PPM"},
    ".tif": {"format": "TIFF"},
    ".tiff": {"format": "TIFF"},
    ".webp": {"format": "WEBP", "quality": 95},
}


def read_image(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Read an image file as upright 8-bit RGB.

    Parameters
    ----------
    path : path
        A JPEG, PNG, GIF, WebP, TIFF, BMP or PNM file. The format is detected from the content, whatever the extension.
        Of a file with several images, the first is read.
    max_pixels : int
        Largest width x height that is accepted. The size is checked before decoding, so a decompression bomb costs no
        memory. A larger limit admits larger images; decoding one takes 3 bytes per pixel.

    Returns
    -------
    (H, W, 3) uint8
        RGB, rotated upright by its EXIF orientation, alpha composited on white.

    Raises
    ------
    ImageReadError
        If the file does not exist, cannot be read, is not a supported image, is damaged or cut short, or has more than
        `max_pixels` pixels.

    Examples
    --------
    >>> from classicvision import read_image
    >>> image = read_image("data/copies/library/cat.jpg")
    >>> image.shape, image.dtype.name
    ((213, 320, 3), 'uint8')
    """
    return decode_image(read_bytes(path), path, max_pixels=max_pixels)


def read_bytes(path: PathLike) -> bytes:
    """Return the content of an image file; anything but a regular, non-empty file raises `ImageReadError`."""
    path = Path(path)
    try:
        reason = _reason_to_refuse(path.stat())
        data = b"" if reason else path.read_bytes()
    except FileNotFoundError:
        reason = "is a dangling link" if path.is_symlink() else "there is no such file; check the path"
    except PermissionError:
        reason = "permission denied; make the file readable and try again"
    except (OSError, ValueError) as error:  # ValueError for a path with a zero byte
        reason = f"cannot be read ({error})"
    if reason:
        raise ImageReadError(path, reason)
    return data


def write_image(path: PathLike, image: Image) -> None:
    """Write an image in the format given by the file extension; an interrupted write leaves no partial file.

    Parameters
    ----------
    path : path
        The extension selects the format: ``.bmp``, ``.jpg``, ``.jpeg``, ``.png``, ``.ppm``, ``.tif``, ``.tiff`` or
        ``.webp``. JPEG and WebP are written at quality 95, the others are lossless. An existing file is replaced.
    image : (H, W, 3) uint8
        RGB.

    Raises
    ------
    ImageWriteError
        If the extension is not one of those, the array is not an image, or the file cannot be written.

    Examples
    --------
    >>> from classicvision import read_image, shrink, write_image
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> image = read_image("data/copies/library/cat.jpg")
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "thumbnail.png"
    ...     write_image(path, shrink(image, 64))
    ...     read_image(path).shape
    (43, 64, 3)
    """
    path = Path(path)
    options = _WRITERS.get(path.suffix.lower())
    if options is None:
        raise ImageWriteError(path, f"unsupported file extension {path.suffix!r}; use one of {', '.join(_WRITERS)}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        found = f"an array of {image.dtype} with shape {image.shape}"
        raise ImageWriteError(path, f"{found} is not an image; expected uint8 of shape (H, W, 3), not empty")
    encoded = io.BytesIO()
    try:
        PillowImage.fromarray(np.ascontiguousarray(image)).save(encoded, **options)
        write_atomically(path, [encoded.getbuffer()])
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageWriteError(path, f"cannot be written ({reason})") from error


def to_gray(image: Image) -> NDArray[np.uint8]:
    """Convert an RGB image to grey: the luma 0.299 R + 0.587 G + 0.114 B of ITU-R BT.601.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB.

    Returns
    -------
    (H, W) uint8
        Rounded to whole grey levels, 0 for black to 255 for white.

    Examples
    --------
    >>> from classicvision import read_image, to_gray
    >>> to_gray(read_image("data/copies/library/cat.jpg")).shape
    (213, 320)
    """
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def shrink(image: Image, max_side: int) -> Image:
    """Downsample an image so that its longer side has at most `max_side` pixels; smaller images are returned unchanged.

    Each new pixel is the mean of the area it covers, so fine texture does not alias.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB.
    max_side : int
        Length of the longer side of the result, in pixels. Larger values keep more detail and make everything that
        follows slower. The shorter side keeps the aspect ratio, and at least one pixel.

    Returns
    -------
    (h, w, 3) uint8
        With max(h, w) <= `max_side`. The input itself, not a copy, if it is small enough.

    Raises
    ------
    SettingsError
        If `max_side` is less than 1.

    Examples
    --------
    >>> from classicvision import read_image, shrink
    >>> image = read_image("data/copies/library/cat.jpg")
    >>> image.shape, shrink(image, 200).shape
    ((213, 320, 3), (133, 200, 3))
    """
    if max_side < 1:
        raise SettingsError(f"max_side is {max_side}; it must be at least 1 pixel")
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= max_side:
        return image
    new_height, new_width = (max(1, round(side * max_side / longest)) for side in (height, width))
    return resize_by_area(image, (new_height, new_width))


def resize_by_area(image: Image, size: tuple[int, int]) -> Image:
    """Resize an image to (height, width). Along a side that shrinks, each new pixel is the mean of what it covers."""
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def sample(image: NDArray[np.uint8], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values of an image at points, interpolated bilinearly to 1/32 of a pixel.

    Parameters
    ----------
    image : (H, W) or (H, W, C) uint8
        With sides below 32,768 pixels.
    x, y : (h, w) float32
        Positions in pixels. Points outside get the value of the nearest pixel.

    Returns
    -------
    (h, w) or (h, w, C) float32
    """
    sampled = cv2.remap(image.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)


def enlarge(image: Image, min_side: int) -> Image:
    """Upsample an image bilinearly so that its longer side has at least `min_side` pixels.

    Larger images are returned unchanged.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest >= min_side:
        return image
    size = [max(1, round(side * min_side / longest)) for side in (width, height)]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _reason_to_refuse(status: os.stat_result) -> str:
    """Return why a file cannot be read, or "". Checked before opening, since opening a pipe would block for ever."""
    if stat.S_ISDIR(status.st_mode):
        return "is a folder; expected an image file"
    if not stat.S_ISREG(status.st_mode):
        return "is a device, pipe or socket; save the image to a regular file first"
    if status.st_size == 0:
        return "is an empty file (0 bytes); copy it again from its source"
    if status.st_size > MAX_BYTES:
        return f"has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read"
    return ""
