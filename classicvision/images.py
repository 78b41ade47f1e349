"""Image files to arrays and back: one image type, and a reason for every file that cannot be used.

Whatever a file holds, what comes out is `Image`: uint8 RGB, upright (EXIF orientation applied), alpha composited on
white, 16-bit values scaled, grey repeated in three channels.
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
from classicvision.files import PathLike, write_whole

__all__ = [
    "MAX_PIXELS",
    "Image",
    "decode_image",
    "enlarge",
    "read_bytes",
    "read_image",
    "resize_by_area",
    "shrink",
    "to_gray",
    "write_image",
]

LIBRARIES: Final = f"opencv {cv2.__version__} pillow {PIL.__version__}"
"""What decodes images and computes on them. Other releases may differ in the last bit, so cache keys name these."""

MAX_BYTES: Final = 2**31
"""Largest file read: the largest image with four uncompressed channels of 16 bits fits well."""

# Pillow's options for each ending that can be written; no format that would turn colours to grey or to a palette.
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
    """Read an image file.

    Parameters
    ----------
    path : path
    max_pixels : int
        A larger picture is refused before it is decoded.

    Returns
    -------
    (H, W, 3) uint8
        RGB, upright.

    Raises
    ------
    ImageReadError
        If there is no such file, or it holds no whole picture of a known format.
    """
    return decode_image(read_bytes(path), path, max_pixels=max_pixels)


def read_bytes(path: PathLike) -> bytes:
    """Return what an image file holds; anything but a regular, non-empty file is an `ImageReadError`."""
    path = Path(path)
    try:
        reason = _reason_to_refuse(path.stat())
        data = b"" if reason else path.read_bytes()
    except FileNotFoundError:
        reason = "is a link to a file that is gone" if path.is_symlink() else "there is no such file; check the path"
    except PermissionError:
        reason = "permission denied; make the file readable and try again"
    except (OSError, ValueError) as error:  # ValueError for a path with a zero byte
        reason = f"cannot be read ({error})"
    if reason:
        raise ImageReadError(path, reason)
    return data


def write_image(path: PathLike, image: Image) -> None:
    """Write an image in the format that the ending of the path names, whole or not at all.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    image : (H, W, 3) uint8
        RGB.

    Raises
    ------
    ImageWriteError
    """
    path = Path(path)
    options = _WRITERS.get(path.suffix.lower())
    if options is None:
        raise ImageWriteError(path, f"{path.suffix!r} names no format for pictures; use one of {', '.join(_WRITERS)}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageWriteError(path, f"{image.dtype} of shape {image.shape} is no image; uint8 (H, W, 3) is")
    encoded = io.BytesIO()
    try:
        PillowImage.fromarray(np.ascontiguousarray(image)).save(encoded, **options)
        write_whole(path, [encoded.getbuffer()])
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageWriteError(path, f"cannot be written ({reason})") from error


def to_gray(image: Image) -> NDArray[np.uint8]:
    """Return the luma of an (H, W, 3) RGB image as (H, W) uint8: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def shrink(image: Image, max_side: int) -> Image:
    """Reduce an image so that its longer side has at most max_side pixels; a smaller one is returned as it is.

    Each new pixel is the mean of the area it covers. The shorter side keeps at least one pixel.
    """
    if max_side < 1:
        raise SettingsError(f"max_side is {max_side}; an image has at least 1 pixel")
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= max_side:
        return image
    new_height, new_width = (max(1, round(side * max_side / longest)) for side in (height, width))
    return resize_by_area(image, (new_height, new_width))


def resize_by_area(image: Image, size: tuple[int, int]) -> Image:
    """Return an image in another size (height, width); each new pixel is the mean of what it covers if that is more."""
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def enlarge(image: Image, min_side: int) -> Image:
    """Magnify an image so that its longer side has at least min_side pixels; a larger one is returned as it is.

    Each new pixel is interpolated linearly between the nearest old ones.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest >= min_side:
        return image
    size = [max(1, round(side * min_side / longest)) for side in (width, height)]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _reason_to_refuse(status: os.stat_result) -> str:
    """Return why a file cannot be read as it is, or nothing. Opening a pipe would wait for ever, so look first."""
    if stat.S_ISDIR(status.st_mode):
        return "is a folder; give the files in it, or open it as a folder of images"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file but a device, pipe or socket; save the picture to a file first"
    if status.st_size == 0:
        return "is an empty file (0 bytes); copy it again from its source"
    if status.st_size > MAX_BYTES:
        return f"has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read"
    return ""
