"""Drawings are distinguished from photographs."""

import cv2
import numpy as np

from classicvision.matching.pixels.frame import LUMA
from classicvision.matching.pixels.graphics import is_graphic


def luma(image):
    return np.float32(image @ LUMA)


def test_photographs_are_not_graphics(scene, other_scene):
    assert not is_graphic(luma(scene), luma(other_scene))


def test_a_page_of_text_is_one(page):
    image = page(["Some words", "on white paper"])
    assert is_graphic(luma(image), luma(image))


def test_noise_does_not_hide_two_levels(page):
    image = luma(page(["Some words", "on white paper"]))
    assert is_graphic(image, np.clip(image + np.random.default_rng(0).normal(0, 2, image.shape), 0, 255))


def test_coloured_cells_are_one():
    cells = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    image = luma(cv2.resize(cells, (256, 256), interpolation=cv2.INTER_NEAREST))
    assert is_graphic(image, image)


def test_one_flat_image_is_not_enough(scene):
    cells = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    flat = cv2.resize(cells, (400, 300), interpolation=cv2.INTER_NEAREST)
    assert not is_graphic(luma(scene), luma(flat))
