"""Verify by pixels what keypoints propose: registered finely, do the images show the same where they lie?

Keypoints agree wherever two images share a layout, a typeface or a kind of object. Their pixels agree only where one is
a copy of the other. The part around a region is registered (`pixel_frame`, `pixel_field`), compared block by block
(`pixel_blocks`), and the agreeing blocks decide what the region is, how large, and what differs in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.images import Image
from classicvision.matching.distinct import UNDOUBTED
from classicvision.matching.evidence import Difference, PixelEvidence, Relation
from classicvision.matching.geometry import warp_points
from classicvision.matching.outline import contains, overlap_outline, polygon_area
from classicvision.matching.pixel_blocks import AGREES, DIFFERS, Blocks, compare_blocks
from classicvision.matching.pixel_cells import Plane
from classicvision.matching.pixel_colour import changed_colour
from classicvision.matching.pixel_field import find_displacement
from classicvision.matching.pixel_frame import LUMA, Box, Frame
from classicvision.matching.pixel_regions import (
    agreeing_area,
    centres,
    components,
    differing_parts,
    pixel_hull,
    shows_something_else,
    to_pixels,
)
from classicvision.matching.pixel_residual import displacement_score
from classicvision.matching.result import Region

__all__ = ["verify_region"]

Mask = NDArray[np.bool_]

LONGEST: Final = 256  # pixels along the longer side of the frame
LONGEST_GRAPHIC: Final = 1024  # the same for graphics, so that small type is resolved
SHORTEST: Final = 48  # pixels along the shorter side below which nothing is compared
MARGIN: Final = 0.15  # of the region's sides, compared around it
FEWEST: Final = 8  # agreeing and differing blocks without which pixels say nothing
LEAST_PART: Final = 8  # agreeing blocks of a part that is a region

SEPARATE: Final = 1.1  # displacement score from which images were taken separately
SAME_SCENE: Final = 0.5  # share of agreeing blocks from which they show one scene
COPIED: Final = 0.4  # the same from which a part of a continuous-tone image is a copy
COPIED_DOUBTED: Final = 0.6  # the same where keypoints leave doubts
COPIED_GRAPHIC: Final = 0.75  # the same for graphics
COVERED: Final = 0.25  # the same if what differs was added to one image, such as text
ONE_SIDED: Final = 0.8  # share of the surplus energy on one side from which something was added to it
LARGE: Final = 0.25  # share of an image from which a region is more than a few signs
FLAT: Final = 0.6  # share of pixels without gradient from which an image is a graphic
TWO_LEVELS: Final = 0.65  # share of pixels near the two commonest levels from which it is one
_NO_STEP: Final = 1.0
_NEAR_LEVEL: Final = 4  # levels


def verify_region(a: Image, b: Image, region: Region) -> tuple[Region, ...]:
    """Compare the pixels of a region that keypoints propose.

    Parameters
    ----------
    a, b : (H, W, 3) uint8
        The images.
    region : Region
        In their frames.

    Returns
    -------
    tuple of Region
        The connected parts of the region in which the images agree, largest first, with outlines, shares and evidence
        of pixels. One region with the former outline if it is not a copy, or without evidence if it is too small or
        too flat to compare.
    """
    registered = _registered(a, b, region)
    if registered is None:
        return (region,)
    blocks = registered.blocks
    if blocks.count(AGREES) + blocks.count(DIFFERS) < FEWEST:
        return (region,)
    parts = _parts(registered, region)
    relation, agreeing = _relation(registered, region, parts)
    evidence = PixelEvidence(relation, agreeing, registered.displacement)
    if relation not in ("same", "edited"):
        return (replace(region, pixels=evidence),)
    return tuple(_as_region(part, registered, region, evidence) for part in parts)


@dataclass(frozen=True, eq=False)
class _Registered:
    """The part of two images around a region, registered, and its blocks compared."""

    frame: Frame
    b: NDArray[np.float32]  # resampled through the displacement field
    blocks: Blocks
    displacement: float
    is_graphic: bool


def _registered(a: Image, b: Image, region: Region) -> _Registered | None:
    box = _box(a, b, region)
    registered = _register(a, b, region, box, LONGEST)
    if registered and registered.is_graphic and max(box[2] - box[0], box[3] - box[1]) > LONGEST:
        return _register(a, b, region, box, LONGEST_GRAPHIC)
    return registered


def _box(a: Image, b: Image, region: Region) -> Box:
    """Return the bounding box of a region with its margin, clipped to the overlap of the images."""
    low, high = region.polygon_a.min(axis=0), region.polygon_a.max(axis=0)
    margin = MARGIN * (high - low)
    (left, top), (right, bottom) = low - margin, high + margin
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    inside = _in_both(corners, a, b, region)
    (left, top), (right, bottom) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
    return left, top, right, bottom


def _in_both(polygon: NDArray[np.float64], a: Image, b: Image, region: Region) -> NDArray[np.float64]:
    near = region.polygon_a.mean(axis=0)
    return overlap_outline(polygon, region.b_from_a, a.shape[:2], b.shape[:2], near=near)


def _register(a: Image, b: Image, region: Region, box: Box, longest: int) -> _Registered | None:
    frame = Frame.of(a, b, region.b_from_a, box, longest=longest)
    if min(frame.inside.shape) < SHORTEST:
        return None
    luma, moved, inside = frame.a @ LUMA, frame.b, frame.inside
    displacement = np.zeros((*luma.shape, 2))
    for _ in range(2):
        displacement += find_displacement(luma, moved @ LUMA, inside, 1)
        moved, inside = frame.moved(b, displacement)
    blocks = compare_blocks(luma, moved @ LUMA, inside, 1)
    score = displacement_score(luma, moved @ LUMA, blocks, 1)
    return _Registered(frame, moved, blocks, score, _is_graphic(luma, moved @ LUMA))


def _is_graphic(*lumas: Plane) -> bool:
    """Return whether images are drawn rather than photographed: both mostly flat, or one mostly of two levels."""
    return all(_is_flat(luma) for luma in lumas) or any(_has_two_levels(luma) for luma in lumas)


def _is_flat(luma: Plane) -> bool:
    step = np.maximum(np.abs(np.diff(luma, axis=1))[:-1], np.abs(np.diff(luma, axis=0))[:, :-1])
    return float(np.mean(step <= _NO_STEP)) >= FLAT


def _has_two_levels(luma: Plane) -> bool:
    share = np.bincount(np.clip(luma, 0, 255).astype(np.intp).ravel(), minlength=256) / luma.size
    near = np.convolve(share, np.ones(2 * _NEAR_LEVEL + 1), "same")
    first = int(near.argmax())
    elsewhere = np.abs(np.arange(256) - first) > 2 * _NEAR_LEVEL
    return bool(near[first] + near[elsewhere].max() >= TWO_LEVELS)


@dataclass(frozen=True, eq=False)
class _Part:
    """A connected part in which two images agree."""

    blocks: Mask  # (R, C)
    filled: Mask  # blocks in its convex hull
    pixels: Mask  # (H, W)
    hull: NDArray[np.float64]  # in pixels of the frame


def _parts(registered: _Registered, region: Region) -> list[_Part]:
    """Return the parts with enough agreeing blocks that lie in the region, not only around it; largest first."""
    blocks, size = registered.blocks, registered.frame.inside.shape
    in_frame = centres(blocks.state.shape)
    in_region = contains(region.polygon_a, warp_points(in_frame, registered.frame.a_from_frame))
    found = []
    for part in components(agreeing_area(blocks)):
        agreeing = part & (blocks.state == AGREES)
        if agreeing.sum() < LEAST_PART or not (agreeing.ravel() & in_region).any():
            continue
        pixels = to_pixels(part, size) & registered.frame.inside
        hull = pixel_hull(pixels)
        found.append(_Part(part, contains(hull, in_frame).reshape(part.shape), pixels, hull))
    return sorted(found, key=lambda part: -int(part.pixels.sum()))


def _relation(registered: _Registered, region: Region, parts: list[_Part]) -> tuple[Relation, float]:
    """Return what the pixels show, and the share of blocks that agree."""
    blocks, is_graphic = registered.blocks, registered.is_graphic
    judged = blocks.inside
    if parts and not is_graphic:  # an image in a page: the page need not agree
        judged = np.logical_or.reduce([part.filled for part in parts])
    differing = [part & judged for part in differing_parts(blocks) if (part & judged).any()]
    differs = np.logical_or.reduce([np.zeros_like(judged), *differing])
    n_agree, n_differ = np.count_nonzero(judged & (blocks.state == AGREES)), np.count_nonzero(differs)
    agreeing = float(n_agree / max(n_agree + n_differ, 1))
    least = _least(blocks.surplus[differs], is_graphic=is_graphic)
    if region.significance < UNDOUBTED:
        least = max(least, COPIED_DOUBTED)
    is_enough = bool(parts) and agreeing >= least
    if is_graphic and not (is_enough and _is_more_than_signs(region)):
        return "template", agreeing
    if registered.displacement >= SEPARATE:
        return ("same scene" if agreeing >= SAME_SCENE else "unlike"), agreeing
    if not is_enough:
        return "unlike", agreeing
    return ("edited" if any(shows_something_else(part, blocks) for part in differing) else "same"), agreeing


def _least(surplus: NDArray[np.float64], *, is_graphic: bool) -> float:
    """Return the share of agreeing blocks from which a part is a copy, by the surplus of those that differ."""
    if abs(float(surplus.sum())) >= ONE_SIDED * float(np.abs(surplus).sum()):
        return COVERED
    return COPIED_GRAPHIC if is_graphic else COPIED


def _is_more_than_signs(region: Region) -> bool:
    """Return whether a drawn region is more than a few letters, notes or symbols, which unrelated pages share too."""
    return region.significance >= UNDOUBTED or max(region.share_a, region.share_b) >= LARGE


def _as_region(part: _Part, registered: _Registered, region: Region, evidence: PixelEvidence) -> Region:
    """Return a part as a region, with its share, and what differs inside it."""
    frame = registered.frame
    area_a = float(np.linalg.det(frame.a_from_frame[:2, :2]))  # of a pixel of the frame
    differences = tuple(
        _difference(found, frame, region, area_a)
        for found in (one & part.filled for one in differing_parts(registered.blocks))
        if found.any() and shows_something_else(found, registered.blocks)
    )
    polygon_a = warp_points(part.hull, frame.a_from_frame)
    polygon_b = warp_points(polygon_a, region.b_from_a)
    covered = float(part.pixels.sum()) * area_a
    magnified = polygon_area(polygon_b) / max(polygon_area(polygon_a), 1e-9)
    return replace(
        region,
        polygon_a=polygon_a,
        polygon_b=polygon_b,
        share_a=min(covered / frame.area_a, 1.0),
        share_b=min(covered * magnified / frame.area_b, 1.0),
        pixels=replace(
            evidence,
            differences=differences,
            recoloured=changed_colour(frame.a, registered.b, part.blocks),
        ),
    )


def _difference(blocks: Mask, frame: Frame, region: Region, area_a: float) -> Difference:
    pixels = to_pixels(blocks, frame.inside.shape) & frame.inside
    polygon = warp_points(pixel_hull(pixels), frame.a_from_frame)
    share = float(pixels.sum()) * area_a / frame.area_a
    return Difference(polygon, warp_points(polygon, region.b_from_a), share)
