"""Compare whole images where keypoints do not decide: the perceptual hash proposes, the pixels decide.

A whole image is recognised after compression, blur, resizing, changes of brightness, reflection and rotation by right
angles, but neither a part of it nor a collage that contains it. The verdict is therefore `copy` or `cannot decide`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classicvision.features.phash import HASH_SIZE, SYMMETRIES, pack_signs, symmetric_hashes
from classicvision.images import Image
from classicvision.matching.hash_candidates import HashTable
from classicvision.matching.result import MatchResult, Orientation
from classicvision.matching.whole_image import WholeImageMatch, compare_pixels, is_rich, symmetric_image

__all__ = [
    "CONCLUSIVE_KEYPOINTS",
    "HASH_THRESHOLD",
    "WholeView",
    "compare_hashes",
    "compare_views",
    "has_enough_coefficients",
    "hash_significance",
    "is_settled",
    "symmetric_significance",
]

CONCLUSIVE_KEYPOINTS: Final = 60
"""Keypoints that both images need for "no evidence" to say something. Of copies rotated by 10 degrees, halved, cropped
to a half or saved as JPEG 40, made of photographs, blurred photographs, icons, letters, flags, shapes and drawings,
keypoints found 28 % where the smaller number was 12 to 16, 81 % at 30 to 40, 92 % at 60 to 100, and all above 100."""

SHARE_OF_ALL: Final = 0.9  # of the area of an image from which a region shows all of it
MIN_BLUR: Final = 0.9  # thumbnail pixels: relative blur by which keypoints fail
MAX_SYMMETRIES: Final = 3  # that are compared by pixels: a symmetric hash agrees under several

HASH_THRESHOLD: Final = 10.0
"""Significance from which two hashes are too much alike for "no evidence". Among 1,463,292 pairs of unrelated
photographs (BSDS500, Caltech-101 and a fifth of Scene-15, across classes), 1 in 1,000 exceeded 3.3, 1 in 100,000
exceeded 6.4, and the highest was 8.1; it was 8.6 after blurring by a thirtieth of the longer side, and 7.4 as icons of
24 x 24. At least 37 coefficients are needed to reach 10."""


@dataclass(frozen=True, eq=False)
class WholeView:
    """What is compared of a whole image.

    Attributes
    ----------
    signature : (256,) float32
        As `PerceptualHash` returns it.
    thumbnail : (h, w, 3) uint8
        The image, or a thumbnail whose longer side has `THUMBNAIL_SIDE` pixels.
    image_size : (height, width)
        Of the image, in pixels.
    n_keypoints : int
    """

    signature: NDArray[np.float32]
    thumbnail: Image
    image_size: tuple[int, int]
    n_keypoints: int


def compare_views(a: WholeView, b: WholeView, *, orientation: Orientation = "both") -> MatchResult:
    """Compare two whole images: under the symmetries that their hashes propose, by their pixels.

    Parameters
    ----------
    a, b : WholeView
    orientation : {"both", "direct"}
        "direct" compares them only as they are.

    Returns
    -------
    MatchResult
        With method ``signature`` and no regions; its score is the significance of the hashes. The verdict is ``copy``
        if structure and colours agree. It is ``cannot decide`` if they differ, since parts may still be shared; if the
        colours alone differ, as in a recoloured copy and in flags of one pattern; and if signs, which often are mirror
        images of each other, agree only when mirrored or rotated.
    """
    undecided = compare_hashes(
        a.signature, b.signature, image_sizes=(a.image_size, b.image_size), n_keypoints=(a.n_keypoints, b.n_keypoints)
    )
    table = HashTable.of(pack_signs(b.signature)[np.newaxis], np.array([b.image_size], np.int64))
    proposed = [found.symmetry for found in table.candidates(pack_signs(a.signature), a.image_size)]
    if orientation == "direct":
        proposed = [symmetry for symmetry in proposed if symmetry == 0]
    best = undecided
    for symmetry in sorted(proposed, key=bool)[:MAX_SYMMETRIES]:
        found = compare_pixels(symmetric_image(a.thumbnail, symmetry), b.thumbnail)
        result = _of_pixels(
            found, symmetry, undecided, rich=symmetry == 0 or (is_rich(a.thumbnail) and is_rich(b.thumbnail))
        )
        if result.verdict == "copy":
            return result
        best = result if best is undecided else best
    return best


def is_settled(result: MatchResult) -> bool:
    """Tell whether a pair of which keypoints show a part need not be compared as a whole.

    It need not if keypoints are enough, or show both images as a whole. Of signs, which have few, they often show a
    part of a copy, and a mirrored one of a symmetric sign, where the images are equal.
    """
    found = [region for region in result.regions if min(region.share_a, region.share_b) >= SHARE_OF_ALL]
    shows_all = len(found) == len(result.regions) == 1 and not found[0].is_mirrored
    return result.verdict == "copy" and (shows_all or min(result.n_keypoints) >= CONCLUSIVE_KEYPOINTS)


def _of_pixels(found: WholeImageMatch, symmetry: int, undecided: MatchResult, *, rich: bool) -> MatchResult:
    """Return the result for a pair of thumbnails, one of them under a symmetry."""
    structure = f"{100 * found.agreeing:.0f} % of the structure agrees"
    colours = f"mean colours differ by up to {found.colour:.0f} of 255 levels"
    if min(undecided.n_keypoints) >= CONCLUSIVE_KEYPOINTS and found.blur < MIN_BLUR:
        return undecided  # equally sharp: keypoints see differences that a thumbnail does not show
    if found.relation == "same" and rich:
        reason = f"as a whole b is a {SYMMETRIES[symmetry]}: {structure}, {colours}"
        return replace(undecided, verdict="copy", reason=reason)
    if found.relation == "same":
        reason = (
            f"as a whole b is like a {SYMMETRIES[symmetry]}, but different signs may be mirror images of each other"
        )
        return replace(undecided, reason=reason)
    if found.relation == "recoloured":
        reason = f"as a whole b has the structure of a in other colours, recoloured or another sign: {colours}"
        return replace(undecided, reason=reason)
    return undecided


def compare_hashes(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    *,
    image_sizes: tuple[tuple[int, int], tuple[int, int]],
    n_keypoints: tuple[int, int] = (0, 0),
) -> MatchResult:
    """Compare two whole images by their hashes alone, which decide nothing: different signs can have equal hashes.

    Parameters
    ----------
    a, b : (256,) float32
        As returned by `PerceptualHash`.
    image_sizes : ((height, width), (height, width))
        Sizes of a and of b in pixels.
    n_keypoints : (int, int)
        Number of keypoints of a and of b.

    Returns
    -------
    MatchResult
        With method ``signature``, no regions and the verdict ``cannot decide``; its score is the significance.
    """
    significance, _, n_agree, n_compared = _best_agreement(a, b[np.newaxis])
    agreement = f"{int(n_agree[0])} of {int(n_compared[0])} low DCT coefficients agree"
    few = f"too few keypoints ({n_keypoints[0]} and {n_keypoints[1]})"
    if _most_significant(int(n_compared[0])) < HASH_THRESHOLD:
        reason = f"{few}, and too little structure to compare them as a whole: {agreement}"
    else:
        reason = f"{few}, and as a whole they differ: {agreement}"
    return MatchResult(
        verdict="cannot decide",
        method="signature",
        regions=(),
        score=float(significance[0]),
        n_keypoints=n_keypoints,
        n_matches=0,
        image_sizes=image_sizes,
        reason=reason,
    )


def has_enough_coefficients(image_hash: NDArray[np.float32]) -> bool:
    """Return whether a hash has enough non-zero signs to reach the threshold; uniform images and ramps do not."""
    return _most_significant(int(np.abs(image_hash).sum())) >= HASH_THRESHOLD


def hash_significance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the significance that image a is the whole image b, under the best of eight symmetries, for N images b.

    Parameters
    ----------
    a : (256,) float32
    b : (N, 256) float32

    Returns
    -------
    (N,) float64
        -log10 of the expected number, among eight symmetries, of agreements as good as the best one by chance. Under
        the background model each of the n signs that are non-zero in both hashes agrees with probability 1/2, so
        P = sum_{k <= d} C(n, k) / 2^n for d signs that differ. At least 0.
    """
    return _best_agreement(a, b)[0]


