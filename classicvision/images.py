"""Image files to arrays and back: one image type, and a reason for every file that cannot be used.

Whatever the file holds, what comes out is `Image`: uint8 RGB, upright (EXIF orientation applied), alpha composited on
white, 16-bit values scaled, grey repeated in three channels. Of a file with several pictures the first is read.

Pillow decodes, since it tells the size before it decodes. Files are told by their first bytes and not by their names.
"""

from __future__ import annotations

import io
import os
import secrets
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from classicvision.errors import ImageReadError, ImageWriteError

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "Image",
    "decode_image",
    "read_bytes",
    "read_image",
    "shrink",
    "to_gray",
    "write_image",
]

Image: TypeAlias = NDArray[np.uint8]
"""An RGB picture, (height, width, 3)."""

PathLike: TypeAlias = str | os.PathLike[str]

MAX_PIXELS: Final = 178_956_970
"""Largest image read by default, in pixels: as RGB it takes half a gigabyte. Pillow's own limit is the same."""

MAX_BYTES: Final = 2**31
"""Largest file read: the largest image with four uncompressed channels of 16 bits fits well."""

EXTENSIONS: Final = {
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The file name endings of images, in lower case, with the format that `write_image` gives each."""

# The first bytes of a file of each format, and Pillow's decoder for it. The decoders are called directly because
# Image.open adds a pixel limit of its own, which can only be changed for the whole process.
_DECODERS: Final[dict[str, tuple[tuple[bytes, ...], type[ImageFile]]]] = {
    "JPEG": ((b"\xff\xd8",), JpegImageFile),
    "PNG": ((b"\x89PNG",), PngImageFile),
    "GIF": ((b"GIF8",), GifImageFile),
    "WebP": ((b"RIFF",), WebPImageFile),
    "TIFF": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImageFile),
    "BMP": ((b"BM",), BmpImageFile),
    "PNM": ((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), PpmImageFile),
}

# What an EXIF orientation asks for (CIPA DC-008, tag 0x0112); 1 is upright.
_TURNS: Final[dict[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
_ORIENTATION: Final = 0x0112


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
        _check_regular(path, path.stat())
        data = path.read_bytes()
    except FileNotFoundError:
        reason = "is a link to a file that is gone" if path.is_symlink() else "there is no such file; check the path"
        raise ImageReadError(path, reason) from None
    except PermissionError:
        raise ImageReadError(path, "permission denied; make the file readable and try again") from None
    except (OSError, ValueError) as error:
        raise ImageReadError(path, f"cannot be read ({error})") from error
    if not data:
        raise ImageReadError(path, "is an empty file (0 bytes); copy it again from its source")
    return data


def decode_image(data: bytes, name: PathLike, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode the contents of an image file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : path
        Named in errors.
    max_pixels : int
        A larger picture is refused before it is decoded.

    Returns
    -------
    (H, W, 3) uint8
        RGB, upright.
    """
    kind = _recognise(data, name)
    try:
        with _quiet_pillow():
            pixels, orientation = _decode(data, name, kind, max_pixels)
    except ImageReadError:
        raise
    except Exception as error:  # decoders meet hostile bytes, and what they raise then is not documented
        raise ImageReadError(name, f"is a damaged {kind} file ({error}); copy it again from its source") from error
    return np.ascontiguousarray(_TURNS.get(orientation, np.asarray)(pixels), dtype=np.uint8)


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
    file_format = EXTENSIONS.get(path.suffix.lower())
    if file_format is None:
        raise ImageWriteError(path, f"{path.suffix!r} names no image format; use one of {', '.join(EXTENSIONS)}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageWriteError(path, f"{image.dtype} of shape {image.shape} is no image; uint8 (H, W, 3) is")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            PillowImage.fromarray(np.ascontiguousarray(image)).save(file, file_format, quality=95)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        raise ImageWriteError(path, f"cannot be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def to_gray(image: Image) -> NDArray[np.uint8]:
    """Return the luma of an (H, W, 3) RGB image as (H, W) uint8: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def shrink(image: Image, max_side: int) -> Image:
    """Reduce an image so that its longer side has at most max_side pixels; a smaller one is returned as it is.

    Each new pixel is the mean of the area it covers. The shorter side keeps at least one pixel.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= max_side:
        return image
    size = [max(1, round(side * max_side / longest)) for side in (width, height)]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _check_regular(path: Path, status: os.stat_result) -> None:
    """Refuse what cannot be read at once: opening a pipe would wait for ever."""
    if stat.S_ISDIR(status.st_mode):
        raise ImageReadError(path, "is a folder; give the files in it, or open it as a folder of images")
    if not stat.S_ISREG(status.st_mode):
        raise ImageReadError(path, "is no regular file but a device, pipe or socket; save the picture to a file first")
    if status.st_size > MAX_BYTES:
        raise ImageReadError(path, f"has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read")


def _recognise(data: bytes, name: PathLike) -> str:
    for kind, (signatures, _) in _DECODERS.items():
        if data.startswith(signatures):
            return kind
    found = "text" if data[:64].isascii() else f"data that begins with {data[:4].hex(' ')}"
    raise ImageReadError(name, f"holds {found} and no picture; {', '.join(_DECODERS)} can be read")


def _decode(data: bytes, name: PathLike, kind: str, max_pixels: int) -> tuple[NDArray[Any], int]:
    """Return the pixels as they lie in the file, (H, W, 3), and their EXIF orientation."""
    with _DECODERS[kind][1](io.BytesIO(data)) as picture:
        _check_size(name, picture.size, max_pixels)
        picture.load()
        return _to_rgb(picture), _orientation(picture)


def _check_size(name: PathLike, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        found = f"has {width} x {height} = {width * height:,} pixels"
        raise ImageReadError(name, f"{found}; the limit is {max_pixels:,}. Shrink it, or raise max_pixels")


def _orientation(picture: PillowImage.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block does not spoil the picture, and Pillow raises many kinds of errors for it
        return 1


def _to_rgb(picture: PillowImage.Image) -> NDArray[np.uint8]:
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = _to_uint8(np.asarray(picture))
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        white = PillowImage.new("RGBA", layer.size, "white")
        picture = PillowImage.alpha_composite(white, layer)
    return np.asarray(picture.convert("RGB"))


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring deep values to 0..255.

    Integers within 0..65535 are taken for 16 bits, floats within [0, 1] for shares of white. Others have no agreed
    white: their range is stretched. Not-a-number becomes black, infinities the ends of the finite range.
    """
    if values.dtype == np.uint8:
        return values
    levels = values.astype(np.float64)
    finite = levels[np.isfinite(levels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    white = 1.0 if values.dtype.kind == "f" else 65535.0
    if low >= 0 and high <= white:
        low, high = 0.0, white
    levels = np.nan_to_num(levels, nan=low, posinf=high, neginf=low)
    return np.asarray((levels - low) / (high - low) * 255 + 0.5, np.uint8)


_quiet_lock = threading.Lock()


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
