"""Networks as extractors: the pooled activations of one stage of an ONNX network, one vector per image.

The settings identify the file by the SHA-256 of its content, not by its path. So copies of a file share their cached
features, and a file that was replaced by another is detected.
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

GEM_POWER: Final = 3.0  # Radenovic et al. (2019), equation 3: between the mean (1) and the maximum (infinity)
OPEN_NETWORKS = 8  # kept open per process, each with its weights, so that a benchmark can alternate between recipes
METADATA_KEY: Final = "classicvision.preprocessing"  # in an ONNX file's metadata: a preset's name, or values as JSON


@dataclass(frozen=True)
class OnnxBackbone:
    """A feature extractor: the activations of one stage of a network in an ONNX file, pooled to a vector.

    Learns nothing. The network is opened with the first image, once per process, and runs on one thread.

    Parameters
    ----------
    path : path
        The ONNX file, or the name of a downloaded network, such as ``resnet18-v1``. Not part of the fingerprint.
    stage : str
        Which activations: ``penultimate``, the input of the last layer; ``output``, the class scores; a stage listed by
        ``classicvision backbone inspect``; or the name of a tensor. Earlier stages have smaller receptive fields and
        are less specific to the classes the network was trained on.
    preprocessing : Preprocessing or str, optional
        How images are prepared, or the name of a preset. By default as stated by the registry or by the file's
        metadata.
    pooling : {"average", "max", "gem"}
        How activations with spatial axes are pooled: their mean, maximum, or generalised mean with power 3, which is
        between the two (Radenovic et al. 2019).
    views : {"one", "mirror", "whole", "ten-crop"}
        Over which views of an image the vector is averaged: the centre crop; it and its horizontal flip; also the whole
        image squeezed into a square, and its flip; or the centre and the corners, each flipped too. Takes 1, 2, 4 or 10
        runs of the network per image; more views are usually more accurate.
    device : {"auto", "cpu", "cuda"}
        "auto" becomes "cuda" if onnxruntime supports it, else "cpu".
    sha256 : str
        The expected SHA-256 of the network, which identifies it in fingerprints. Computed from the file by default.

    Raises
    ------
    BackboneError
        If the file does not exist, or its preprocessing is not stated anywhere; the message lists the presets.
    SettingsError
        For a value out of range; the message names the field.

    Examples
    --------
    A network of one layer, which computes the mean of each channel:

    >>> import onnx
    >>> header = '<ir_version: 8, opset_import: ["": 13]>'
    >>> network = "mean (float[N,3,224,224] image) => (float[N,3,1,1] mean) { mean = GlobalAveragePool(image) }"
    >>> onnx.save(onnx.parser.parse_model(header + network), "mean.onnx")
    >>> from classicvision import OnnxBackbone, read_image
    >>> backbone = OnnxBackbone("mean.onnx", preprocessing="imagenet")
    >>> backbone(read_image("data/copies/library/cat.jpg")).shape
    (3,)
    """

    kind: ClassVar[str] = "onnx"
    version: ClassVar[int] = 1

    path: str = field(compare=False)
    stage: str = "penultimate"
    preprocessing: Preprocessing | str | None = None
    pooling: Literal["average", "max", "gem"] = "average"
    views: Literal["one", "mirror", "whole", "ten-crop"] = "one"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    sha256: str = ""

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
        """Extract the features of an image.

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
            If the file has another SHA-256, cannot be run, or does not fit the preprocessing.
        ValueError
            If the image is too small, or its features are not finite.
        """
        require_image(image)
        features = self.run(self.tensors(image))
        vector: NDArray[np.float32] = features[0] if len(features) == 1 else features.mean(axis=0)
        if not np.isfinite(vector).all():
            raise ValueError("the network's output is not finite; check its preprocessing")
        return vector

    def tensors(self, image: Image) -> NDArray[np.float32]:
        """Return the views of an image as input tensors, (n_views, 3, crop, crop) float32."""
        how = self.contract
        if self.views == "ten-crop":
            return ten_crop(image, how)
        if self.views == "whole":
            return centre_and_whole(image, how)
        view = apply(image, how)[np.newaxis]
        return np.concatenate([view, view[..., ::-1]]) if self.views == "mirror" else view

    def run(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the pooled features of input tensors, (N, 3, H, W) to (N, d) float32."""
        found = self.activations(tensors)
        return found if found.ndim == 2 else _POOLS[self.pooling](found)

    def activations(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the activations of the stage before pooling, (N, ...) float32; with spatial axes (N, C, h, w)."""
        return _open(self)(tensors)

    @property
    def contract(self) -> Preprocessing:
        """The preprocessing, as its type."""
        return cast("Preprocessing", self.preprocessing)  # set by `__post_init__`

    @property
    def libraries(self) -> str:
        """The runtime and its version; another release may differ in the last bit."""
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"

    def found(self, file: str | os.PathLike[str] | None = None, *, folder: str | os.PathLike[str] = "") -> OnnxBackbone:
        """Return a copy of these settings with the current path of the network.

        Parameters
        ----------
        file : path, optional
            The network's file. By default it is searched at its previous path, in `folder`, and among the downloaded
            networks.
        folder : path
            The folder of the model that uses the network.

        Raises
        ------
        BackboneError
            If no file has the expected SHA-256; the message lists the paths searched.
        """
        if file is not None:
            require_digest(locate(file), self.sha256)
            return replace(self, path=os.fspath(file))
        name = Path(self.path).name
        places = [Path(self.path), Path(folder) / name, default_folder() / name]
        return replace(self, path=os.fspath(find_network(self.sha256, places)))

    def runnable(self) -> OnnxBackbone:
        """Return these settings, with "cpu" as device if CUDA is not available."""
        is_missing = self.device == "cuda" and _best_device() != "cuda"
        return replace(self, device="cpu") if is_missing else self

    def _stated_preprocessing(self) -> Preprocessing:
        if isinstance(self.preprocessing, str):
            return named_preset(self.preprocessing)
        path, entry = locate(self.path), entry_of(self.sha256)
        stated = (entry.preprocessing if entry else None) or metadata(path).get(METADATA_KEY)
        if stated is None:
            raise BackboneError(
                f"{path}: neither the file nor the registry states the preprocessing of this network; a wrong guess "
                f"would go unnoticed. Set preprocessing to one of {', '.join(PRESETS)}, or to its values."
            )
        return _read_preprocessing(stated, path)


def require_image(image: Image) -> None:
    """Raise a TypeError or ValueError unless an array is an RGB image."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"{image.dtype} array" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"the image is of type {found}; expected a uint8 array, RGB (H, W, 3)")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"the image has shape {image.shape}; expected RGB (H, W, 3), not empty")


def _read_preprocessing(stated: str, path: Path) -> Preprocessing:
    if stated in PRESETS:
        return PRESETS[stated]
    try:
        return from_dict(Preprocessing, json.loads(stated), where=METADATA_KEY)
    except (ValueError, RecursionError) as error:  # SettingsError is one
        raise BackboneError(f"{path}: invalid preprocessing in its metadata {METADATA_KEY!r}: {error}") from error


@lru_cache(maxsize=OPEN_NETWORKS)
def _open(backbone: OnnxBackbone) -> Network:
    path = locate(backbone.path)
    require_digest(path, backbone.sha256)
    return open_network(path, backbone.stage, backbone.device, crop=backbone.contract.crop)


def _best_device() -> Literal["cpu", "cuda"]:
    import onnxruntime

    return "cuda" if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else "cpu"


def _positions(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reshape activations to (N, C, P) with P positions per channel; of tokens (N, T, d), each is a position."""
    if tensors.ndim == 3:
        return tensors.transpose(0, 2, 1)
    if tensors.ndim < 2:
        raise BackboneError(f"the stage has the shape {tensors.shape}, one number per image; choose another stage")
    return tensors.reshape(*tensors.shape[:2], -1)


def _average(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_positions(tensors).mean(axis=2, dtype=np.float32))


def _largest(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_positions(tensors).max(axis=2))


def _generalised_mean(tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Radenovic et al. (2019), equation 3; negative values count as zero, as the power is defined for positive ones."""
    powers = np.maximum(_positions(tensors), 0) ** np.float32(GEM_POWER)
    return np.asarray(powers.mean(axis=2, dtype=np.float32) ** np.float32(1 / GEM_POWER))


_POOLS: Final[dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]] = {
    "average": _average,
    "max": _largest,
    "gem": _generalised_mean,
}
