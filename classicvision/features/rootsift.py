"""RootSIFT: SIFT descriptors in the space in which their Euclidean distance is the Hellinger distance.

Words are learned and assigned in float32 (`root_sift`). Matching and the index use bytes of norm 512 instead
(`root_sift_bytes`), so that squared distances are integers and equal on every machine. The kernels for words compute
the float version from SIFT bytes on the fly; tests hold them to `root_sift` bit for bit.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision._native import match as native
from classicvision._native import native_available

__all__ = ["root_sift", "root_sift_bytes"]

NORM: Final = 512.0  # of RootSIFT in bytes, before clipping at 255


def root_sift(descriptors: NDArray[Any]) -> NDArray[np.float32]:
    """Convert SIFT descriptors to RootSIFT: divide each by its sum, then take square roots.

    The Euclidean distance between two RootSIFT vectors is the Hellinger distance between the SIFT descriptors, which
    large bins dominate less ([1]_, section 2).

    Parameters
    ----------
    descriptors : (N, D) array
        Non-negative, of any numeric type.

    Returns
    -------
    (N, D) float32
        Rows of Euclidean norm 1; a row of zeros stays zero.

    References
    ----------
    .. [1] R. Arandjelovic and A. Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
           :DOI:`10.1109/CVPR.2012.6248018`

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import Sift, read_image, root_sift
    >>> features = Sift(max_features=3)(read_image("data/copies/library/cat.jpg"))
    >>> np.linalg.norm(root_sift(features.descriptors), axis=1).round(4)
    array([1., 1., 1.], dtype=float32)
    """
    values: NDArray[np.float32] = np.array(descriptors, np.float32)
    total = values.sum(axis=-1, keepdims=True)
    values /= np.where(total > 0, total, np.float32(np.inf))
    return np.sqrt(values, out=values)


def root_sift_bytes(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RootSIFT of (N, D) uint8 descriptors in bytes: norm 512, rounded, clipped at 255; zeros stay zero."""
    if native_available():
        return native.root_bytes(descriptors)
    total = descriptors.sum(axis=1, dtype=np.int64, keepdims=True)
    factor = np.float32(NORM) / np.sqrt(np.maximum(total, 1).astype(np.float32))
    rounded = np.rint(np.sqrt(np.arange(256, dtype=np.float32))[descriptors] * factor)
    stored: NDArray[np.uint8] = np.minimum(rounded, 255, out=rounded).astype(np.uint8)
    return stored
