"""Transforms described in words."""

from dataclasses import replace

import numpy as np
import pytest

from classicvision.matching.evidence import PixelEvidence
from classicvision.matching.geometry import mirror_transform, warp_points
from classicvision.matching.result import Region
from classicvision.matching.transform_text import depth, describe_region

SIZE = (100, 200)


def region(b_from_a, share_a=1.0, share_b=1.0, kind="similarity"):
    corners = np.array([[0.0, 0], [199, 0], [199, 99], [0, 99]])
    b_from_a = np.asarray(b_from_a, float)
    return Region(
        b_from_a, kind, np.zeros((0, 2), np.int32), corners, warp_points(corners, b_from_a), share_a, share_b, 9.0
    )


def rotated(degrees, scale=1.0):
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[c, -s, 7], [s, c, 8], [0, 0, 1]])


@pytest.mark.parametrize(
    ("b_from_a", "words"),
    [
        (np.eye(3), "scale 1.00"),
        (rotated(0, 0.5), "scale 0.50"),
        (rotated(90), "scale 1.00, rotated 90 degrees clockwise"),
        (rotated(-30, 2), "scale 2.00, rotated 30 degrees anticlockwise"),
        (rotated(180), "scale 1.00, rotated 180 degrees"),
        (mirror_transform(200), "scale 1.00, mirrored"),
        (rotated(90) @ mirror_transform(200), "scale 1.00, rotated 90 degrees clockwise, mirrored"),
        (np.diag([1.0, -1, 1]), "scale 1.00, flipped top to bottom"),
        (np.diag([0.5, 1, 1]), "scale 0.71, stretched 2.00 times"),
    ],
)
def test_a_transform_is_described_in_words(b_from_a, words):
    assert describe_region(region(b_from_a), SIZE, SIZE) == words


def test_shares_below_95_percent_are_stated():
    assert describe_region(region(np.eye(3), 0.31, 0.96), SIZE, SIZE) == "scale 1.00, 31 % of a"
    assert describe_region(region(np.eye(3), 0.004, 0.5), SIZE, SIZE) == "scale 1.00, less than 1 % of a, 50 % of b"


def test_perspective_is_stated_if_it_is_visible():
    tilted = np.array([[1.0, 0, 0], [0, 1, 0], [1e-3, 0, 1]])
    assert "in perspective" in describe_region(region(tilted, kind="homography"), SIZE, SIZE)
    assert "in perspective" not in describe_region(region(np.eye(3), kind="homography"), SIZE, SIZE)


def test_a_share_of_one_hundredth_is_1_percent_and_a_smaller_one_less_than_1():
    words = [describe_region(region(np.eye(3), share), SIZE, SIZE) for share in (0.0099, 0.01, 0.9499, 0.95)]
    assert words == ["scale 1.00, less than 1 % of a", "scale 1.00, 1 % of a", "scale 1.00, 95 % of a", "scale 1.00"]


def test_a_region_without_an_outline_is_described_in_the_middle_of_the_image():
    """The weight is 1 + 0.01 x, so 2 at the middle of 201 pixels, where steps to the right are a fourth as long."""
    b_from_a = np.array([[1.0, 0, 0], [0, 1, 0], [0.01, 0, 1]])
    nothing = np.zeros((0, 2))
    bare = Region(b_from_a, "homography", np.zeros((0, 2), np.int32), nothing, nothing, 1.0, 1.0, 9.0)
    assert depth(bare) == 1
    assert describe_region(bare, (101, 201), SIZE) == describe_region(
        replace(bare, polygon_a=np.array([[100.0, 50]])), (5, 5), SIZE
    )
    assert describe_region(bare, (1, 201), SIZE) == "scale 0.35, stretched 2.00 times"


def test_the_near_end_is_twice_as_large_where_its_weight_is_half():
    tilted = np.array([[1.0, 0, 0], [0, 1, 0], [1 / 199, 0, 1]])
    assert depth(region(tilted)) == pytest.approx(2)


def test_a_negative_is_inverted():
    square = np.array([[0.0, 0.0], [99.0, 0.0], [99.0, 99.0], [0.0, 99.0]])
    region = Region(np.eye(3), "similarity", np.zeros((0, 2), np.int32), square, square, 1.0, 1.0, 9.0)
    assert describe_region(replace(region, is_inverted=True), (100, 100), (100, 100)) == "scale 1.00, inverted"


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (PixelEvidence("same", 1.0, 0.2), ""),
        (PixelEvidence("same", 1.0, 0.9), ", possibly two photographs of one flat thing"),
        (PixelEvidence("same scene", 1.0, 2.0), ""),
        (PixelEvidence("same", 1.0, 0.2, (), ((16, 32, 48), (255, 0, 1))), ", recoloured from #102030 to #ff0001"),
    ],
)
def test_what_pixels_show_comes_last(evidence, words):
    square = np.array([[0.0, 0.0], [99.0, 0.0], [99.0, 99.0], [0.0, 99.0]])
    region = Region(np.eye(3), "similarity", np.zeros((0, 2), np.int32), square, square, 1.0, 1.0, 9.0, evidence)
    assert describe_region(region, (100, 100), (100, 100)) == f"scale 1.00{words}"
