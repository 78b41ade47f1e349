"""The common frame of two images: what lies where, at which resolution, and what is covered."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.matching.pixels.frame import LUMA, Frame, resample

WHOLE = (-0.5, -0.5, 399.5, 299.5)


def test_points_at_pixel_centres_keep_their_values(scene):
    xy = np.array([[[0.0, 399.0, 17.0]], [[0.0, 299.0, 40.0]]])
    assert_array_equal(resample(scene, xy, 1.0)[0], scene[[0, 299, 40], [0, 399, 17]])


def test_points_between_pixels_are_interpolated():
    ramp = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    assert_allclose(resample(ramp, np.array([[[3.25]], [[1.5]]]), 1.0), [[[32.5] * 3]])


def test_points_outside_get_the_nearest_pixel(scene):
    xy = np.array([[[-20.0, 1000.0, np.nan]], [[-9.0, 1000.0, 0.0]]])
    assert_array_equal(resample(scene, xy, 1.0)[0], scene[[0, 299, 0], [0, 399, 0]])


def test_a_coarse_step_averages_what_lies_between():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    grid = np.stack(np.meshgrid(np.arange(15.5, 240, 16), np.arange(15.5, 240, 16)))
    assert resample(noise, grid, 16.0).std() < 8 < resample(noise, grid, 1.0).std()


def test_the_same_image_lies_on_itself_at_its_own_size(scene):
    frame = Frame.of(scene, scene, np.eye(3), WHOLE, longest=400)
    assert frame.shape == (300, 400)
    assert frame.inside.all()
    assert_allclose(frame.a, scene, atol=1e-3)
    assert_allclose(frame.of_b(scene, np.zeros((300, 400, 2)))[0], scene, atol=1e-3)


def test_neither_image_is_enlarged(scene):
    half = np.ascontiguousarray(scene[::2, ::2])
    b_from_a = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    assert Frame.of(scene, half, b_from_a, WHOLE, longest=400).inside.shape == (150, 200)
    back = Frame.of(half, scene, np.linalg.inv(b_from_a), (-0.5, -0.5, 199.5, 149.5), longest=400)
    assert back.inside.shape == (150, 200)


def test_the_longer_side_is_limited(scene):
    assert Frame.of(scene, scene, np.eye(3), WHOLE, longest=100).inside.shape == (75, 100)


def test_a_long_box_keeps_more_pixels_along_its_side():
    banner = np.zeros((100, 1000, 3), np.uint8)
    height, width = Frame.of(banner, banner, np.eye(3), (-0.5, -0.5, 999.5, 99.5), longest=256).shape
    assert width == pytest.approx(10 * height, rel=0.01)
    assert height * width == pytest.approx(256 * 128, rel=0.05)


def test_only_what_both_images_cover_is_inside(scene):
    shifted = np.array([[1.0, 0, -100], [0, 1, 0], [0, 0, 1]])
    inside = Frame.of(scene, scene, shifted, WHOLE, longest=400).inside
    assert not inside[:, :99].any()
    assert inside[:, 101:].all()


def test_a_displaced_image_is_resampled_where_the_displacement_says(scene):
    frame = Frame.of(scene, scene, np.eye(3), WHOLE, longest=400)
    displacement = np.zeros((300, 400, 2))
    displacement[..., 0] = 5
    moved, inside = frame.of_b(scene, displacement)
    assert_allclose(moved[:, :390], scene[:, 5:395], atol=1e-3)
    assert inside[:, :394].all()
    assert not inside[:, 396:].any()


def test_luma_is_a_mean():
    assert LUMA.sum() == pytest.approx(1)
