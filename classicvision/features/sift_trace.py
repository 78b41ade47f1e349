"""The four steps of SIFT (Lowe 2004) in NumPy, and the result of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classicvision.features.descriptor import describe_keypoints
from classicvision.features.extrema import Blobs, find_extrema
from classicvision.features.local import LocalFeatures
from classicvision.features.orientation import assign_orientations
from classicvision.features.scalespace import ScaleSpace, build_scale_space

__all__ = ["SiftTrace", "run_steps", "wrap_angles"]


@dataclass(frozen=True, eq=False)
class SiftTrace:
    """The intermediate results of SIFT on one image, as returned by `trace`.

    Positions and scales are in pixels of `gray`. Each step keeps a subset of the blobs of the step before.

    Parameters
    ----------
    gray : (H, W) uint8
        The grey image that was analysed, shrunk if the settings have `max_side`.
    space : ScaleSpace
        Gaussian and difference-of-Gaussian (DoG) layers.
    candidates : Blobs
        Samples that are extrema among their 26 neighbours and exceed half the contrast threshold.
    refined : Blobs
        Candidates whose quadratic interpolation converged.
    strong : Blobs
        Refined blobs above the contrast threshold.
    kept : Blobs
        Strong blobs that do not lie on an edge.
    features : LocalFeatures
        One keypoint per orientation of each kept blob, as `Sift` returns them.

    Examples
    --------
    >>> from classicvision import read_image, trace
    >>> steps = trace(read_image("data/held-out/coins/00.jpg"))
    >>> len(steps.candidates) > len(steps.refined) > len(steps.strong) > len(steps.kept)
    True
    """

    gray: NDArray[np.uint8]
    space: ScaleSpace
    candidates: Blobs
    refined: Blobs
    strong: Blobs
    kept: Blobs
    features: LocalFeatures


def run_steps(
    gray: NDArray[np.uint8], *, n_layers: int, sigma: float, upsample: bool, contrast: float, edge_ratio: float
) -> SiftTrace:
    """Run the four steps of the paper on a grey image; the keypoints are neither sorted nor limited.

    Parameters
    ----------
    gray : (H, W) uint8
    n_layers, sigma, upsample, contrast, edge_ratio
        As in `Sift`.
    """
    space = build_scale_space(gray, n_layers=n_layers, sigma=sigma, upsample=upsample)
    steps = find_extrema(space, contrast=contrast, edge_ratio=edge_ratio)
    rows, angle = assign_orientations(space, steps.kept)
    blobs = steps.kept[rows]
    features = LocalFeatures(
        xy=blobs.xy.astype(np.float32),
        scale=blobs.scale.astype(np.float32),
        angle=wrap_angles(angle),
        response=np.abs(blobs.value).astype(np.float32),
        descriptors=describe_keypoints(space, blobs, angle),
        image_size=gray.shape,
    )
    return SiftTrace(gray, space, *steps, features)


def wrap_angles(angle: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return angles in [0, 2 pi) as float32, to which the largest doubles below 2 pi would round up."""
    wrapped = np.mod(angle, 2 * np.pi).astype(np.float32)
    wrapped[wrapped >= np.float32(2 * np.pi)] = 0
    return wrapped
