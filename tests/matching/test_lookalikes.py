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

N_PICTURES = 9  # 36 pairs of a kind


@pytest.fixture(scope="module")
def photographs(shared):
    """Return eight photographs of different things, of one size."""
    paths = sorted((shared / "data" / "coco128").glob("*.jpg"))[:8]
    return [cv2.resize(read_image(path), (480, 360), interpolation=cv2.INTER_AREA) for path in paths]


def framed(photo):
    """Put a photograph into one ornate frame, the same for all."""
    rng = np.random.default_rng(0)
    canvas = rng.integers(0, 256, (36, 48, 3), dtype=np.uint8).repeat(12, axis=0).repeat(12, axis=1)
    canvas[40:-40, 40:-40] = cv2.resize(photo, (496, 352), interpolation=cv2.INTER_AREA)
    return canvas


def marked(photo):
    """Print one logo, the same for all, over the lower right corner."""
    logo = np.random.default_rng(1).integers(0, 256, (10, 16, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    copy = photo.copy()
    copy[-90:-10, -140:-12] = logo
    return copy


def captioned(photo):
    """Write one line above and one below, the same for all."""
    copy = photo.copy()
    for text, row in (("ONE DOES NOT SIMPLY", 45), ("COPY A PHOTOGRAPH", 340)):
        for colour, width in (((0, 0, 0), 6), ((255, 255, 255), 2)):
            cv2.putText(copy, text, (14, row), cv2.FONT_HERSHEY_DUPLEX, 1.3, colour, width, cv2.LINE_AA)
    return copy


def results(pictures):
    features = [MATCHING_SIFT(picture) for picture in pictures]
    return [match_features(a, b) for a, b in combinations(features, 2)]


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_pictures_that_look_alike_are_no_copies(kind):
    pictures = [LOOKALIKES[kind](np.random.default_rng([99, number])) for number in range(N_PICTURES)]
    assert [result.score for result in results(pictures) if result.verdict == "copy"] == []


@pytest.mark.parametrize(("seed", "a", "b"), [(7, 9, 18), (11, 0, 3)])
def test_the_corners_of_two_crosses_are_no_evidence(seed, a, b):
    """Four corners, each seen at several scales: 28 and 37 keypoints in all, and 25 and 22."""
    flags = [MATCHING_SIFT(LOOKALIKES["flags"](np.random.default_rng([seed, number]))) for number in (a, b)]
    assert match_features(*flags).score < 10


def test_photographs_in_the_same_frame_share_the_frame_at_most(photographs):
    features = [MATCHING_SIFT(framed(photo)) for photo in photographs]
    for a, b in combinations(features, 2):
        for region in match_features(a, b).regions:
            xy = a.xy[region.pairs[:, 0]]
            # Keypoints as near to the frame as they are large belong to it.
            inside = ((xy > (60, 60)) & (xy < (576 - 60, 432 - 60))).all(axis=1)
            assert inside.mean() < 0.05
            assert np.abs(region.polygon_b - region.polygon_a).max() < 3


def test_photographs_with_the_same_logo_share_the_logo_and_no_more(photographs):
    found = results([marked(photo) for photo in photographs])
    assert {result.verdict for result in found} == {"copy"}
    # The logo covers 128 x 80 of 480 x 360 pixels, 6 %; keypoints on its border reach beyond it.
    shares = [max(region.share_a, region.share_b) for result in found for region in result.regions]
    assert max(shares) < 0.12


def test_photographs_with_the_same_captions_share_the_captions_and_not_what_lies_between(photographs):
    found = results([captioned(photo) for photo in photographs])
    assert {result.verdict for result in found} == {"copy"}
    # Letters reach from row 14 to 45 and from 309 to 340 of 360; keypoints on them beyond.
    middle = [
        region.polygon_a[:, 1].min() < 100 and region.polygon_a[:, 1].max() > 260 for r in found for region in r.regions
    ]
    assert np.mean(middle) < 0.25  # 0.03 as a rule; letters of another font agree otherwise
