"""Networks as extractors: pooled activations of one stage of an ONNX file, a vector for each picture.

The settings name a file by the SHA-256 of its content; its place may change and is no part of what is compared. So two
copies of a file share their cached features, and a file that was exchanged for another is noticed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.download import default_folder, locate
from classicvision.backbone.network import Network, open_network
from classicvision.backbone.network_digest import find_network, is_digest, metadata, network_digest, require_digest
from classicvision.backbone.preprocessing import (
    PRESETS,
    Preprocessing,
    apply,
    centre_and_whole,
    named_preset,
    ten_crop,
)
from classicvision.backbone.registry import entry_of
from classicvision.config import from_dict, require, validate
from classicvision.errors import BackboneError
from classicvision.images import Image

__all__ = ["OnnxBackbone", "require_image"]

GEM_POWER: Final = 3.0  # Radenovic et al. (2019), equation 3: between the mean (1) and the largest (infinity)
OPEN_NETWORKS = 8  # kept open in a process, each with its weights: recipes are timed in turns
METADATA_KEY: Final = "classicvision.preprocessing"  # of an ONNX file: a preset's name, or its values as JSON


@dataclass(frozen=True)
class OnnxBackbone:
    """Settings of a network in an ONNX file; called with a picture, it returns a vector. It learns nothing.

    The network is opened when the first picture comes, once in each process, on one thread. Copies of these settings
    in other processes open their own.

    Raises
    ------
    BackboneError
        If there is no such file, or it does not say how pictures are to be prepared; the message lists the presets.
    SettingsError
        For a value out of range; the message names the field.

    Examples
    --------
    >>> backbone = OnnxBackbone("mobilenet.onnx", preprocessing="inception")  # doctest: +SKIP
    >>> backbone(read_image("cat.jpg")).shape  # doctest: +SKIP
    (1280,)
    """

    kind: ClassVar[str] = "onnx"
    version: ClassVar[int] = 1

    path: str = field(compare=False)  # the file, or the name of a network that was pulled; `sha256` says what is in it
    stage: str = "penultimate"  # or `output`, a stage that `backbone inspect` lists, or a tensor's name
    preprocessing: Preprocessing | str | None = None  # None: as the registry or the file says; a text names a preset
    pooling: Literal["average", "max", "gem"] = "average"  # of a tensor with places: over all of them
    # Of each picture; its vector is the mean over them. `whole` is the middle and the whole picture, and their mirrors.
    views: Literal["one", "mirror", "whole", "ten-crop"] = "one"
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: CUDA where onnxruntime has it; named from then on
    sha256: str = ""  # of the file's content; read from the file when it is empty

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", str(self.path))
        validate(self)
        require(self.path != "", "path", self.path, "the name of an ONNX file")
        require(self.stage != "", "stage", self.stage, "a stage or the name of a tensor")
        require(self.sha256 == "" or is_digest(self.sha256), "sha256", self.sha256, "64 hexadecimal digits")
        if self.device == "auto":
            object.__setattr__(self, "device", _best_device())
        if not self.sha256:
            file = locate(self.path)
            object.__setattr__(self, "path", os.fspath(file))
            object.__setattr__(self, "sha256", network_digest(file))
        if not isinstance(self.preprocessing, Preprocessing):
            object.__setattr__(self, "preprocessing", self._stated_preprocessing())

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Return the features of a picture.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB.

        Returns
        -------
        (d,) float32
            Not normalised.

        Raises
        ------
        BackboneError
            If the file is not the one that the settings mean, cannot be used, or does not fit the preprocessing.
        ValueError
            If the picture is too small, or its features are not finite.
        """
        require_image(image)
        features = self.run(self.tensors(image))
        vector: NDArray[np.float32] = features[0] if len(features) == 1 else features.mean(axis=0)
        if not np.isfinite(vector).all():
            raise ValueError("the network gave numbers that are not finite")
        return vector

    def tensors(self, image: Image) -> NDArray[np.float32]:
        """Return the views of a picture as the network is to see them, (n_views, 3, crop, crop)."""
        how = self.contract
        if self.views == "ten-crop":
            return ten_crop(image, how)
        if self.views == "whole":
            return centre_and_whole(image, how)
        view = apply(image, how)[np.newaxis]
        return np.concatenate([view, view[..., ::-1]]) if self.views == "mirror" else view

    def run(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the pooled features of prepared pictures, (N, 3, H, W) to (N, d) float32."""
        found = self.activations(tensors)
        return found if found.ndim == 2 else _POOLS[self.pooling](found)

    def activations(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the stage's tensor before it is pooled, (N, ...); with places it is (N, C, h, w)."""
        return _open(self)(tensors)

    @property
    def contract(self) -> Preprocessing:
        """How pictures are prepared."""
        return cast("Preprocessing", self.preprocessing)  # `__post_init__` leaves nothing else

    @property
    def libraries(self) -> str:
        """What runs the network; another release may differ in the last bit."""
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"

    def found(self, file: str | os.PathLike[str] | None = None, *, beside: str | os.PathLike[str] = "") -> OnnxBackbone:
        """Return these settings with the place where their network is now.

        Parameters
        ----------
        file : path, optional
            The network. Without it, it is looked for where it was, in the folder `beside`, and among those that were
            pulled.
        beside : path
            The folder of the model that uses it.

        Raises
        ------
        BackboneError
            If there is no file with the content that the settings name; the message says where it was looked for.
        """
        if file is not None:
            require_digest(locate(file), self.sha256)
            return replace(self, path=os.fspath(file))
        name = Path(self.path).name
        places = [Path(self.path), Path(beside) / name, default_folder() / name]
        return replace(self, path=os.fspath(find_network(self.sha256, places)))

    def runnable(self) -> OnnxBackbone:
        """Return these settings with a device that this installation has: themselves, as a rule."""
        is_missing = self.device == "cuda" and _best_device() != "cuda"
        return replace(self, device="cpu") if is_missing else self

    def _stated_preprocessing(self) -> Preprocessing:
        if isinstance(self.preprocessing, str):
            return named_preset(self.preprocessing)
        path, entry = locate(self.path), entry_of(self.sha256)
        stated = (entry.preprocessing if entry else None) or metadata(path).get(METADATA_KEY)
        if stated is None:
            raise BackboneError(
                f"{path}: neither the file nor the registry says how pictures are to be prepared for this network. A "
                f"wrong guess would go unnoticed, so say it: preprocessing is one of {', '.join(PRESETS)}, or values."
            )
        return _read_preprocessing(stated, path)


def require_image(image: Image) -> None:
    """Check that an array is a picture in colour; a TypeError or ValueError says what it is."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"{image.dtype} array" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"the picture is of type {found}; a network needs a uint8 array, RGB (H, W, 3)")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"the picture has shape {image.shape}; a network needs RGB (H, W, 3), not empty")


def _read_preprocessing(stated: str, path: Path) -> Preprocessing:
    if stated in PRESETS:
        return PRESETS[stated]
    try:
        return from_dict(Preprocessing, json.loads(stated), where=METADATA_KEY)
    except (ValueError, RecursionError) as error:  # SettingsError is one
        raise BackboneError(f"{path}: its metadata {METADATA_KEY!r} is no preprocessing: {error}") from error


@lru_cache(maxsize=OPEN_NETWORKS)
def _open(backbone: OnnxBackbone) -> Network:
    path = locate(backbone.path)
    require_digest(path, backbone.sha256)
    return open_network(path, backbone.stage, backbone.device, crop=backbone.contract.crop)


def _best_device() -> Literal["cpu", "cuda"]:
    import onnxruntime

    return "cuda" if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else "cpu"


def _places(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, C, P): the P places of each channel; of tokens, (N, T, d), each is a place."""
    if tensors.ndim == 3:
        return tensors.transpose(0, 2, 1)
    if tensors.ndim < 2:
        raise BackboneError(f"the stage gives {tensors.shape}, one number a picture; choose another stage")
    return tensors.reshape(*tensors.shape[:2], -1)


def _average(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_places(tensors).mean(axis=2, dtype=np.float32))


def _largest(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_places(tensors).max(axis=2))


def _generalised_mean(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Radenovic et al. (2019), equation 3; numbers below zero count as zero, as they have no such power."""
    powers = np.maximum(_places(tensors), 0) ** np.float32(GEM_POWER)
    return np.asarray(powers.mean(axis=2, dtype=np.float32) ** np.float32(1 / GEM_POWER))


_POOLS: Final[dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]] = {
    "average": _average,
    "max": _largest,
    "gem": _generalised_mean,
}
