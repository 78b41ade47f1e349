"""What comparing two pictures gives: a verdict, and the regions that are its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "MatchResult", "Method", "Orientation", "Region", "Verdict"]

Verdict: TypeAlias = Literal["copy", "no evidence", "cannot decide"]
Kind: TypeAlias = Literal["similarity", "affinity", "homography"]
Method: TypeAlias = Literal["bytes", "keypoints", "signature", "backbone"]
Orientation: TypeAlias = Literal["both", "direct", "mirrored"]


@dataclass(frozen=True, eq=False)
class Region:
    """One transform, and the part of picture a that it maps onto a part of picture b.

    Attributes
    ----------
    b_from_a : (3, 3) float64
        Acts on column vectors (x, y, 1): maps points of a onto b, pixels, pixel centres on integers.
    kind : str
        The simplest family that holds the transform.
    pairs : (M, 2) int32
        Rows of the keypoints of a and of b that agree with it.
    polygon_a, polygon_b : (K, 2) float64
        Outline of the shared part in the frame of a and of b; corner k of one is corner k of the other.
    share_a, share_b : float
        Share of the area of each picture that is shared, in [0, 1]: that of the outline, less its parts where both
        pictures have keypoints and none agree.
    significance : float
        -log10 of the expected number of chance agreements as good as this one; of the transform, where several regions
        have the same because what lies between them is not shared.
    """

    b_from_a: NDArray[np.float64]
    kind: Kind
    pairs: NDArray[np.int32]
    polygon_a: NDArray[np.float64]
    polygon_b: NDArray[np.float64]
    share_a: float
    share_b: float
    significance: float

    @property
    def is_mirrored(self) -> bool:
        """Whether b shows the part of a as in a mirror."""
        # Jacobians have the determinant det / weight^3, and no region lies behind its horizon: weights are positive.
        return bool(np.linalg.det(self.b_from_a) < 0)


@dataclass(frozen=True, eq=False)
class MatchResult:
    """How picture a and picture b relate.

    Attributes
    ----------
    verdict : str
        ``copy``: a part of one is a copy of a part of the other. ``no evidence``: both have enough keypoints, and no
        transform explains more agreement than chance would. ``cannot decide``: too few keypoints, as `reason` says.
    method : str
        What the verdict rests on: equal ``bytes``, ``keypoints``, or, of pictures with too few, the global
        ``signature`` or the features of a network, the ``backbone``.
    regions : tuple of Region
        Most significant first; empty unless keypoints show a copy.
    score : float
        By keypoints, the significance of the best region, accepted or not; 0 if there is none. By a signature, -log10
        of the share of unrelated pairs that agree as well; by a backbone, that of the signature and that of the network
        added, or the signature's alone where the network is not calibrated.
    n_keypoints : (int, int)
        Of a and of b.
    n_matches : int
        Tentative correspondences, before any geometry.
    image_sizes : ((height, width), (height, width))
        Of a and of b, in pixels.
    reason : str
        One sentence for a person.
    cosine : float or None
        Of the network's features of a and b, if a backbone compared them.
    """

    verdict: Verdict
    method: Method
    regions: tuple[Region, ...]
    score: float
    n_keypoints: tuple[int, int]
    n_matches: int
    image_sizes: tuple[tuple[int, int], tuple[int, int]]
    reason: str
    cosine: float | None = None
