"""SIFT: from a picture to its keypoints and their descriptors (Lowe 2004), with a choice of engines.

The `reference` engine is the four steps of the paper in NumPy, a page each: `scalespace`, `extrema`, `orientation`,
`descriptor`. The `native` engine is the same in compiled kernels (`classicvision._native`), several times faster than
the `opencv` engine, which is OpenCV's C++. All obey one contract: they find the same keypoints but for rounding, in the
same frame and order, with descriptors that can be compared.

The default, `auto`, is no engine: when settings are made it becomes `native` where the kernels were built, else
`opencv`. So settings, recipes and fingerprints always name the engine that computes, and no cache mixes two. Settings
that say `native` can be read everywhere, and used where there are kernels.

The native engine has two precisions. `exact` keeps the scale space in float32; `fast` keeps it in int16, a 128th of a
grey level, which is half the memory and about 1.8 times as fast, and finds 95 to 98 of 100 keypoints of the exact one.
Only `native` has `fast`, so settings that say it and leave the engine open name `native`, whether or not it is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from classicvision import _native
from classicvision._native import sift as native
from classicvision.config import require, validate
from classicvision.errors import SettingsError
from classicvision.features.descriptor import describe
from classicvision.features.extrema import Blobs, find_extrema
from classicvision.features.local import LocalFeatures
from classicvision.features.orientation import assign_orientations
from classicvision.features.scalespace import ScaleSpace, build_scale_space
from classicvision.images import Image, shrink, to_gray

__all__ = ["Sift", "SiftTrace", "require_picture", "trace"]


@dataclass(frozen=True)
class Sift:
    """Settings of SIFT; called with a picture, it returns `LocalFeatures`. It keeps nothing between two pictures.

    Examples
    --------
    >>> import numpy as np
    >>> len(Sift()(np.zeros((64, 64, 3), np.uint8)))
    0
    """

    kind: ClassVar[str] = "sift"
    version: ClassVar[int] = 1

    n_layers: int = 3  # scales sampled an octave (Lowe 2004, 3.2)
    sigma: float = 1.6  # blur of the first layer of an octave, in samples (Lowe 2004, 3.3)
    contrast: float = 0.04  # least |DoG| times n_layers, grey in [0, 1]; Lowe's 0.03 (2004, 4) is 0.09 here
    edge_ratio: float = 10.0  # largest ratio of the principal curvatures (Lowe 2004, 4.1)
    upsample: bool = True  # begin at samples half a pixel apart (Lowe 2004, 3.3); `opencv` cannot do without
    max_features: int | None = None  # keep so many, those of largest response
    spread: bool = False  # of so many, keep the strongest of each place before those of the whole picture
    max_side: int | None = None  # shrink a picture with a longer side to this first, in pixels
    engine: Literal["auto", "native", "opencv", "reference"] = "auto"  # auto: the fastest here, named from then on
    precision: Literal["exact", "fast"] = "exact"  # of the scale space: float32 or int16; `fast` is of `native` alone

    def __post_init__(self) -> None:
        validate(self)
        if self.engine == "auto":
            engine = "native" if self.precision == "fast" else _fastest_engine(self.upsample)
            object.__setattr__(self, "engine", engine)
        most = native.MAX_LAYERS
        require(1 <= self.n_layers <= most, "n_layers", self.n_layers, f"from 1 to {most}")
        require(0 < self.sigma <= 100, "sigma", self.sigma, "above 0 and at most 100 samples")
        require(0 <= self.contrast <= 1, "contrast", self.contrast, "from 0 to 1")
        require(1 <= self.edge_ratio < float("inf"), "edge_ratio", self.edge_ratio, "at least 1 and finite")
        for name in ("max_features", "max_side"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, value, "at least 1, or None for no limit")
        if not self.upsample and self.engine == "opencv":
            raise SettingsError(
                "upsample is False, but OpenCV's SIFT always upsamples; use engine='reference' or 'native'"
            )
        if self.precision == "fast" and self.engine != "native":
            raise SettingsError(
                f"precision is 'fast', which engine {self.engine!r} does not have; use engine='native' or 'auto', or "
                "precision='exact'"
            )

    def __call__(self, image: Image, mask: NDArray[Any] | None = None) -> LocalFeatures:
        """Find the keypoints of a picture and describe them.

        Parameters
        ----------
        image : (H, W, 3) or (H, W) uint8
            RGB or grey.
        mask : (H, W) array, optional
            Only keypoints whose nearest pixel is not zero here are kept; the picture beyond is still looked at.

        Returns
        -------
        LocalFeatures
            In the frame of `image`, strongest first; equal responses by x, y, scale and angle. No two are equal.
        """
        gray = _analysed(image, self.max_side)
        features = _ENGINES[self.engine](gray, self).resized(image.shape[:2])
        if mask is not None:
            features = features[_is_under(mask, features)]
        return self.limited(features)

    def limited(self, features: LocalFeatures) -> LocalFeatures:
        """Return as many keypoints as these settings keep, those that they prefer."""
        if self.max_features is None:
            return features
        return features.spread(self.max_features) if self.spread else features.strongest(self.max_features)

    def runnable(self) -> Sift:
        """Return these settings with an engine that this installation has: themselves, as a rule.

        Where there are no kernels the precision is exact then, as there is no other.
        """
        is_missing = self.engine == "native" and not _native.native_available()
        return replace(self, engine="auto", precision="exact") if is_missing else self


@dataclass(frozen=True, eq=False)
class SiftTrace:
    """Every step of the reference engine on one picture, to look at.

    All positions and scales are in the frame of `gray`, in pixels.

    Attributes
    ----------
    gray : (H, W) uint8
        What was analysed: the picture in grey, shrunk if the settings say so.
    space : ScaleSpace
        The Gaussians and their differences.
    candidates : Blobs
        Samples that none of their 26 neighbours exceeds, from half the contrast threshold up.
    refined : Blobs
        Those for which a place between the samples was found.
    strong : Blobs
        Those of enough contrast.
    kept : Blobs
        Those that do not lie on edges.
    features : LocalFeatures
        One keypoint for each direction of each blob kept, as `Sift` returns them.
    """

    gray: NDArray[np.uint8]
    space: ScaleSpace
    candidates: Blobs
    refined: Blobs
    strong: Blobs
    kept: Blobs
    features: LocalFeatures


def trace(image: Image, settings: Sift | None = None) -> SiftTrace:
    """Run the reference engine and return what each of its steps found.

    Parameters
    ----------
    image : (H, W, 3) or (H, W) uint8
        RGB or grey.
    settings : Sift, optional
        Its engine is not looked at: only the reference has steps to show.
    """
    settings = settings or Sift(engine="reference")
    steps = _trace(_analysed(image, settings.max_side), settings)
    return replace(steps, features=settings.limited(_in_order(steps.features)))


def _trace(gray: NDArray[np.uint8], settings: Sift) -> SiftTrace:
    """Take the four steps of the paper, without order and limit of the keypoints."""
    space = build_scale_space(gray, n_layers=settings.n_layers, sigma=settings.sigma, upsample=settings.upsample)
    steps = find_extrema(space, contrast=settings.contrast, edge_ratio=settings.edge_ratio)
    rows, angle = assign_orientations(space, steps.kept)
    blobs = steps.kept[rows]
    features = LocalFeatures(
        xy=blobs.xy.astype(np.float32),
        scale=blobs.scale.astype(np.float32),
        angle=_wrapped(angle),
        response=np.abs(blobs.value).astype(np.float32),
        descriptors=describe(space, blobs, angle),
        image_size=gray.shape,
    )
    return SiftTrace(gray, space, *steps, features)


def _find_by_reference(gray: NDArray[np.uint8], settings: Sift) -> LocalFeatures:
    return _in_order(_trace(gray, settings).features)


def _find_by_native(gray: NDArray[np.uint8], settings: Sift) -> LocalFeatures:
    if not _native.native_available():
        raise SettingsError(
            "engine is 'native', but classicvision was installed without compiled kernels. Install it where there is a "
            "C++17 compiler, or use engine='opencv' and precision='exact', which find the same keypoints more slowly"
        )
    frames, descriptors = native.find_sift(
        gray,
        n_layers=settings.n_layers,
        sigma=settings.sigma,
        contrast=settings.contrast,
        edge_ratio=settings.edge_ratio,
        upsample=settings.upsample,
        fast=settings.precision == "fast",
    )
    return LocalFeatures(
        xy=frames[:, :2],
        scale=frames[:, 2],
        angle=frames[:, 3],
        response=frames[:, 4],
        descriptors=descriptors,
        image_size=gray.shape,
    )


def _find_by_opencv(gray: NDArray[np.uint8], settings: Sift) -> LocalFeatures:
    # enable_precise_upscale (the last argument): without it all keypoints are shifted by a quarter of a pixel.
    sift = cv2.SIFT_create(  # type: ignore[attr-defined]
        0, settings.n_layers, settings.contrast, settings.edge_ratio, settings.sigma, cv2.CV_8U, True
    )
    keypoints, descriptors = sift.detectAndCompute(gray, None)
    if not keypoints:
        return LocalFeatures.empty(gray.shape)
    features = LocalFeatures(
        xy=np.array([keypoint.pt for keypoint in keypoints]),
        scale=np.array([keypoint.size / 2 for keypoint in keypoints]),
        angle=_wrapped(np.radians([keypoint.angle for keypoint in keypoints])),
        response=np.array([keypoint.response for keypoint in keypoints]),
        descriptors=descriptors,
        image_size=gray.shape,
    )
    return _in_order(features)


_ENGINES: Final[dict[str, Callable[[NDArray[np.uint8], Sift], LocalFeatures]]] = {
    "native": _find_by_native,
    "opencv": _find_by_opencv,
    "reference": _find_by_reference,
}


def _fastest_engine(upsample: bool) -> str:
    if _native.native_available():
        return "native"
    return "opencv" if upsample else "reference"


def require_picture(image: Image) -> None:
    """Check that an array is a picture, (H, W, 3) or (H, W) uint8; a TypeError or ValueError says what it is."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"{image.dtype} array" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"the picture is of type {found}; SIFT needs a uint8 array, RGB (H, W, 3) or grey (H, W)")
    if 0 in image.shape or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"the picture has shape {image.shape}; SIFT needs RGB (H, W, 3) or grey (H, W), not empty")


