"""Dense SIFT: descriptors of upright patches on a regular grid, at several sizes (PHOW; Bosch et al. 2007).

Smooth regions such as walls, skies and faces yield few keypoints. A grid covers the whole image instead, which matters
more for classifying scenes and objects than repeatable positions do (Fei-Fei and Perona 2005).

`patches` is the reference in NumPy. The `native` engine is a compiled kernel with the same positions; where the patch
has contrast, fewer than 5 % of the descriptor bytes differ, by at most one. Both follow VLFeat's `vl_dsift` with its
flat window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from classicvision import _native
from classicvision._native import dense as native
from classicvision.config import require, validate
from classicvision.errors import SettingsError
from classicvision.features.descriptor import CELL, to_bytes
from classicvision.features.local import LocalFeatures
from classicvision.features.patches import describe_patches, first_cell
from classicvision.features.sift import require_rgb_or_gray
from classicvision.images import Image, enlarge, shrink, to_gray

__all__ = ["DenseSift"]

# Centres (N, 2), responses (N,), descriptors (N, 128), and the number of patches of each size.
Patches = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.uint8], list[int]]


@dataclass(frozen=True)
class DenseSift:
    """Settings of dense SIFT; calling them with an image returns `LocalFeatures`.

    The object keeps no state between images. All cells are centred within the image. Patches of different sizes share
    their centres if all sizes are even or all are odd; a larger size has fewer patches.

    Parameters
    ----------
    step : int, default 4
        Distance between neighbouring patches in pixels. Halving it gives four times as many descriptors, usually
        better accuracy and four times the time.
    bin_sizes : tuple of int, default (4, 6, 8, 10)
        Side of one of the 4 x 4 cells in pixels, one value per scale. Larger cells describe larger structures; more
        values add scale invariance and descriptors in proportion.
    contrast : float, default 0.01
        Discard patches with a smaller response. Larger values drop more of the smooth regions; 0 keeps every patch.
    magnification : float, default 6
        Cell side divided by the sigma of the blur that precedes the gradient: larger values blur less. An image is
        assumed to have a blur of 0.5 pixels already, so cells of up to half the magnification are not blurred.
    window : float, default 2
        Sigma of the Gaussian that weights the cells, in cells. Larger values weight outer cells more evenly. 2 is the
        default of `vl_dsift`, 1.5 that of PHOW.
    min_side : int, optional
        Enlarge an image whose longer side is shorter than this, in pixels.
    max_side : int, optional
        Shrink an image whose longer side is longer than this, in pixels. Equal values of `min_side` and `max_side`
        resize every image.
    enlarge : float, default 1
        Magnify every image by this factor first, but not beyond `max_side`. Larger values describe finer detail with
        the same cells, at a cost that grows with the square.
    engine : {"auto", "native", "reference"}, default "auto"
        Implementation. "auto" resolves to the fastest one installed as soon as the settings are created.

    Raises
    ------
    SettingsError
        If a value is out of range; the message names the field.

    References
    ----------
    .. [1] A. Bosch, A. Zisserman and X. Munoz, "Image classification using random forests and ferns", ICCV 2007.
           :DOI:`10.1109/ICCV.2007.4409066`
    .. [2] A. Vedaldi and B. Fulkerson, "VLFeat: an open and portable library of computer vision algorithms",
           ACM Multimedia 2010. :DOI:`10.1145/1873951.1874249`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import DenseSift, read_image
    >>> image = read_image("data/held-out/brick/00.jpg")
    >>> features = DenseSift(step=16, bin_sizes=(4,), contrast=0.0)(image)
    >>> np.unique(features.xy[:, 0])[:4]
    array([ 6., 22., 38., 54.], dtype=float32)
    >>> features.descriptors.shape[1]
    128
    """

    kind: ClassVar[str] = "dense-sift"
    version: ClassVar[int] = 1
    cacheable: ClassVar[bool] = False  # 148 bytes per patch: computing a grid again is faster than reading it from disk

    step: int = 4
    bin_sizes: tuple[int, ...] = (4, 6, 8, 10)
    contrast: float = 0.01
    magnification: float = 6.0
    window: float = 2.0
    min_side: int | None = None
    max_side: int | None = None
    enlarge: float = 1.0
    engine: Literal["auto", "native", "reference"] = "auto"

    def __post_init__(self) -> None:
        validate(self)
        if self.engine == "auto":
            object.__setattr__(self, "engine", "native" if _native.native_available() else "reference")
        most = native.MAX_BIN_SIZE
        require(1 <= self.step <= 1000, "step", self.step, "from 1 to 1000 pixels")
        is_good = bool(self.bin_sizes) and all(1 <= size <= most for size in self.bin_sizes)
        require(is_good, "bin_sizes", self.bin_sizes, f"one or more numbers from 1 to {most} pixels")
        require(len(set(self.bin_sizes)) == len(self.bin_sizes), "bin_sizes", self.bin_sizes, "different numbers")
        require(0 <= self.contrast <= 1, "contrast", self.contrast, "from 0 to 1")
        require(1 <= self.magnification <= 1e6, "magnification", self.magnification, "from 1 to 1000000")
        require(0.1 <= self.window <= 1e6, "window", self.window, "from 0.1 to 1000000 cells")
        for name in ("min_side", "max_side"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, value, "at least 1, or None for no limit")
        require(1 <= self.enlarge <= 16, "enlarge", self.enlarge, "from 1 to 16")
        if self.min_side is not None and self.max_side is not None and self.min_side > self.max_side:
            raise SettingsError(f"min_side is {self.min_side}; it must be at most max_side, {self.max_side}")

    def __call__(self, image: Image) -> LocalFeatures:
        """Describe the patches of an image.

        Parameters
        ----------
        image : (H, W, 3) or (H, W) uint8
            RGB or grey.

        Returns
        -------
        LocalFeatures
            In the frame of `image`, sorted by size in the order of `bin_sizes`, then row by row. `xy` has the centres
            of the patches and `scale` a third of the cell side, as for SIFT keypoints with cells of this size. `angle`
            is 0; `response` is the norm of the gradient histogram divided by the area of a cell, for grey values in
            [0, 1].

        Raises
        ------
        TypeError, ValueError
            If `image` is not a uint8 array of one of these shapes.
        SettingsError
            If the engine is "native" and the kernels are not installed.
        """
        gray = _as_sized_gray(image, self)
        xy, response, descriptors, counts = _ENGINES[self.engine](gray, self)
        features = LocalFeatures(
            xy=xy,
            scale=np.repeat(np.array(self.bin_sizes, np.float32) / np.float32(CELL), counts),
            angle=np.zeros(len(xy), np.float32),
            response=response,
            descriptors=descriptors,
            image_size=gray.shape,
        )
        return features.resized(image.shape[:2])

    def runnable(self) -> DenseSift:
        """Return these settings, with another engine if the kernels that they name are not installed."""
        is_missing = self.engine == "native" and not _native.native_available()
        return replace(self, engine="auto") if is_missing else self


def _describe_by_reference(gray: NDArray[np.uint8], settings: DenseSift) -> Patches:
    found = []
    for size, first in zip(settings.bin_sizes, _firsts(settings), strict=True):
        xy, histograms = describe_patches(
            gray,
            size,
            step=settings.step,
            first=first,
            magnification=settings.magnification,
            window=settings.window,
        )
        response = (np.linalg.norm(histograms, axis=1) / (size**2 * 255.0)).astype(np.float32)
        kept = response >= np.float32(settings.contrast)
        found.append((xy[kept], response[kept], to_bytes(histograms[kept])))
    xy, response, descriptors = (np.concatenate(column) for column in zip(*found, strict=True))
    return xy, response, descriptors, [len(part[0]) for part in found]


def _describe_by_native(gray: NDArray[np.uint8], settings: DenseSift) -> Patches:
    if not _native.native_available():
        raise SettingsError(
            "engine is 'native', but classicvision was installed without compiled kernels. Reinstall it with a C++17 "
            "compiler, or use engine='reference', which describes the same patches more slowly"
        )
    return native.describe_dense(
        gray,
        settings.bin_sizes,
        step=settings.step,
        first=_firsts(settings),
        magnification=settings.magnification,
        window=settings.window,
        contrast=settings.contrast,
    )


_ENGINES: Final[dict[str, Callable[[NDArray[np.uint8], DenseSift], Patches]]] = {
    "native": _describe_by_native,
    "reference": _describe_by_reference,
}


def _firsts(settings: DenseSift) -> list[int]:
    return [first_cell(size, max(settings.bin_sizes)) for size in settings.bin_sizes]


def _as_sized_gray(image: Image, settings: DenseSift) -> NDArray[np.uint8]:
    """Check an image and return it in grey, (h, w), resized as the settings say."""
    require_rgb_or_gray(image)
    sized = image if settings.max_side is None else shrink(image, settings.max_side)
    sized = enlarge(sized, _least_side(max(image.shape[:2]), settings))
    return np.ascontiguousarray(sized if sized.ndim == 2 else to_gray(sized))


def _least_side(longest: int, settings: DenseSift) -> int:
    """Return the longer side, in pixels, to which an image with a longer side of `longest` is enlarged at least."""
    target = max(round(longest * settings.enlarge), settings.min_side or 1)
    return target if settings.max_side is None else min(target, settings.max_side)
