"""Displacements: smooth in a copy, each its own where two photographs were taken."""

import cv2
import numpy as np
import pytest

from classicvision.matching.pixels.blocks import compare_blocks
from classicvision.matching.pixels.frame import LUMA
from classicvision.matching.pixels.irregularity import displacement_score


@pytest.fixture(scope="module")
def plane(scene):
    return np.float32(cv2.resize(scene, (256, 192), interpolation=cv2.INTER_AREA) @ LUMA)


def score(a, b):
    a, b = np.float32(a), np.float32(b)
    return displacement_score(a, b, compare_blocks(a, b, np.ones(a.shape, bool)))


def jittered(plane, sigma, side=10):
    """Displace every detail on its own: noise of `sigma` pixels on a grid of `side` pixels."""
    height, width = plane.shape
    rng = np.random.default_rng(0)
    grid = rng.normal(0, sigma, (2, height // side + 1, width // side + 1)).astype(np.float32)
    dx, dy = (cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in grid)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(plane, x + dx, y + dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def test_equal_images_are_regular(plane):
    assert score(plane, plane) < 0.2


@pytest.mark.parametrize(
    "edit",
    [
        lambda plane: 0.5 * plane + 20,
        lambda plane: 255 * (plane / 255) ** 2,
        lambda plane: plane + np.random.default_rng(0).normal(0, 10, plane.shape),
        lambda plane: cv2.GaussianBlur(plane, (0, 0), 1.5),
        lambda plane: np.roll(plane, 1, axis=0),
    ],
    ids=["darker", "gamma", "noise", "blur", "shift"],
)
def test_edited_copies_are_regular(plane, edit):
    assert score(plane, edit(plane)) < 0.9


def test_details_that_move_on_their_own_are_irregular(plane):
    assert score(plane, jittered(plane, 1.5)) > 1.1


def test_irregularity_grows_with_the_jitter(plane):
    scores = [score(plane, jittered(plane, sigma)) for sigma in (0.2, 0.6, 1.2)]
    assert scores == sorted(scores)


def test_too_few_blocks_measure_nothing(plane):
    assert score(np.full_like(plane, 100), np.full_like(plane, 100)) == 0
