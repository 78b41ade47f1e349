"""Synthetic images have the stated contents."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.images import to_gray
from classicvision.synthetic import blobs, canary, textures


def count_keypoints(image):
    return len(cv2.SIFT_create().detect(to_gray(image), None))


def test_a_blob_is_highest_at_its_centre_and_falls_by_sigma():
    image = blobs(np.array([[8, 5]]), np.array([2.0]), np.array([0.4]), image_size=(12, 20), background=0.2)
    assert image.shape == (12, 20, 3)
    # 255 * (0.2 + 0.4), and 255 * (0.2 + 0.4 * exp(-1/2)) one sigma to the right and below.
    assert_array_equal(image[[5, 5, 7], [8, 10, 8], 0], [153, 113, 113])


def test_no_blobs_give_the_uniform_background():
    none = np.zeros(0)
    assert_array_equal(blobs(np.zeros((0, 2)), none, none, image_size=(2, 3)), np.full((2, 3, 3), 128))


def test_levels_beyond_black_and_white_are_clipped():
    image = blobs(np.array([[1, 0], [5, 0]]), np.ones(2), np.array([2.0, -2.0]), image_size=(1, 7))
    assert_array_equal(image[0, [1, 5], 0], [255, 0])


@pytest.mark.parametrize("contrast", [0.4, -0.4])
def test_sift_finds_a_blob_where_it_was_drawn(contrast):
    image = blobs(np.array([[30.3, 40.7]]), np.array([5.0]), np.array([contrast]), image_size=(90, 80))
    found = cv2.SIFT_create(enable_precise_upscale=True).detect(to_gray(image), None)
    assert {(round(keypoint.pt[0]), round(keypoint.pt[1])) for keypoint in found} == {(30, 41)}
    # A difference of Gaussians of s and 2^(1/3) s is largest where their geometric mean is the blob's sigma.
    assert_allclose([keypoint.size / 2 for keypoint in found], 5.0 / 2 ** (1 / 6), rtol=0.03)


def test_the_canary_never_changes():
    # Model files contain the features of exactly these pixels: a change here makes all of them warn.
    assert canary().shape == (160, 160, 3)
    assert (
        hashlib.sha256(canary().tobytes()).hexdigest()
        == "1678893ff0f297818053fc3e08fec23ab9cccd6046083b952d10845141226d27"
    )


def test_the_canary_has_plenty_of_keypoints():
    assert count_keypoints(canary()) >= 80


def test_textures_are_ordered_by_class():
    images, labels = textures(2, 3, size=40, rng=np.random.default_rng(0))
    assert labels == ["texture-0"] * 3 + ["texture-1"] * 3
    assert {image.shape for image in images} == {(40, 40, 3)}


def test_one_seed_gives_one_set_of_textures_and_another_seed_another():
    first, same, other = (np.array(textures(2, 2, rng=np.random.default_rng(seed))[0]) for seed in (7, 7, 8))
    assert_array_equal(first, same)
    assert (first != other).any()


def test_no_two_images_of_a_texture_are_equal():
    images, _ = textures(1, 2, rng=np.random.default_rng(0))
    assert (images[0] != images[1]).any()


def test_textures_have_keypoints_to_learn_from():
    images, _ = textures(6, 2, rng=np.random.default_rng(0))
    assert min(map(count_keypoints, images)) >= 20
