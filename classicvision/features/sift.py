"""SIFT keypoints and descriptors (Lowe 2004), with a choice of engines.

The `reference` engine implements the four steps of the paper in NumPy, one module each: `scalespace`, `extrema`,
`orientation`, `descriptor`. The `native` engine runs the same steps in compiled kernels (`classicvision._native`),
several times faster than the `opencv` engine, which calls OpenCV. All three share one contract: the same keypoints up
to rounding, in the same frame and order, with comparable descriptors.

`auto` resolves to `native` where the kernels were built and to `opencv` elsewhere, when the settings are created.
Settings, recipes and fingerprints therefore always name the engine that computes, and a cache never mixes two. Settings
that name `native` can be read everywhere but only used where the kernels exist.

The native engine has two precisions. `exact` stores the scale space in float32. `fast` stores it in int16, in steps of
1/128 grey level: half the memory, about 1.8 times as fast, and 95 to 98 % of the exact keypoints. Since only `native`
implements `fast`, `auto` with `fast` always resolves to `native`.
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
from classicvision.features.local import LocalFeatures
from classicvision.features.sift_trace import SiftTrace, run_steps, wrap_angles
from classicvision.images import Image, shrink, to_gray

__all__ = ["Sift", "require_rgb_or_gray", "trace"]


@dataclass(frozen=True)
class Sift:
    """Settings of SIFT; calling them with an image returns its `LocalFeatures`.

    The object keeps no state between images.

    Parameters
    ----------
    n_layers : int, default 3
        Scales sampled per octave. More layers find more keypoints, but less repeatable ones, and take longer; 3 had the
        best repeatability in [1]_, section 3.2.
    sigma : float, default 1.6
        Blur of the first layer of each octave, in samples of that octave. Larger values skip the finest blobs; beyond
        1.6 repeatability hardly improves ([1]_, section 3.3).
    contrast : float, default 0.04
        Threshold on ``|DoG| * n_layers`` for grey values in [0, 1]. Larger values keep fewer blobs of higher contrast.
        The default is OpenCV's; Lowe's threshold of 0.03 on ``|DoG|`` ([1]_, section 4) is 0.09 here.
    edge_ratio : float, default 10
        Largest accepted ratio of the principal curvatures. Larger values keep more keypoints on edges, along which the
        position is poorly determined ([1]_, section 4.1).
    upsample : bool, default True
        Double the image before the first octave. This finds about four times as many keypoints ([1]_, section 3.3)
        and takes longer. The `opencv` engine always does it.
    max_features : int, optional
        Keep at most this many keypoints, those of largest response. None keeps all.
    spread : bool, default False
        With `max_features`: keep keypoints from all parts of the image before the strongest of the rest
        (`LocalFeatures.spread`), so that one textured region does not use up the whole budget.
    max_side : int, optional
        Shrink an image whose longer side exceeds this many pixels before detection. Smaller values are faster and lose
        fine detail. Keypoints are always returned in the frame of the original image. None never shrinks.
    engine : {"auto", "native", "opencv", "reference"}, default "auto"
        Implementation. "auto" resolves to the fastest one installed as soon as the settings are created.
    precision : {"exact", "fast"}, default "exact"
        Storage of the scale space: float32, or int16 at about 1.8 times the speed for 95 to 98 % of the same keypoints.
        Only the `native` engine has "fast".

    Raises
    ------
    SettingsError
        If a value is out of range, or the engine does not support the combination.

    References
    ----------
    .. [1] D. G. Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60, 2004.
           :DOI:`10.1023/B:VISI.0000029664.99615.94`

    Examples
    --------
    >>> from classicvision import Sift, read_image
    >>> image = read_image("data/copies/library/astronaut.jpg")
    >>> sift = Sift(max_features=500)
    >>> features = sift(image)
    >>> features.descriptors.shape
    (500, 128)

    A higher contrast threshold keeps fewer keypoints:

    >>> len(Sift(contrast=0.09)(image)) < len(Sift(contrast=0.04)(image))
    True
    """

    kind: ClassVar[str] = "sift"
    version: ClassVar[int] = 1

    n_layers: int = 3
    sigma: float = 1.6
    contrast: float = 0.04
    edge_ratio: float = 10.0
    upsample: bool = True
    max_features: int | None = None
    spread: bool = False
    max_side: int | None = None
    engine: Literal["auto", "native", "opencv", "reference"] = "auto"
    precision: Literal["exact", "fast"] = "exact"

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
                f"precision is 'fast', which engine {self.engine!r} does not support; use engine='native' or 'auto', "
                "or precision='exact'"
            )

    def __call__(self, image: Image, mask: NDArray[Any] | None = None) -> LocalFeatures:
        """Detect and describe the keypoints of an image.

        Parameters
        ----------
        image : (H, W, 3) or (H, W) uint8
            RGB or grey.
        mask : (H, W) array, optional
            Keep only keypoints whose nearest pixel is non-zero here. Pixels outside the mask still contribute to the
            scale space and to descriptors.

        Returns
        -------
        LocalFeatures
            In the frame of `image`, strongest first, ties sorted by x, y, scale and angle. No two keypoints are equal.

        Raises
        ------
        TypeError, ValueError
            If `image` is not a uint8 array of one of these shapes, or `mask` has another size.
        SettingsError
            If the engine is "native" and the kernels are not installed.
        """
        gray = _as_gray(image, self.max_side)
        features = _ENGINES[self.engine](gray, self).resized(image.shape[:2])
        if mask is not None:
            features = features[_is_under(mask, features)]
        return self.limited(features)

    def limited(self, features: LocalFeatures) -> LocalFeatures:
        """Return at most `max_features` keypoints, selected as `spread` says."""
        if self.max_features is None:
            return features
        return features.spread(self.max_features) if self.spread else features.strongest(self.max_features)

    def runnable(self) -> Sift:
        """Return these settings, with another engine if the kernels that they name are not installed.

        The precision is then "exact", since only the native engine has another.
        """
        is_missing = self.engine == "native" and not _native.native_available()
        return replace(self, engine="auto", precision="exact") if is_missing else self


def trace(image: Image, settings: Sift | None = None) -> SiftTrace:
    """Run SIFT with the reference engine and return the result of every step.

    Parameters
    ----------
    image : (H, W, 3) or (H, W) uint8
        RGB or grey.
    settings : Sift, optional
        Settings of SIFT, the defaults if not given. `engine` is ignored: only the reference has intermediate results.

    Returns
    -------
    SiftTrace

    Raises
    ------
    TypeError, ValueError
        If `image` is not a uint8 array of one of these shapes.

    Examples
    --------
    >>> from classicvision import Sift, read_image, trace
    >>> image = read_image("data/held-out/coins/00.jpg")
    >>> steps = trace(image)
    >>> len(steps.features) == len(Sift(engine="reference")(image))
    True
    >>> len(steps.space.gaussians) > 3  # octaves
    True
    """
    settings = settings or Sift(engine="reference")
    steps = _run_reference(_as_gray(image, settings.max_side), settings)
    return replace(steps, features=settings.limited(_in_order(steps.features)))


def _run_reference(gray: NDArray[np.uint8], settings: Sift) -> SiftTrace:
    return run_steps(
        gray,
        n_layers=settings.n_layers,
        sigma=settings.sigma,
        upsample=settings.upsample,
        contrast=settings.contrast,
        edge_ratio=settings.edge_ratio,
    )


def _find_by_reference(gray: NDArray[np.uint8], settings: Sift) -> LocalFeatures:
    return _in_order(_run_reference(gray, settings).features)


def _find_by_native(gray: NDArray[np.uint8], settings: Sift) -> LocalFeatures:
    if not _native.native_available():
        raise SettingsError(
            "engine is 'native', but classicvision was installed without compiled kernels. Reinstall it with a C++17 "
            "compiler, or use engine='opencv' and precision='exact', which find the same keypoints more slowly"
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
    # The last argument is enable_precise_upscale; without it all keypoints are shifted by a quarter of a pixel.
    sift = cv2.SIFT_create(  # type: ignore[attr-defined]
        0, settings.n_layers, settings.contrast, settings.edge_ratio, settings.sigma, cv2.CV_8U, True
    )
    keypoints, descriptors = sift.detectAndCompute(gray, None)
    if not keypoints:
        return LocalFeatures.empty(gray.shape)
    features = LocalFeatures(
        xy=np.array([keypoint.pt for keypoint in keypoints]),
        scale=np.array([keypoint.size / 2 for keypoint in keypoints]),
        angle=wrap_angles(np.radians([keypoint.angle for keypoint in keypoints])),
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


def require_rgb_or_gray(image: Image) -> None:
    """Raise TypeError or ValueError unless the array is a non-empty (H, W, 3) or (H, W) uint8 image."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"array of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        hint = "; read the file with read_image first" if isinstance(image, str) or hasattr(image, "__fspath__") else ""
        raise TypeError(f"the image is of type {found}; SIFT needs a uint8 array, RGB (H, W, 3) or grey (H, W){hint}")
    if 0 in image.shape or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"the image has shape {image.shape}; SIFT needs non-empty RGB (H, W, 3) or grey (H, W)")


def _as_gray(image: Image, max_side: int | None) -> NDArray[np.uint8]:
    """Check an image and return it in grey, (h, w), shrunk if a side is longer than max_side."""
    require_rgb_or_gray(image)
    small = image if max_side is None else shrink(image, max_side)
    return np.ascontiguousarray(small if small.ndim == 2 else to_gray(small))


def _is_under(mask: NDArray[Any], features: LocalFeatures) -> NDArray[np.bool_]:
    if np.shape(mask) != features.image_size:
        raise ValueError(f"the mask has shape {np.shape(mask)}; it must match the image, {features.image_size}")
    height, width = features.image_size
    nearest = np.rint(features.xy).astype(np.intp)
    column, row = np.clip(nearest, 0, (width - 1, height - 1)).T
    is_under: NDArray[np.bool_] = np.asarray(mask, bool)[row, column]
    return is_under


def _in_order(features: LocalFeatures) -> LocalFeatures:
    """Sort keypoints by decreasing response; ties by x, y, scale and angle."""
    x, y = features.xy.T
    return features[np.lexsort((features.angle, features.scale, y, x, -features.response))]
