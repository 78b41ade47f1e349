"""Where the lines are drawn: by hand, and compared with the gradients of the image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision.features.edges import gradient
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.images import to_gray
from classicvision.viz.drawing import descriptor_roses, draw_keypoints, unit_vectors, upright_patch


def keypoint(x, y, scale, angle):
    return LocalFeatures(
        xy=np.array([[x, y]]),
        scale=np.array([scale]),
        angle=np.array([angle]),
        response=np.ones(1),
        descriptors=np.zeros((1, 128)),
        image_size=(80, 100),
    )


def changed(features, size=(80, 100)):
    image = np.full((*size, 3), 128, np.uint8)
    return np.any(draw_keypoints(image, features) != image, axis=2)


def test_without_keypoints_nothing_is_drawn():
    assert not changed(LocalFeatures.empty((80, 100))).any()


def test_the_image_itself_is_not_changed():
    image = np.zeros((80, 100, 3), np.uint8)
    drawn = draw_keypoints(image, keypoint(50, 40, 10, 0))
    assert not image.any()
    assert drawn.any()


def test_circle_has_a_radius_of_root_two_scales():
    drawn = draw_keypoints(np.zeros((80, 100, 3), np.uint8), keypoint(50, 40, 10, 0))
    rows, columns = np.nonzero(drawn[:, :, 0] > 127)
    assert_allclose([columns.min(), columns.max()], [50 - 14.14, 50 + 14.14], atol=0.6)
    assert_allclose([rows.min(), rows.max()], [40 - 14.14, 40 + 14.14], atol=0.6)


def test_an_angle_of_90_degrees_points_down():
    drawn = changed(keypoint(50, 40, 10, np.pi / 2))
    assert drawn[40:50, 50].all()
    assert not drawn[30:37, 50].any()


def test_a_keypoint_outside_the_image_is_not_an_error():
    assert not changed(keypoint(-500, 40, 2, 0)).any()


def test_unit_vectors_rotate_clockwise_on_the_screen():
    assert_allclose(unit_vectors(np.array([0, np.pi / 2])), [[1, 0], [0, 1]], atol=1e-12)


def test_patch_is_twelve_scales_wide_and_centred():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    patch = upright_patch(ramp, np.array([100.0, 100.0]), 10.0, 0.0, side=120)  # one sample per pixel
    assert_allclose(patch[60], np.arange(120) + 40.5, atol=0.5)


def test_the_patch_is_rotated_so_that_the_angle_points_right():
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, None], (1, 200))  # brighter downwards: angle pi / 2
    patch = upright_patch(ramp, np.array([100.0, 100.0]), 5.0, np.pi / 2, side=60)
    assert np.all(np.diff(patch[30].astype(int)) >= 0)
    assert patch[30, -1] > patch[30, 0]
    assert np.ptp(patch[:, 30]) <= 1


@pytest.mark.parametrize(
    ("number", "start", "end"),
    [
        (0, (0.5, 0.5), (1.0, 0.5)),  # first cell, along the angle: right
        (2, (0.5, 0.5), (0.5, 0.0)),  # 90 degrees anticlockwise: up
        (8, (1.5, 0.5), (2.0, 0.5)),  # the next cell is to the right
        (32, (0.5, 1.5), (1.0, 1.5)),  # the next row is below
        (127, (3.5, 3.5), (3.5 + np.sqrt(1 / 8), 3.5 + np.sqrt(1 / 8))),  # 315 degrees anticlockwise: down right
    ],
)
def test_roses_are_drawn_in_their_cells(number, start, end):
    descriptor = np.zeros(128, np.uint8)
    descriptor[number] = 100
    segments = descriptor_roses(descriptor)
    assert_allclose(segments[number], [start, end], atol=1e-12)
    others = np.delete(segments, number, axis=0)
    assert_array_equal(others[:, 0], others[:, 1])


def test_a_zero_descriptor_has_roses_of_length_zero():
    segments = descriptor_roses(np.zeros(128, np.uint8))
    assert_array_equal(segments[:, 0], segments[:, 1])


def test_roses_show_the_gradients_of_the_patch():
    gray = to_gray(np.ascontiguousarray(data.astronaut()[:256, :320]))
    features = Sift(engine="reference")(gray)
    features = features[(features.scale > 4) & (features.scale < 10)].strongest(10)
    assert len(features) == 10
    agreement = []
    for one in (features[i : i + 1] for i in range(10)):
        patch = upright_patch(gray, one.xy[0], one.scale[0], one.angle[0], side=96)
        segments = descriptor_roses(one.descriptors[0])
        drawn = (segments[:, 1] - segments[:, 0]).reshape(16, 8, 2).sum(axis=1)
        magnitude, angle = gradient(patch)
        flow = magnitude[..., None] * unit_vectors(angle)
        seen = flow.reshape(4, 24, 4, 24, 2).sum(axis=(1, 3)).reshape(16, 2)
        agreement.append(np.sum(drawn * seen) / (np.linalg.norm(drawn) * np.linalg.norm(seen)))
    assert np.median(agreement) > 0.85
