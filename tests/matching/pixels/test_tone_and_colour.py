"""Tone curves, and changes of colour that no tone curve explains."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from classicvision.matching.pixels.colour import changed_colour
from classicvision.matching.pixels.tone import ToneCurve


def test_a_curve_is_recovered():
    levels = np.random.default_rng(0).uniform(0, 255, 5000)
    curve = ToneCurve.fit(levels, 255 * (levels / 255) ** 2)
    assert_allclose(curve(np.array([40.0, 128.0, 220.0])), 255 * (np.array([40, 128, 220]) / 255) ** 2, atol=3)


def test_outliers_do_not_move_a_curve():
    levels = np.random.default_rng(0).uniform(0, 255, 5000)
    mapped = np.where(np.arange(5000) % 5 == 0, 0, levels)
    assert_allclose(ToneCurve.fit(levels, mapped)(np.array([100.0])), 100, atol=8)


def test_a_curve_is_constant_beyond_its_points():
    curve = ToneCurve.fit(np.array([100.0]), np.array([50.0]))
    assert_allclose(curve(np.array([0.0, 100.0, 255.0])), 50)


def test_a_curve_through_nothing_is_defined():
    assert ToneCurve.fit(np.zeros(0), np.zeros(0))(np.array([7.0])) == 0


@pytest.fixture(scope="module")
def image(scene):
    return np.float32(cv2.resize(scene, (256, 192), interpolation=cv2.INTER_AREA))


BLOCKS = np.ones((23, 31), bool)


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: image,
        lambda image: 0.5 * image,
        lambda image: 255 * (image / 255) ** 1.6,
        lambda image: np.clip(1.3 * image - 20, 0, 255),
        lambda image: image + np.random.default_rng(0).normal(0, 10, image.shape),
    ],
    ids=["equal", "darker", "gamma", "contrast", "noise"],
)
def test_other_light_does_not_change_the_colour(image, edit):
    assert changed_colour(image, np.float32(edit(image)), BLOCKS) is None


def test_exchanged_channels_are_a_change_of_colour(image):
    before, after = changed_colour(image, image[..., ::-1].copy(), BLOCKS)
    assert before == after[::-1]


def test_a_part_in_another_colour_is_named():
    a = np.full((192, 256, 3), 255, np.float32)
    b = a.copy()
    a[48:144, 64:192], b[48:144, 64:192] = (30, 60, 200), (200, 40, 40)
    assert changed_colour(a, b, BLOCKS) == ((30, 60, 200), (200, 40, 40))


def test_a_small_part_does_not_count():
    a = np.full((192, 256, 3), 255, np.float32)
    b = a.copy()
    a[48:72, 64:88], b[48:72, 64:88] = (30, 60, 200), (200, 40, 40)
    assert changed_colour(a, b, BLOCKS) is None


def test_only_agreeing_blocks_count(image):
    changed = image.copy()
    changed[:, 128:] = changed[:, 128:, ::-1]
    left = BLOCKS.copy()
    left[:, 15:] = False
    assert changed_colour(image, changed, left) is None
    assert changed_colour(image, changed, BLOCKS) is not None