def symmetric_significance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the significance under each of the eight symmetries of a, (N, 8); see `hash_significance`."""
    return np.maximum(_agreements(a, b)[0], 0)


def _agreements(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """Return significance, number of equal signs and number of signs compared, (N, 8), for b (N, 256)."""
    versions = symmetric_hashes(a)
    n_compared = np.rint(np.abs(b) @ np.abs(versions).T).astype(np.intp)  # (N, 8)
    n_agree = (n_compared + np.rint(b @ versions.T).astype(np.intp)) // 2
    significance = _significance()[n_compared, n_compared - n_agree] - np.log10(len(versions))
    return significance, n_agree, n_compared


def _best_agreement(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return significance, best symmetry, number of equal signs and number compared, (N,), for b (N, 256)."""
    significance, n_agree, n_compared = _agreements(a, b)
    best = significance.argmax(axis=1)
    rows = np.arange(len(b))
    return np.maximum(significance[rows, best], 0), best, n_agree[rows, best], n_compared[rows, best]


def _most_significant(n_compared: int) -> float:
    return float(_significance()[n_compared, 0] - np.log10(len(SYMMETRIES)))


@cache
def _significance() -> NDArray[np.float64]:
    """Return the (257, 257) table of -log10 P[Binomial(n, 1/2) <= d] for n, d up to 256."""
    table = np.zeros((HASH_SIZE + 1, HASH_SIZE + 1))
    probability = np.zeros(HASH_SIZE + 1)
    probability[0] = 1
    for n in range(1, HASH_SIZE + 1):
        probability[1:] = (probability[1:] + probability[:-1]) / 2  # Pascal's triangle, halved row by row
        probability[0] /= 2
        table[n] = -np.log10(np.minimum(np.cumsum(probability), 1))
    table.flags.writeable = False
    return table
