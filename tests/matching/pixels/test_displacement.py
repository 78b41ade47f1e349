"""The displacement field: smooth distortions are measured, unrelated images displace nothing far."""

import cv2
import numpy as np
import pytest

from classicvision.matching.pixels.displacement import find_displacement
from classicvision.matching.pixels.frame import LUMA

HEIGHT, WIDTH = 170, 250


@pytest.fixture(scope="module")
def plane(scene):
    return cv2.resize(scene, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) @ LUMA


def moved(plane, dx, dy):
    """Return the plane displaced so that its value at p + d is that of `plane` at p, for a smooth d."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return cv2.remap(plane, x - dx, y - dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def measured(a, b):
    return find_displacement(a, b, np.ones(a.shape, bool))


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (-2, 4), (1.5, -2.5)])
def test_a_shift_is_measured(plane, dx, dy):
    field = measured(plane, moved(plane, np.float32(dx), np.float32(dy)))
    assert np.abs(field[20:-20, 20:-20] - [dx, dy]).mean() < 0.25


def test_a_wave_is_followed(plane):
    x = np.arange(WIDTH, dtype=np.float32)
    wave = np.tile(3 * np.sin(np.pi * x / WIDTH), (HEIGHT, 1)).astype(np.float32)
    field = measured(plane, moved(plane, np.float32(0), wave))
    assert np.abs(field[20:-20, 20:-20, 1] - wave[20:-20, 20:-20]).mean() < 0.5 < np.abs(wave).mean()


def test_an_image_without_structure_has_no_displacement(plane):
    assert not measured(plane, np.full_like(plane, 128)).any()


def test_an_image_smaller_than_a_window_is_not_displaced(plane):
    assert not measured(plane[:40, :40], plane[5:45, :40]).any()


def test_what_is_not_inside_is_not_measured(plane):
    b = moved(plane, np.float32(3), np.float32(0))
    b[:, : WIDTH // 2] = np.random.default_rng(0).uniform(0, 255, (HEIGHT, WIDTH // 2))
    inside = np.ones(plane.shape, bool)
    inside[:, : WIDTH // 2] = False
    field = find_displacement(plane, b, inside)
    assert np.abs(field[20:-20, WIDTH // 2 + 10 : -20] - [3, 0]).mean() < 0.3
