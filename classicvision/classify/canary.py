"""The canary: features of one synthetic image, stored with a model to detect when the extractor changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.items import Extractor, Item
from classicvision.synthetic import canary

__all__ = ["DRIFT_SHARE", "MAX_CANARY", "N_CANARY_KEYPOINTS", "canary_features", "share_changed"]

# Two SIFT runs on one machine are bit-identical; other builds of OpenCV may round differently.
SAME_POSITION = 0.01  # pixels
SAME_DESCRIPTOR = 0.99  # least cosine
SAME_VECTOR = 0.999  # least cosine of two vectors of a network
DRIFT_SHARE = 0.02  # share of the canary's keypoints that may be lost, moved or changed without a warning
MAX_CANARY = 10_000  # keypoints; a file with more was not written here
N_CANARY_KEYPOINTS = 1000  # keypoints, the strongest; a dense grid has many times more


def canary_features(extractor: Extractor[Any]) -> Item:
    """Return the strongest features that an extractor finds on the canary image, or its vector."""
    seen: Item = _strongest(extractor(canary()))
    return seen


def share_changed(then: Item, now: Item) -> float:
    """Return the share of keypoints of either run without an equal one, in place and descriptor, in the other.

    For vectors: 0 if they have the same direction, else 1. For several parts: the largest share.
    """
    if isinstance(then, tuple) and isinstance(now, tuple):
        return max(map(share_changed, then, now)) if len(then) == len(now) else 1.0
    if isinstance(then, LocalFeatures) and isinstance(now, LocalFeatures):
        return _share_of_keypoints(then, now)
    if not isinstance(then, np.ndarray) or not isinstance(now, np.ndarray) or then.shape != now.shape:
        return 1.0
    a, b = then.astype(np.float64), now.astype(np.float64)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b < SAME_VECTOR * norms) if norms else float(bool(a.any() or b.any()))


def _strongest(seen: Any) -> Any:
    if isinstance(seen, tuple):
        return tuple(map(_strongest, seen))
    return seen.strongest(N_CANARY_KEYPOINTS) if isinstance(seen, LocalFeatures) else seen


def _share_of_keypoints(then: LocalFeatures, now: LocalFeatures) -> float:
    if not len(then) or not len(now):
        return float(len(then) != len(now))
    gap = np.abs(then.xy[:, np.newaxis] - now.xy[np.newaxis]).max(axis=2)
    a, b = (_unit_rows(features.descriptors) for features in (then, now))
    same = (gap <= SAME_POSITION) & (a @ b.T >= SAME_DESCRIPTOR)
    return float(max(1 - same.any(axis=1).mean(), 1 - same.any(axis=0).mean()))


def _unit_rows(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = descriptors.astype(np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    return values
