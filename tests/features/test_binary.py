"""ORB and AKAZE behind one contract, whatever the installed OpenCV has."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.errors import SettingsError
from classicvision.features.binary import Akaze, Orb

needs_akaze = pytest.mark.skipif(not Akaze.is_available(), reason="the installed OpenCV has no AKAZE")
BOTH = [pytest.param(Orb(), 32, id="orb"), pytest.param(Akaze(), 61, id="akaze", marks=needs_akaze)]


@pytest.mark.parametrize(("detect", "n_bytes"), BOTH)
def test_keypoints_are_columns_of_one_length_strongest_first(make_image, detect, n_bytes):
    found = detect(make_image(0))
    assert len(found) > 20
    assert found.xy.shape == (len(found), 2)
    assert found.descriptors.shape == (len(found), n_bytes)
    assert found.scale.shape == found.response.shape == (len(found),)
    assert found.image_size == (160, 208)
    assert (np.diff(found.response) <= 0).all()
    assert (found.scale > 0).all()


@pytest.mark.parametrize(("detect", "n_bytes"), BOTH)
def test_a_uniform_image_has_no_keypoints(detect, n_bytes):
    assert len(detect(np.full((80, 80, 3), 128, np.uint8)).strongest(5)) == 0


@pytest.mark.parametrize(("detect", "n_bytes"), BOTH)
def test_the_strongest_are_the_first(make_image, detect, n_bytes):
    found = detect(make_image(0))
    assert_array_equal(found.strongest(7).descriptors, found.descriptors[:7])
    assert len(found.strongest(10**6)) == len(found)


def test_a_descriptor_stays_with_its_keypoint(make_image):
    image = make_image(0)
    keypoints, descriptors = cv2.ORB_create(2000).detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
    known = {(*k.pt, k.size / 2): row.tobytes() for k, row in zip(keypoints, descriptors, strict=True)}
    found = Orb()(image)
    places = zip(found.xy.tolist(), found.scale.tolist(), found.descriptors, strict=True)
    assert all(known[(*xy, scale)] == row.tobytes() for xy, scale, row in places)


def test_orb_finds_at_most_max_features(make_image):
    assert len(Orb(max_features=15)(make_image(0))) <= 15


@pytest.mark.parametrize("make", [lambda: Orb(max_features=0), lambda: Akaze(threshold=0.0)])
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(SettingsError):
        make()


@pytest.mark.skipif(Akaze.is_available(), reason="the installed OpenCV has AKAZE")
def test_without_akaze_the_error_names_the_opencv_packages_that_have_it(make_image):
    with pytest.raises(SettingsError, match="install opencv-python-headless 4 or"):
        Akaze()(make_image(0))
