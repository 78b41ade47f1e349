"""A transform in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classicvision.matching.geometry import jacobian, mirror
from classicvision.matching.result import Region

__all__ = ["describe"]


def describe(region: Region, size_a: tuple[int, int], size_b: tuple[int, int]) -> str:
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
    flat = mirror(size_a[1]) if region.is_mirrored else np.eye(3)
    b_from_flat = region.b_from_a @ flat  # a mirror is its own inverse
    middle = region.polygon_a.mean(axis=0) if len(region.polygon_a) else np.zeros(2)
    middle = flat[:2, :2] @ middle + flat[:2, 2]
    j = np.reshape(jacobian(b_from_flat, *middle), (2, 2))
    large, small = np.linalg.svd(j, compute_uv=False)
    words = [f"scale {np.sqrt(large * small):.2f}", *_turned(j, region.is_mirrored)]
    if large > 1.05 * small:
        words.append(f"stretched {large / small:.2f} times")
    if region.kind == "homography" and _is_perspective(region):
        words.append("in perspective")
    shares = ((region.share_a, "a"), (region.share_b, "b"))
    words += [f"{_percent(share)} of {name}" for share, name in shares if share < 0.95]
    return ", ".join(words)


def _turned(j: NDArray[np.float64], is_mirrored: bool) -> list[str]:
    degrees = round(float(np.degrees(np.arctan2(j[1, 0] - j[0, 1], j[0, 0] + j[1, 1]))))
    if is_mirrored and abs(degrees) == 180:
        return ["flipped top to bottom"]
    side = "" if abs(degrees) == 180 else " clockwise" if degrees > 0 else " anticlockwise"
    turned = [f"rotated {abs(degrees)} degrees{side}"] if degrees else []
    return [*turned, "mirrored"] if is_mirrored else turned


def _is_perspective(region: Region) -> bool:
    """Tell whether near and far ends of the shared part differ in scale by more than a twentieth."""
    weight = region.polygon_a @ region.b_from_a[2, :2] + region.b_from_a[2, 2]
    return bool(len(weight) and weight.max() > 1.05 * weight.min())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"
