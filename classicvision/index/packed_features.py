"""Local features as small as verification allows: what the index stores of an image, about 138 bytes per keypoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import DESCRIPTOR_SIZE, LocalFeatures

__all__ = ["pack_features", "unpack_features"]

_STEPS = 2**16 - 1  # of a position along the longer side
_TURN = 2**16  # steps of an angle in a full rotation


def pack_features(features: LocalFeatures) -> dict[str, NDArray[Any]]:
    """Return features as plain arrays of few bytes.

    Errors are bounded: positions, of two bytes, by the longer side / 131,000, in pixels; angles by 0.00005 radians;
    scale and response, of 11 binary digits, by 0.05 %. Descriptors are stored exactly.
    """
    longer = max(features.image_size)
    steps = np.rint((features.xy.astype(np.float64) + 0.5) * (_STEPS / longer))
    angle = np.rint(features.angle.astype(np.float64) * (_TURN / (2 * np.pi))).astype(np.int64)
    largest = float(np.finfo(np.float16).max)
    return {
        "image_size": np.array(features.image_size, np.int64),
        "position": np.clip(steps, 0, _STEPS).astype(np.uint16),
        "scale": np.minimum(features.scale, largest).astype(np.float16),
        "angle": (angle % _TURN).astype(np.uint16),
        "response": np.minimum(features.response, largest).astype(np.float16),
        "descriptors": np.asarray(features.descriptors),
    }


def unpack_features(arrays: Mapping[str, NDArray[Any]]) -> LocalFeatures:
    """Rebuild features from the arrays of `pack_features`; a ValueError names what is wrong with them."""
    wanted = {"image_size": np.int64, "position": np.uint16, "scale": np.float16, "angle": np.uint16}
    for name, dtype in (wanted | {"response": np.float16, "descriptors": np.uint8}).items():
        if name not in arrays or arrays[name].dtype != dtype:
            raise ValueError(f"features need an array {name!r} of {np.dtype(dtype)}")
    n, *_ = arrays["descriptors"].shape or (0,)
    wanted_shapes = {"image_size": (2,), "position": (n, 2), "descriptors": (n, DESCRIPTOR_SIZE)}
    if any(arrays[name].shape != shape for name, shape in wanted_shapes.items()) or arrays["image_size"].min() < 1:
        raise ValueError("the arrays of the features differ in length, or the image size is not positive")
    height, width = arrays["image_size"].tolist()
    return LocalFeatures(
        xy=(arrays["position"] * (max(height, width) / _STEPS) - 0.5).astype(np.float32),
        scale=arrays["scale"].astype(np.float32),
        angle=(arrays["angle"] * (2 * np.pi / _TURN)).astype(np.float32),
        response=arrays["response"].astype(np.float32),
        descriptors=arrays["descriptors"],
        image_size=(height, width),
    )
