"""Real pairs with known answers: Oxford's homographies, and the versions of one photograph of a bridge."""

import cv2
import numpy as np
import pytest

from classicvision.features.sift import Sift
from classicvision.images import read_image
from classicvision.matching.geometry import warp_points
from classicvision.matching.pair import match_features
from classicvision.matching.settings import MATCHING_SIFT
from classicvision.synthetic.lookalikes import text_page

SIFT = Sift(max_features=2000)


def corner_error(shared, scene, number):
    """Return the mean corner error against the true homography, in pixels."""
    folder = shared / "data" / "oxford_affine" / scene
    a, b = (SIFT(read_image(folder / f"img{n}.png")) for n in (1, number))
    result = match_features(a, b)
    assert result.verdict == "copy"
    height, width = a.image_size
    corners = np.array([[0.0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    truth = warp_points(corners, np.loadtxt(folder / f"H1to{number}p"))
    return np.linalg.norm(warp_points(corners, result.regions[0].b_from_a) - truth, axis=1).mean()


@pytest.mark.parametrize(("scene", "numbers"), [("leuven", range(2, 7)), ("bikes", range(2, 7)), ("boat", (2, 3, 4))])
def test_half_of_the_pairs_of_a_scene_have_corners_within_3_pixels(shared, scene, numbers):
    assert np.median([corner_error(shared, scene, number) for number in numbers]) <= 3


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_wall_viewed_obliquely_is_matched(shared, number):
    assert corner_error(shared, "graf", number) < 6


@pytest.mark.parametrize("number", [5, 6])
def test_boats_at_a_third_of_the_size_are_matched(shared, number):
    assert corner_error(shared, "boat", number) < 20


@pytest.mark.parametrize("quality", [90, 70])
def test_a_very_oblique_wall_is_matched_starting_from_the_corner_that_a_similarity_explains(shared, quality):
    front, side = (read_image(shared / "data" / "oxford_affine" / "graf" / f"img{n}.png") for n in (1, 4))
    smaller = cv2.resize(front, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", side, [cv2.IMWRITE_JPEG_QUALITY, quality])
    side = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert match_features(MATCHING_SIFT(smaller), MATCHING_SIFT(side)).score > 60


def test_smooth_photographs_in_a_page_full_of_text_are_found(shared):
    paths = sorted((shared / "data" / "coco128").glob("*.jpg"))[:10]
    missed = []
    for number, path in enumerate(paths):
        photograph = cv2.GaussianBlur(read_image(path), (0, 0), 1.5)
        small = cv2.resize(photograph, (288, 216), interpolation=cv2.INTER_AREA)
        page = np.tile(text_page(np.random.default_rng(number)), (2, 2, 1))
        page[300:516, 400:688] = small
        if match_features(MATCHING_SIFT(photograph), MATCHING_SIFT(page)).verdict != "copy":
            missed.append(path.name)
    assert len(missed) <= 1


def test_all_versions_of_the_bridge_are_found(shared):
    folder = shared / "data" / "pdq_bridge"
    original = SIFT(read_image(folder / "bridge-mods" / "aaa-orig.jpg"))
    versions = sorted(folder.glob("*/*.jpg"))
    assert len(versions) == 20
    verdicts = {path.name: match_features(original, SIFT(read_image(path))).verdict for path in versions}
    assert {name for name, verdict in verdicts.items() if verdict != "copy"} == set()
