"""Dense SIFT: descriptors of upright patches on a regular grid, at several sizes (PHOW; Bosch et al. 2007).

Where keypoints are few or far between, as on walls, skies and faces, a grid describes the whole picture; for telling
scenes and objects apart that is worth more than repeatable places (Fei-Fei and Perona 2005).

`patches` is the reference, in NumPy. The `native` engine is the same in a compiled kernel: equal positions, bytes that
differ by one at most, and that in less than one place in twenty, wherever there is contrast to describe. Both follow
VLFeat's `vl_dsift` with its flat window.
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
from classicvision.features.sift import require_picture
from classicvision.images import Image, enlarge, shrink, to_gray

__all__ = ["DenseSift"]

# Centres (N, 2), responses (N,), descriptors (N, 128), and how many there are of each size.
Patches = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.uint8], list[int]]


@dataclass(frozen=True)
class DenseSift:
    """Settings of dense SIFT; called with a picture, it returns `LocalFeatures`. It keeps nothing between two pictures.

    The cells of all patches are centred within the picture. Patches of different sizes share their centres if all sizes
    are even or all are odd; larger patches then stand on fewer of them.

    Raises
    ------
    SettingsError
        For a value out of range; the message names the field.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    >>> features = DenseSift(step=8, bin_sizes=(4,), contrast=0.0)(ramp)
    >>> np.unique(features.xy[:, 0])
    array([ 6., 14., 22., 30., 38., 46., 54.], dtype=float32)
    """

    kind: ClassVar[str] = "dense-sift"
    version: ClassVar[int] = 1
    cacheable: ClassVar[bool] = False  # 148 bytes a patch: a grid is made again sooner than written and read

    step: int = 4  # from one patch to the next, in pixels
    bin_sizes: tuple[int, ...] = (4, 6, 8, 10)  # side of one of the 4 x 4 cells, in pixels, a scale each
    contrast: float = 0.01  # patches of a smaller response are left out; 0 keeps all
    magnification: float = 6.0  # side of a cell over the sigma of the blur before; from 2 cells on there is none
    window: float = 2.0  # sigma of the weights of the cells, in cells; `vl_dsift` has 2, PHOW 1.5
    min_side: int | None = None  # enlarge a picture whose longer side is shorter to this first, in pixels
    max_side: int | None = None  # shrink a picture whose longer side is longer to this first; both alike: always resize
    enlarge: float = 1.0  # magnify a picture by this factor first, but not beyond max_side
    engine: Literal["auto", "native", "reference"] = "auto"  # auto: the fastest here, named from then on

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
        """Describe the patches of a picture.

        Parameters
        ----------
        image : (H, W, 3) or (H, W) uint8
            RGB or grey.

        Returns
        -------
        LocalFeatures
            In the frame of `image`: the sizes in the order of the settings, each row by row. `xy` are the centres of
            the patches, `scale` is that of a SIFT keypoint with cells of this size, a third of it, `angle` is 0 and
            `response` the norm of the histogram over the area of a cell, for grey values in [0, 1].
        """
        gray = _analysed(image, self)
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
        """Return these settings with an engine that this installation has: themselves, as a rule."""
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
            "engine is 'native', but classicvision was installed without compiled kernels. Install it where there is a "
            "C++17 compiler, or use engine='reference', which describes the same patches more slowly"
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


def _analysed(image: Image, settings: DenseSift) -> NDArray[np.uint8]:
    """Check a picture and return it in grey, (h, w), resized as the settings say."""
    require_picture(image)
    sized = image if settings.max_side is None else shrink(image, settings.max_side)
    sized = enlarge(sized, _least_side(max(image.shape[:2]), settings))
    return np.ascontiguousarray(sized if sized.ndim == 2 else to_gray(sized))


def _least_side(longest: int, settings: DenseSift) -> int:
    """Return the least longer side, in pixels, at which a picture is described whose longer side is `longest`."""
    wanted = max(round(longest * settings.enlarge), settings.min_side or 1)
    return wanted if settings.max_side is None else min(wanted, settings.max_side)
