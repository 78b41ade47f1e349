"""Synthetic copies: edits that plagiarists apply to images, after those of Copydays (Jegou, Douze and Schmid 2008).

`EDITS` lists them by name. An edit takes an image, a random generator and other images (for collages), and returns the
copy and the transform from the image to the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.errors import SettingsError
from classicvision.images import Image
from classicvision.synthetic import retouch, warps
from classicvision.synthetic.warps import Copy

__all__ = ["EDITS", "Edit", "plagiarise"]

Edit: TypeAlias = Callable[[Image, np.random.Generator, Sequence[Image]], Copy]


def plagiarise(
    image: Image, edit: str, rng: np.random.Generator, *, others: Sequence[Image] = ()
) -> tuple[Image, NDArray[np.float64]]:
    """Make a copy of an image by one of `EDITS`.

    Parameters
    ----------
    image : (H, W, 3) uint8
        At least 16 pixels high and wide.
    edit : str
        A name in `EDITS`.
    rng : numpy.random.Generator
        Chooses positions, angles, colours and words.
    others : sequence of (H, W, 3) uint8
        Other images for a collage; drawn textures replace missing ones if there are fewer than three.

    Returns
    -------
    copy : (H, W, 3) uint8
    b_from_a : (3, 3) float64
        Maps points of the image to the copy as column vectors (x, y, 1), in pixels with pixel centres at integers.

    Raises
    ------
    SettingsError
        If the name is not in `EDITS`, or the image is too small.
    """
    if edit not in EDITS:
        raise SettingsError(f"edit is {edit!r}; it must be one of {', '.join(EDITS)}")
    if min(image.shape[:2]) < MIN_SIDE:
        raise SettingsError(f"the image is {image.shape[1]} x {image.shape[0]}; edits need {MIN_SIDE} pixels per side")
    return EDITS[edit](image, rng, others)


MIN_SIDE: Final = 16


def _moved(warp: Callable[..., Copy], **settings: Any) -> Edit:
    """Turn a warp into an edit; the other images are not used."""
    return lambda image, rng, others: warp(image, rng, **settings)


def _retouched(change: Callable[..., Image], **settings: Any) -> Edit:
    """Turn a retouching function into an edit with the identity transform."""
    return lambda image, rng, others: (change(image, rng, **settings), np.eye(3))


def _chain(*edits: Edit) -> Edit:
    """Chain several edits."""

    def edit(image: Image, rng: np.random.Generator, others: Sequence[Image]) -> Copy:
        copy, b_from_a = image, np.eye(3)
        for step in edits:
            copy, step_b_from_a = step(copy, rng, others)
            b_from_a = step_b_from_a @ b_from_a
        return copy, b_from_a / b_from_a[2, 2]

    return edit


_JPEG: Final = partial(_retouched, retouch.compress)

# Three plagiarists: one photographs a print, one reposts the image on a web page, one disguises it.
_STRONG: Final[dict[str, Edit]] = {
    "strong-photographed": _chain(
        _moved(warps.add_frame),
        _moved(warps.perspective, strength=0.2),
        _retouched(retouch.blur, sigma=1.0),
        _retouched(retouch.change_gamma, gamma=1.4),
        _retouched(retouch.add_noise, sigma=6),
        _JPEG(quality=40),
    ),
    "strong-reposted": _chain(
        _moved(warps.crop, share=0.6),
        _retouched(retouch.add_text),
        _moved(warps.screenshot),
        _moved(warps.rescale, factor=0.8),
        _JPEG(quality=30),
    ),
    "strong-disguised": _chain(
        _moved(warps.symmetry, name="mirror"),
        _moved(warps.rotate, trim=True),
        _retouched(retouch.change_gamma, gamma=0.7),
        _retouched(retouch.add_logo),
        _JPEG(quality=20),
    ),
}

EDITS: Final[dict[str, Edit]] = {
    **{f"crop-{kept}": _moved(warps.crop, share=kept / 100) for kept in (90, 80, 70, 50, 40, 30, 20, 10)},
    **{f"jpeg-{quality}": _JPEG(quality=quality) for quality in (90, 75, 50, 40, 30, 15, 10, 5)},
    **{f"scale-{factor:g}": _moved(warps.rescale, factor=factor) for factor in (0.25, 0.5, 0.75, 1.5, 2)},
    "rotate": _moved(warps.rotate),
    "rotate-10": _moved(warps.rotate, degrees=10),
    "rotate-trim": _moved(warps.rotate, trim=True),
    **{name: _moved(warps.symmetry, name=name) for name in warps.SYMMETRIES},
    "perspective-mild": _moved(warps.perspective, strength=0.1),
    "perspective-strong": _moved(warps.perspective, strength=0.25),
    **{f"gamma-{gamma:g}": _retouched(retouch.change_gamma, gamma=gamma) for gamma in (0.5, 2)},
    **{f"blur-{sigma:g}": _retouched(retouch.blur, sigma=sigma) for sigma in (1, 2, 3)},
    **{f"noise-{sigma}": _retouched(retouch.add_noise, sigma=sigma) for sigma in (10, 25)},
    "inverted": _retouched(retouch.invert),
    "text": _retouched(retouch.add_text),
    "caption": _retouched(retouch.add_caption),
    "logo": _retouched(retouch.add_logo),
    "frame": _moved(warps.add_frame),
    "screenshot": _moved(warps.screenshot),
    "collage": warps.collage,
    **_STRONG,
}
"""Edits by name. Numbers are the percentage of the area that a crop keeps, the JPEG quality, the scale factor,
the gamma, and the sigma of a blur in pixels or of noise in grey levels."""
