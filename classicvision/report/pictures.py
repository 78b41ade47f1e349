"""Pictures inside a page: small copies of images as data URIs."""

from __future__ import annotations

import base64
import io
import os

from PIL import Image as PillowImage

from classicvision.errors import ImageReadError
from classicvision.images import read_image, shrink

__all__ = ["thumbnail"]

QUALITY = 80  # of JPEG; a thumbnail of 200 pixels then takes about 8 kB


def thumbnail(path: str | os.PathLike[str], max_side: int = 200) -> str | None:
    """Return a small copy of an image file as the data URI of a JPEG, or None if it can no longer be read.

    Parameters
    ----------
    path : path
    max_side : int
        Longest side, in pixels.
    """
    try:
        image = shrink(read_image(path), max_side)
    except ImageReadError:
        return None
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
