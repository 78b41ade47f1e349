"""Where false matches come from: text, bricks, facades, flags, frames and logos."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest

from classicvision.images import read_image
from classicvision.matching.pair import match_features
from classicvision.matching.settings import MATCHING_SIFT
from classicvision.synthetic.lookalikes import LOOKALIKES

N_IMAGES = 9  # 36 pairs per kind


@pytest.fixture(scope="module")
def photographs(shared):
    """Return eight photographs of different subjects, of equal size."""
    paths = sorted((shared / "data" / "coco128").glob("*.jpg"))[:8]
    return [cv2.resize(read_image(path), (480, 360), interpolation=cv2.INTER_AREA) for path in paths]


def framed(photograph):
    """Put a photograph into an ornate frame, the same for all."""
    rng = np.random.default_rng(0)
    canvas = rng.integers(0, 256, (36, 48, 3), dtype=np.uint8).repeat(12, axis=0).repeat(12, axis=1)
    canvas[40:-40, 40:-40] = cv2.resize(photograph, (496, 352), interpolation=cv2.INTER_AREA)
    return canvas


def marked(photograph):
    """Overlay a logo, the same for all, at the lower right."""
    logo = np.random.default_rng(1).integers(0, 256, (10, 16, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    copy = photograph.copy()
    copy[-90:-10, -140:-12] = logo
    return copy


def captioned(photograph):
    """Write a line of text at the top and one at the bottom, the same for all."""
    copy = photograph.copy()
    for text, row in (("ONE DOES NOT SIMPLY", 45), ("COPY A PHOTOGRAPH", 340)):
        for colour, width in (((0, 0, 0), 6), ((255, 255, 255), 2)):
            cv2.putText(copy, text, (14, row), cv2.FONT_HERSHEY_DUPLEX, 1.3, colour, width, cv2.LINE_AA)
    return copy


def results(images):
    features = [MATCHING_SIFT(image) for image in images]
    return [match_features(a, b) for a, b in combinations(features, 2)]


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_lookalike_images_are_not_copies(kind):
    images = [LOOKALIKES[kind](np.random.default_rng([99, number])) for number in range(N_IMAGES)]
    assert [result.score for result in results(images) if result.verdict == "copy"] == []


@pytest.mark.parametrize(("seed", "a", "b"), [(7, 9, 18), (11, 0, 3)])
def test_the_corners_of_two_crosses_are_not_significant(seed, a, b):
    """Four corners at several scales each: 28 and 37 keypoints in total, and 25 and 22."""
    flags = [MATCHING_SIFT(LOOKALIKES["flags"](np.random.default_rng([seed, number]))) for number in (a, b)]
    assert match_features(*flags).score < 10


def test_photographs_in_the_same_frame_share_only_the_frame(photographs):
    features = [MATCHING_SIFT(framed(photograph)) for photograph in photographs]
    for a, b in combinations(features, 2):
        for region in match_features(a, b).regions:
            xy = a.xy[region.pairs[:, 0]]
            # Keypoints within their own size of the frame belong to it.
            inside = ((xy > (60, 60)) & (xy < (576 - 60, 432 - 60))).all(axis=1)
            assert inside.mean() < 0.05
            assert np.abs(region.polygon_b - region.polygon_a).max() < 3


def test_photographs_with_the_same_logo_share_only_the_logo(photographs):
    found = results([marked(photograph) for photograph in photographs])
    assert {result.verdict for result in found} == {"copy"}
    # The logo covers 128 x 80 of 480 x 360 pixels, 6 %; keypoints on its border reach beyond it.
    shares = [max(region.share_a, region.share_b) for result in found for region in result.regions]
    assert max(shares) < 0.12


def test_photographs_with_the_same_captions_do_not_share_the_part_between(photographs):
    found = results([captioned(photograph) for photograph in photographs])
    assert {result.verdict for result in found} == {"copy"}
    # Letters reach from row 14 to 45 and from 309 to 340 of 360; keypoints on them beyond.
    middle = [
        region.polygon_a[:, 1].min() < 100 and region.polygon_a[:, 1].max() > 260 for r in found for region in r.regions
    ]
    assert np.mean(middle) < 0.25  # usually 0.03; it depends on the font