def _analysed(image: Image, max_side: int | None) -> NDArray[np.uint8]:
    """Check a picture and return it in grey, (h, w), shrunk if a side is longer than max_side."""
    require_picture(image)
    small = image if max_side is None else shrink(image, max_side)
    return np.ascontiguousarray(small if small.ndim == 2 else to_gray(small))


def _is_under(mask: NDArray[Any], features: LocalFeatures) -> NDArray[np.bool_]:
    if np.shape(mask) != features.image_size:
        raise ValueError(f"the mask has shape {np.shape(mask)}; the picture's is {features.image_size}")
    height, width = features.image_size
    nearest = np.rint(features.xy).astype(np.intp)
    column, row = np.clip(nearest, 0, (width - 1, height - 1)).T
    is_open: NDArray[np.bool_] = np.asarray(mask, bool)[row, column]
    return is_open


def _in_order(features: LocalFeatures) -> LocalFeatures:
    """Sort keypoints, strongest first."""
    x, y = features.xy.T
    return features[np.lexsort((features.angle, features.scale, y, x, -features.response))]


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return angles in [0, 2 pi) as float32, in which the largest double below 2 pi would round up to it."""
    wrapped = np.mod(angle, 2 * np.pi).astype(np.float32)
    wrapped[wrapped >= np.float32(2 * np.pi)] = 0
    return wrapped
