"""Describe a transform in numbers and in words: scale, rotation, reflection, stretch."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.evidence import PixelEvidence
from classicvision.matching.geometry import jacobian
from classicvision.matching.result import Region

__all__ = ["Change", "decompose", "depth", "describe_region"]


class Change(NamedTuple):
    """The local effect of a transform: a reflection left to right if `mirrored`, then a rotation and scaling."""

    scale: float  # square root of the ratio of areas
    rotation: float  # degrees in (-180, 180], clockwise on the screen
    mirrored: bool
    stretch: float  # ratio of the singular values of the Jacobian, at least 1


def decompose(b_from_a: NDArray[np.float64], xy: tuple[float, float]) -> Change:
    """Decompose a transform (3, 3) at a point of a, in pixels."""
    p, q, r, s = jacobian(b_from_a, *xy)
    mirrored = p * s - q * r < 0
    if mirrored:  # J = (J diag(-1, 1)) diag(-1, 1): remove the reflection, which comes first
        p, r = -p, -r
    large, small = np.linalg.svd([[p, q], [r, s]], compute_uv=False)
    rotation = math.degrees(math.atan2(r - q, p + s))
    return Change(float(np.sqrt(large * small)), rotation, mirrored, float(large / max(small, 1e-12)))


def describe_region(region: Region, size_a: tuple[int, int], size_b: tuple[int, int]) -> str:
    """Describe in words how a region of image a occurs in image b.

    Parameters
    ----------
    region : Region
        A region of `MatchResult.regions` or of `find_copy_moves`.
    size_a, size_b : (height, width)
        Sizes of the images in pixels.

    Returns
    -------
    str
        For example ``scale 0.50, rotated 90 degrees clockwise, mirrored, 31 % of a``. In this order: scale; rotation on
        the screen, after a reflection left to right if it says "mirrored"; "inverted" for a negative; stretch;
        perspective; the shared fraction of each image, if it is below 95 %; and, if pixels were compared, what differs
        and a change of colour.

    Examples
    --------
    >>> import numpy as np
    >>> from classicvision import MATCHING_SIFT, describe_region, match_features, read_image
    >>> image = read_image("data/copies/library/astronaut.jpg")
    >>> rotated = np.rot90(image[40:240, 60:300], -1)
    >>> result = match_features(MATCHING_SIFT(image), MATCHING_SIFT(np.ascontiguousarray(rotated)))
    >>> describe_region(result.regions[0], *result.image_sizes)
    'scale 1.00, rotated 90 degrees clockwise, 47 % of a'
    """
    height, width = size_a
    outline = region.polygon_a if len(region.polygon_a) else np.array([[width - 1, height - 1]]) / 2
    x, y = outline.mean(axis=0).tolist()
    change = decompose(region.b_from_a, (x, y))
    words = [f"scale {change.scale:.2f}", *_rotation_words(change)]
    if region.is_inverted:
        words.append("inverted")
    if change.stretch > 1.05:
        words.append(f"stretched {change.stretch:.2f} times")
    if region.kind == "homography" and depth(region) > 1.05:
        words.append("in perspective")
    shares = ((region.share_a, "a"), (region.share_b, "b"))
    words += [f"{_percent(share)} of {name}" for share, name in shares if share < 0.95]
    return ", ".join([*words, *_evidence_words(region.pixels)])


def _evidence_words(evidence: PixelEvidence | None) -> list[str]:
    """Describe what pixels show beyond the transform: what differs inside a copy, and a change of colour."""
    words = []
    if evidence and evidence.differences:
        n, share = len(evidence.differences), sum(one.share_a for one in evidence.differences)
        words.append(f"content differs in {n} part{'' if n == 1 else 's'} ({_percent(share)} of a)")
    if evidence and evidence.recoloured:
        before, after = evidence.recoloured
        words.append(f"recoloured from {_hexadecimal(before)} to {_hexadecimal(after)}")
    if evidence and evidence.may_be_separate and evidence.relation in ("same", "edited"):
        words.append("possibly two photographs of one flat thing")
    return words


def _hexadecimal(colour: tuple[int, int, int]) -> str:
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def _rotation_words(change: Change) -> list[str]:
    degrees = round(change.rotation)
    if change.mirrored and abs(degrees) == 180:
        return ["flipped top to bottom"]
    side = "" if abs(degrees) == 180 else " clockwise" if degrees > 0 else " anticlockwise"
    unit = "degree" if abs(degrees) == 1 else "degrees"
    words = [f"rotated {abs(degrees)} {unit}{side}"] if degrees else []
    return [*words, "mirrored"] if change.mirrored else words


def depth(region: Region) -> float:
    """Return the ratio of the largest to the smallest homogeneous weight in the shared part; 1 for an affinity."""
    weight = region.polygon_a @ region.b_from_a[2, :2] + region.b_from_a[2, 2]
    return float(weight.max() / weight.min()) if len(weight) else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
