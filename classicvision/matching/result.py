"""The result of comparing two images: a verdict, and the regions that support it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.evidence import PixelEvidence

__all__ = ["Kind", "MatchResult", "Method", "Orientation", "Region", "Verdict", "equal_result"]

Verdict: TypeAlias = Literal["copy", "related", "no evidence", "cannot decide"]
Kind: TypeAlias = Literal["similarity", "affinity", "homography"]
Method: TypeAlias = Literal["bytes", "pixels", "keypoints", "signature", "backbone"]
Orientation: TypeAlias = Literal["both", "direct", "mirrored"]


@dataclass(frozen=True, eq=False)
class Region:
    """A part of image a that also occurs in image b, and the transform between them.

    Parameters
    ----------
    b_from_a : (3, 3) float64
        Maps points of a to b as column vectors (x, y, 1), in pixels with pixel centres at integers.
    kind : {"similarity", "affinity", "homography"}
        The family of the transform.
    pairs : (M, 2) int32
        The inliers: rows of the keypoints of a and of b. No keypoint occurs twice.
    polygon_a, polygon_b : (K, 2) float64
        Outline of the shared part in the frames of a and of b; corner k of one corresponds to corner k of the other.
    share_a, share_b : float
        Shared fraction of the area of each image, in [0, 1]: the area of the outline, without those parts of it where
        both images have keypoints and none of them match.
    significance : float
        -log10 of the expected number of equally good agreements by chance; larger is more certain. Regions that share
        one transform, because the part between them differs, share its significance too.
    is_inverted : bool
        Whether the levels of the part are inverted in b, as in a negative.
    pixels : PixelEvidence, optional
        What the pixels say; None if they were not compared.

    Examples
    --------
    >>> from classicvision import MATCHING_SIFT, match_features, read_image
    >>> image = read_image("data/copies/library/astronaut.jpg")
    >>> (region,) = match_features(MATCHING_SIFT(image), MATCHING_SIFT(image[40:240, 60:300])).regions
    >>> region.is_mirrored, round(region.share_a, 2), round(region.share_b, 2)
    (False, 0.47, 1.0)
    """

    b_from_a: NDArray[np.float64]
    kind: Kind
    pairs: NDArray[np.int32]
    polygon_a: NDArray[np.float64]
    polygon_b: NDArray[np.float64]
    share_a: float
    share_b: float
    significance: float
    pixels: PixelEvidence | None = None
    is_inverted: bool = False

    @property
    def is_mirrored(self) -> bool:
        """Whether the part is mirrored in b."""
        # The Jacobian's determinant is det / weight^3, and weights are positive in front of the horizon.
        return bool(np.linalg.det(self.b_from_a) < 0)


@dataclass(frozen=True, eq=False)
class MatchResult:
    """The result of comparing image a with image b.

    Parameters
    ----------
    verdict : {"copy", "related", "no evidence", "cannot decide"}
        "copy": a part of one image is a copy of a part of the other. "related": no copy, but the images share a layout
        with other content, or show one scene or printed thing taken separately; only pixels can tell. "no evidence":
        both have enough keypoints, but no transform explains more matches than expected by chance, or pixels do not
        agree where keypoints do. "cannot decide": too few keypoints; `reason` says more.
    method : {"bytes", "pixels", "keypoints", "signature", "backbone"}
        What the verdict is based on: equal files ("bytes"); equal pixels in different files ("pixels"); keypoints; or
        where keypoints do not decide the perceptual hash ("signature") or the features of a network ("backbone").
    regions : tuple of Region
        Most significant first; empty unless the verdict is a copy or related, by keypoints.
    score : float
        Infinite for equal files and pixels. By keypoints, the significance of the best region, accepted or not, and 0
        without one. By the hash, -log10 of the share of unrelated pairs that agree as well. By a network, the sum of
        that and of the significance of its features, or the hash's alone if the network is not calibrated.
    n_keypoints : (int, int)
        Number of keypoints of a and of b.
    n_matches : int
        Number of tentative matches, before geometric verification.
    image_sizes : ((height, width), (height, width))
        Sizes of a and of b in pixels.
    reason : str
        The verdict explained in one sentence.
    cosine : float, optional
        Cosine similarity of the network's features of a and b, if a network compared them.

    Examples
    --------
    >>> from classicvision import MATCHING_SIFT, match_features, read_image
    >>> a, b = (read_image(f"data/copies/library/{name}.jpg") for name in ("astronaut", "cat"))
    >>> match_features(MATCHING_SIFT(a), MATCHING_SIFT(b))
    MatchResult(verdict='no evidence', method='keypoints', score=0, regions=0)
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

    @property
    def is_equal(self) -> bool:
        """Whether the images are equal: their files byte for byte, or at least all pixels."""
        return self.method in ("bytes", "pixels")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(verdict={self.verdict!r}, method={self.method!r}, score={self.score:.3g}, "
            f"regions={len(self.regions)})"
        )

    def _repr_html_(self) -> str:
        """Return a small table for notebooks: the verdict, and one row per region."""
        head = f"{self.verdict} by {self.method}, score {self.score:.1f}: {self.reason}"
        columns = ("transform", "inliers", "share of a", "share of b", "significance")
        rows = [
            (
                f"{region.kind}{', mirrored' * region.is_mirrored}{', inverted' * region.is_inverted}",
                f"{len(region.pairs)}",
                f"{100 * region.share_a:.0f} %",
                f"{100 * region.share_b:.0f} %",
                f"{region.significance:.0f}",
            )
            for region in self.regions
        ]
        titles = "".join(f"<th>{title}</th>" for title in columns) if rows else ""
        cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        body = "".join(f"<tr>{row}</tr>" for row in (titles, *cells) if row)
        return f"<table><caption>{escape(head)}</caption>{body}</table>"


def equal_result(
    n_keypoints: tuple[int, int], image_sizes: tuple[tuple[int, int], tuple[int, int]], *, same_file: bool
) -> MatchResult:
    """Return the result for images of equal pixels, in one file or in two that differ in format or metadata."""
    return MatchResult(
        verdict="copy",
        method="bytes" if same_file else "pixels",
        regions=(),
        score=math.inf,
        n_keypoints=n_keypoints,
        n_matches=0,
        image_sizes=image_sizes,
        reason="the files are equal, byte for byte" if same_file else "every pixel is equal; only the files differ",
    )
