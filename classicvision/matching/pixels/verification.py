"""Verify by pixels what keypoints propose.

Keypoints agree wherever two images share a layout, a typeface or a kind of object. Their pixels agree only where one is
a copy of the other. The part around a region is registered (`frame`, `displacement`), compared block by block
(`blocks`), and the agreeing blocks decide what the region is, how large, and what differs in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.local import LocalFeatures
from classicvision.images import Image
from classicvision.matching.distinct import UNDOUBTED
from classicvision.matching.evidence import Difference, PixelEvidence, Relation
from classicvision.matching.geometry import warp_points
from classicvision.matching.outline import contains, polygon_area
from classicvision.matching.pixels.areas import (
    agreeing_area,
    centres,
    components,
    differing_parts,
    grown,
    pixel_hull,
    shows_something_else,
    to_pixels,
)
from classicvision.matching.pixels.blocks import AGREES, DIFFERS, Blocks
from classicvision.matching.pixels.colour import changed_colour
from classicvision.matching.pixels.frame import Frame
from classicvision.matching.pixels.registration import Registered, register_region
from classicvision.matching.result import MatchResult, Region, Verdict

__all__ = ["verify_by_pixels"]

Mask = NDArray[np.bool_]

FEWEST: Final = 8  # agreeing and differing blocks without which pixels say nothing
SEAM: Final = 3  # pixels by which the gradient of a seam makes its neighbours differ
FEWEST_INLIERS: Final = 4  # of a part that is a region
LEAST_PART: Final = 8  # agreeing blocks of a part that is a region

SEPARATE: Final = 1.05  # displacement score from which images were taken separately
SEPARATE_PARTS: Final = 0.7  # the same where much differs, as before one background
LARGELY: Final = 0.7  # share of agreeing blocks from which little differs
SAME_SCENE: Final = 0.5  # share of agreeing blocks from which they show one scene
COPIED: Final = 0.4  # the same from which a part of a continuous-tone image is a copy
COPIED_DOUBTED: Final = 0.6  # the same where keypoints leave doubts
COPIED_GRAPHIC: Final = 0.75  # the same for graphics
COVERED: Final = 0.25  # the same if what differs was added to one image, such as text
ONE_SIDED: Final = 0.8  # share of the surplus energy on one side from which something was added to it
NEARLY_ALL: Final = 0.95  # share of blocks that agree outside an overlay
MOSTLY: Final = 0.55  # the same of all blocks
SOLID: Final = 0.9  # share of its hull that an overlay fills
WORDS: Final = 0.05  # share below which a drawn region may be some words or labels
SEVERAL_WORDS: Final = 150.0  # significance from which such a region is more, such as a logo
LARGE: Final = 0.25  # share of an image from which a region is more than a few signs
COPIES: Final = ("same", "edited")
_NOT_COPIED: Final = {
    "same scene": "the images show the same, but every detail is displaced on its own, as in two photographs of one "
    "scene or printed thing",
    "template": "the layout agrees, the content does not",
    "unlike": "keypoints agree on a transform, but the pixels do not",
}


def verify_by_pixels(
    image_a: Image, image_b: Image, a: LocalFeatures, b: LocalFeatures, result: MatchResult
) -> MatchResult:
    """Verify a copy that keypoints propose by the pixels of both images.

    Parameters
    ----------
    image_a, image_b : (H, W, 3) uint8
        The images.
    a, b : LocalFeatures
        Their keypoints, in the frames of the images.
    result : MatchResult
        Of `match_features` for these keypoints; one that is not a copy by keypoints is returned as it is.

    Returns
    -------
    MatchResult
        A copy with the parts in which the pixels agree as its regions; ``related`` if only the layout agrees, or if
        both show the same but were taken separately; or ``no evidence`` if the pixels do not agree. Regions that are
        too small or too flat to compare are a copy from a significance of 60 on, and related below it, unless the
        pixels of another region disagree.

    Examples
    --------
    >>> from classicvision import MATCHING_SIFT, match_features, read_image, verify_by_pixels
    >>> image = read_image("data/copies/library/coffee.jpg")
    >>> edited = image.copy()
    >>> edited[40:100, 60:140] = read_image("data/copies/library/cat.jpg")[60:120, 60:140]
    >>> a, b = MATCHING_SIFT(image), MATCHING_SIFT(edited)
    >>> result = verify_by_pixels(image, edited, a, b, match_features(a, b))
    >>> result.verdict, result.regions[0].pixels.relation, len(result.regions[0].pixels.differences)
    ('copy', 'edited', 1)
    """
    if result.verdict != "copy" or result.method != "keypoints":
        return result
    regions = [part for region in result.regions for part in _verified(image_a, image_b, a, region)]
    copied = [region for region in regions if region.pixels and region.pixels.relation in COPIES]
    unverified = [region for region in regions if region.pixels is None]
    sure = tuple(region for region in unverified if region.significance >= UNDOUBTED)
    if len(unverified) == len(regions):
        verdict: Verdict = "copy" if sure else "related"
        return replace(
            result, verdict=verdict, reason=f"{result.reason}; too small or too flat to compare their pixels"
        )
    if copied:
        return replace(result, regions=(*copied, *sure), reason=_explanation(copied))
    for relation in ("same scene", "template"):
        found = tuple(region for region in regions if region.pixels and region.pixels.relation == relation)
        if found:
            return replace(result, verdict="related", regions=found, reason=_NOT_COPIED[relation])
    return replace(result, verdict="no evidence", regions=(), reason=_NOT_COPIED["unlike"])


def _verified(image_a: Image, image_b: Image, a: LocalFeatures, region: Region) -> tuple[Region, ...]:
    """Return the connected parts of a region in which the images agree, largest first.

    One region with the former outline if it is not a copy, or without evidence if it is too small or too flat to
    compare.
    """
    if region.is_inverted:
        image_b = 255 - image_b
    registered = register_region(image_a, image_b, region)
    if registered is None:
        return (region,)
    blocks = registered.blocks
    if blocks.count(AGREES) + blocks.count(DIFFERS) < FEWEST:
        return (region,)
    parts = _parts(registered, region, a)
    relation, agreeing = _relation(registered, region, parts)
    evidence = PixelEvidence(relation, agreeing, registered.displacement)
    if relation != "same":
        return (replace(region, pixels=evidence),)
    return tuple(_as_region(part, registered, region, evidence, image_b) for part in parts)


@dataclass(frozen=True, eq=False)
class _Part:
    """A connected part in which two images agree."""

    blocks: Mask  # (R, C)
    filled: Mask  # blocks in its convex hull
    pixels: Mask  # (H, W)
    hull: NDArray[np.float64]  # in pixels of the frame
    pairs: NDArray[np.int32]  # inliers that lie in it, as in `Region`


def _parts(registered: Registered, region: Region, a: LocalFeatures) -> list[_Part]:
    """Return the parts with enough agreeing blocks and inliers, largest first."""
    blocks, size = registered.blocks, registered.frame.shape
    in_frame, frame_from_a = centres(blocks.state.shape), np.linalg.inv(registered.frame.a_from_frame)
    inliers = warp_points(a.xy[region.pairs[:, 0]].astype(np.float64), np.asarray(frame_from_a, np.float64))
    found = []
    for part in components(agreeing_area(blocks)):
        pixels = grown(to_pixels(part, size), SEAM) & registered.frame.inside
        hull = pixel_hull(pixels)
        pairs = region.pairs[contains(hull, inliers)]
        if np.count_nonzero(part & (blocks.state == AGREES)) >= LEAST_PART and len(pairs) >= FEWEST_INLIERS:
            found.append(_Part(part, contains(hull, in_frame).reshape(part.shape), pixels, hull, pairs))
    return sorted(found, key=lambda part: -int(part.pixels.sum()))


def _relation(registered: Registered, region: Region, parts: list[_Part]) -> tuple[Relation, float]:
    """Return what the pixels show, and the share of blocks that agree."""
    blocks, is_graphic = registered.blocks, registered.is_graphic
    judged = blocks.inside
    if parts and not is_graphic:  # an image in a page: the page need not agree
        judged = np.logical_or.reduce([part.filled for part in parts])
    differing = [part & judged for part in differing_parts(blocks) if (part & judged).any()]
    if is_graphic and region.significance >= UNDOUBTED and differing and _is_overlay(differing, judged, blocks):
        differing = differing[1:]
    differs = np.logical_or.reduce([np.zeros_like(judged), *differing])
    n_agree, n_differ = int((judged & (blocks.state == AGREES)).sum()), int(differs.sum())
    agreeing = n_agree / max(n_agree + n_differ, 1)
    least = _least(blocks.surplus[differs], is_graphic=is_graphic)
    if region.significance < UNDOUBTED:
        least = max(least, COPIED_GRAPHIC if is_graphic else COPIED_DOUBTED)
    is_enough = bool(parts) and agreeing >= least
    if is_graphic and not (is_enough and _is_more_than_signs(region)):
        return "template", agreeing
    separate = SEPARATE if agreeing >= LARGELY else SEPARATE_PARTS
    if registered.displacement >= separate:
        return ("same scene" if agreeing >= SAME_SCENE else "unlike"), agreeing
    if not is_enough:
        return "unlike", agreeing
    return "same", agreeing


def _least(surplus: NDArray[np.float64], *, is_graphic: bool) -> float:
    """Return the share of agreeing blocks from which a part is a copy, by the surplus of those that differ."""
    if _is_one_sided(surplus):
        return COVERED
    return COPIED_GRAPHIC if is_graphic else COPIED


def _is_overlay(differing: list[Mask], judged: Mask, blocks: Blocks) -> bool:
    """Return whether the largest differing part of a drawing was laid over it, such as a caption or a banner.

    It was added to one image, or is a solid part while nearly everything else agrees. What differs between two
    drawings of one layout is scattered, or most of them.
    """
    largest, *rest = differing
    if _is_one_sided(blocks.surplus[largest]):
        return True
    n_agree, n_differ = int((judged & (blocks.state == AGREES)).sum()), sum(int(part.sum()) for part in rest)
    agrees_elsewhere = n_agree >= NEARLY_ALL * (n_agree + n_differ)
    hull = contains(pixel_hull(largest), np.argwhere(np.ones_like(largest))[:, ::-1].astype(np.float64))
    is_solid = float(largest.sum()) >= SOLID * float(hull.sum())
    return agrees_elsewhere and is_solid and n_agree >= MOSTLY * (n_agree + n_differ + int(largest.sum()))


def _is_one_sided(surplus: NDArray[np.float64]) -> bool:
    """Return whether what differs was added to one image, rather than replaced."""
    return abs(float(surplus.sum())) >= ONE_SIDED * float(np.abs(surplus).sum())


def _is_more_than_signs(region: Region) -> bool:
    """Return whether a drawn region is more than a few letters, notes or symbols, which unrelated pages share too."""
    share = max(region.share_a, region.share_b)
    return share >= LARGE or region.significance >= (UNDOUBTED if share >= WORDS else SEVERAL_WORDS)


def _as_region(part: _Part, registered: Registered, region: Region, evidence: PixelEvidence, image_b: Image) -> Region:
    """Return a part as a region, with its share, and what differs inside it."""
    frame = registered.frame
    area_a = float(np.linalg.det(frame.a_from_frame[:2, :2]))  # of a pixel of the frame
    proposed = contains(region.polygon_a, warp_points(centres(part.blocks.shape), frame.a_from_frame))
    judged = part.filled | proposed.reshape(part.blocks.shape)
    differing = (one & judged for one in differing_parts(registered.blocks))
    differences = tuple(
        _difference(found, frame, region, area_a)
        for found in differing
        if found.any() and shows_something_else(found, registered.blocks)
    )
    polygon_a = warp_points(part.hull, frame.a_from_frame)
    polygon_b = warp_points(polygon_a, region.b_from_a)
    covered = float(part.pixels.sum()) * area_a
    magnified = polygon_area(polygon_b) / max(polygon_area(polygon_a), 1e-9)
    return replace(
        region,
        pairs=part.pairs,
        polygon_a=polygon_a,
        polygon_b=polygon_b,
        share_a=min(covered / frame.area_a, 1.0),
        share_b=min(covered * magnified / frame.area_b, 1.0),
        pixels=replace(
            evidence,
            relation="edited" if differences else "same",
            differences=differences,
            recoloured=changed_colour(frame.a, frame.of_b(image_b, registered.displacement_field)[0], part.blocks),
        ),
    )


def _difference(blocks: Mask, frame: Frame, region: Region, area_a: float) -> Difference:
    pixels = ~grown(to_pixels(~blocks, frame.shape), SEAM) & frame.inside
    if not pixels.any():  # narrower than two seams
        pixels = to_pixels(blocks, frame.shape) & frame.inside
    polygon = warp_points(pixel_hull(pixels), frame.a_from_frame)
    share = float(pixels.sum()) * area_a / frame.area_a
    return Difference(polygon, warp_points(polygon, region.b_from_a), share)


def _explanation(copied: list[Region]) -> str:
    evidence = [region.pixels for region in copied if region.pixels]
    agreeing = min(one.agreeing for one in evidence)
    return f"the pixels agree in {100 * agreeing:.0f} % of the blocks that show something"
