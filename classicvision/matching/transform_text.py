"""A transform in numbers and in words that say what became of a picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.geometry import jacobian
from classicvision.matching.result import Region

__all__ = ["Change", "decompose", "depth", "describe_region"]


class Change(NamedTuple):
    """What a transform does to a picture at one place: first it may mirror it left to right, then it turns it."""

    scale: float  # root of the factor of areas
    rotation: float  # degrees in (-180, 180], clockwise on the screen
    mirrored: bool
    stretch: float  # ratio of the axes of the ellipse that a circle becomes, at least 1


def decompose(b_from_a: NDArray[np.float64], xy: tuple[float, float]) -> Change:
    """Say what a transform (3, 3) does at a point of a, in pixels."""
    p, q, r, s = jacobian(b_from_a, *xy)
    mirrored = p * s - q * r < 0
    if mirrored:  # take the mirror out: J diag(-1, 1) is what follows it
        p, r = -p, -r
    large, small = np.linalg.svd([[p, q], [r, s]], compute_uv=False)
    rotation = math.degrees(math.atan2(r - q, p + s))
    return Change(float(np.sqrt(large * small)), rotation, mirrored, float(large / max(small, 1e-12)))


def describe_region(region: Region, size_a: tuple[int, int], size_b: tuple[int, int]) -> str:
    """Return what became of picture a in words: ``scale 0.50, rotated 90 degrees clockwise, mirrored, 31 % of a``.

    Parameters
    ----------
    region : Region
    size_a, size_b : (height, width)
        Of the pictures, in pixels.

    Returns
    -------
    str
        Scale; rotation as seen on the screen, after a mirror left to right if there is one; mirror; stretch or
        perspective; and how much of each picture is shared, where it is not all.
    """
    height, width = size_a
    outline = region.polygon_a if len(region.polygon_a) else np.array([[width - 1, height - 1]]) / 2
    x, y = outline.mean(axis=0).tolist()
    change = decompose(region.b_from_a, (x, y))
    words = [f"scale {change.scale:.2f}", *_turned(change)]
    if change.stretch > 1.05:
        words.append(f"stretched {change.stretch:.2f} times")
    if region.kind == "homography" and depth(region) > 1.05:
        words.append("in perspective")
    shares = ((region.share_a, "a"), (region.share_b, "b"))
    words += [f"{_percent(share)} of {name}" for share, name in shares if share < 0.95]
    return ", ".join(words)


def _turned(change: Change) -> list[str]:
    degrees = round(change.rotation)
    if change.mirrored and abs(degrees) == 180:
        return ["flipped top to bottom"]
    side = "" if abs(degrees) == 180 else " clockwise" if degrees > 0 else " anticlockwise"
    unit = "degree" if abs(degrees) == 1 else "degrees"
    turned = [f"rotated {abs(degrees)} {unit}{side}"] if degrees else []
    return [*turned, "mirrored"] if change.mirrored else turned


def depth(region: Region) -> float:
    """Return how much larger the near end of the shared part is than its far end; 1 for an affinity."""
    weight = region.polygon_a @ region.b_from_a[2, :2] + region.b_from_a[2, 2]
    return float(weight.max() / weight.min()) if len(weight) else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
