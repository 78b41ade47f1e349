"""Drawings of matches: where lines and outlines are drawn."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.features.local import LocalFeatures
from classicvision.matching.evidence import Difference, PixelEvidence
from classicvision.matching.result import Region
from classicvision.viz import matches
from classicvision.viz.matches import draw_copy_moves, draw_matches


@pytest.fixture(autouse=True)
def as_large_as_given(monkeypatch):
    monkeypatch.setattr(matches, "LEAST_SIDE", 1)


def keypoints(xy, size):
    n = len(xy)
    return LocalFeatures(np.reshape(xy, (n, 2)), np.ones(n), np.zeros(n), np.ones(n), np.zeros((n, 128)), size)


def region(pairs, polygon):
    polygon = np.array(polygon, float)
    return Region(np.eye(3), "similarity", np.array(pairs, np.int32), polygon, polygon, 0.5, 0.5, 9.0)


def test_images_are_side_by_side_with_white_between_and_below():
    a, b = np.zeros((40, 30, 3), np.uint8), np.full((20, 50, 3), 7, np.uint8)
    drawn = draw_matches(a, b, keypoints([], (40, 30)), keypoints([], (20, 50)), ())
    assert drawn.shape == (40, 92, 3)
    assert (drawn[:, :30] == 0).all()
    assert (drawn[:, 30:42] == 255).all()
    assert (drawn[:20, 42:] == 7).all()
    assert (drawn[20:, 42:] == 255).all()


def test_a_line_connects_the_keypoints_of_a_match():
    a = np.zeros((40, 40, 3), np.uint8)
    one = keypoints([[5, 10]], (40, 40))
    drawn = draw_matches(a, a, one, one, [region([[0, 0]], [[0, 0], [39, 0], [39, 39]])])
    row = drawn[10, 5:58].astype(int)
    assert (row != 0).any(axis=1).all()
    assert (row[35:47] != 255).any(axis=1).all()


def test_an_outline_is_drawn_in_both_images():
    a = np.full((60, 60, 3), 90, np.uint8)
    none = keypoints([], (60, 60))
    square = [[10, 10], [50, 10], [50, 50], [10, 50]]
    drawn = draw_matches(a, a, none, none, [region(np.zeros((0, 2)), square)])
    for left in (0, 72):
        assert (drawn[30, left + 10] != 90).any()
        assert (drawn[10, left + 30] != 90).any()
        assert (drawn[30, left + 30] == 90).all()


def test_what_differs_is_outlined_in_red_in_both_images():
    a = np.full((60, 60, 3), 90, np.uint8)
    none = keypoints([], (60, 60))
    inner = np.array([[20.0, 20.0], [40.0, 20.0], [40.0, 40.0], [20.0, 40.0]])
    whole = region(np.zeros((0, 2)), [[5, 5], [55, 5], [55, 55], [5, 55]])
    evidence = PixelEvidence("edited", 0.9, 0.1, (Difference(inner, inner, 0.1),))
    drawn = draw_matches(a, a, none, none, [replace(whole, pixels=evidence)])
    for left in (0, 72):
        red, green, blue = drawn[30, left + 20].astype(int)
        assert red > green + 100
        assert red > blue + 100


def test_copies_in_one_image_are_drawn_onto_a_copy_of_it():
    image = np.full((60, 60, 3), 90, np.uint8)
    drawn = draw_copy_moves(image, keypoints([], (60, 60)), [region(np.zeros((0, 2)), [[5, 5], [20, 5], [20, 20]])])
    assert drawn.shape == image.shape
    assert (drawn != image).any()
    assert_array_equal(image, 90)


def test_small_images_are_magnified_with_their_keypoints(monkeypatch):
    monkeypatch.setattr(matches, "LEAST_SIDE", 100)
    a = np.full((40, 30, 3), 90, np.uint8)
    drawn = draw_matches(
        a, a, keypoints([], (40, 30)), keypoints([], (40, 30)), [region(np.zeros((0, 2)), [[9, 5], [9, 30]])]
    )
    assert drawn.shape == (120, 90 + 12 + 90, 3)
    assert (drawn[50, 28] != 90).any()  # (9 + 0.5) * 3 - 0.5
    assert (drawn[50, 102 + 28] != 90).any()


def test_a_drawing_of_very_long_images_is_shrunk_with_its_outlines():
    long, tall = np.full((20, 16384, 3), 90, np.uint8), np.full((16384, 20, 3), 90, np.uint8)
    none = keypoints([], (20, 16384)), keypoints([], (16384, 20))
    drawn = draw_matches(long, tall, *none, [region(np.zeros((0, 2)), [[8000, 2], [8100, 2], [8100, 18], [8000, 18]])])
    assert drawn.shape == (8192, 8192 + 12 + 10, 3)
    assert (drawn[5, 4000] != 90).any()
    assert (drawn[5, 3980] == 90).all()
