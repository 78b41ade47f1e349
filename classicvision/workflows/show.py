"""``show``: every step of SIFT on one image, as a drawing."""

from __future__ import annotations

from classicvision.features.sift import Sift
from classicvision.files import PathLike
from classicvision.images import read_image

__all__ = ["show"]


def show(image: PathLike, output: PathLike, *, sift: Sift | None = None) -> int:
    """Draw every step of SIFT on one image as a sheet, and return the number of keypoints.

    Parameters
    ----------
    image : path
    output : path
        A .png, .pdf or .svg file to write.
    sift : Sift, optional
        Settings that differ from the defaults.
    """
    from classicvision.viz import write_sift_steps

    return write_sift_steps(output, read_image(image), sift)
