"""The features of a flipped or rotated image are a permutation of those of the image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.symmetric import SymmetricBackbone, symmetric_features, symmetric_images
from classicvision.errors import SettingsError
from classicvision.features.phash import PerceptualHash, symmetric_hashes


@pytest.fixture
def halves(make_network, monkeypatch):
    """Return features of a network that distinguishes left from right and top from bottom: the mean of each half."""

    def means(self, image):
        height, width = image.shape[0] // 2, image.shape[1] // 2
        parts = (image[:height], image[-height:], image[:, :width], image[:, -width:])
        return np.array([part.mean() for part in parts], np.float32)

    monkeypatch.setattr(OnnxBackbone, "__call__", means)
    return SymmetricBackbone(OnnxBackbone(make_network(), preprocessing="imagenet"), side=32)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_the_versions_are_in_the_order_of_the_symmetries_of_perceptual_hashes(image):
    of_versions = [PerceptualHash()(version) for version in symmetric_images(image)]
    assert_array_equal(of_versions, symmetric_hashes(of_versions[0]))


@pytest.mark.parametrize("symmetry", range(8))
def test_the_features_of_a_version_are_a_permutation_of_those_of_the_image(halves, image, symmetry):
    version = symmetric_images(image)[symmetry]
    assert_allclose(halves(version), symmetric_features(halves(image))[symmetry], rtol=1e-4)


def test_the_first_version_is_the_image_itself(halves, image):
    features = halves(image)
    assert_array_equal(symmetric_features(features)[0], features)


def test_features_have_norm_1_and_each_version_an_eighth_of_its_square(halves, image):
    features = halves(image)
    assert_allclose((features**2).reshape(8, -1).sum(axis=1), 1 / 8, rtol=1e-5)


def test_an_image_without_features_has_zeros(halves):
    assert_array_equal(halves(np.zeros((24, 32, 3), np.uint8)), np.zeros(32))


def test_the_network_gets_an_image_downsampled_to_few_pixels(make_network, monkeypatch):
    seen = []
    monkeypatch.setattr(OnnxBackbone, "__call__", lambda self, image: seen.append(image) or np.ones(2, np.float32))
    features = SymmetricBackbone(OnnxBackbone(make_network(), preprocessing="imagenet"), side=2)
    columns = np.zeros((64, 128, 3), np.uint8)
    columns[:, 1:64:2] = 200  # stripes of one pixel on the left become their mean
    features(columns)
    assert seen[0].shape == (128, 256, 3)
    assert set(np.unique(seen[0][:, :32])) == {100}


def test_a_side_of_no_pixels_is_refused(make_network):
    with pytest.raises(SettingsError, match="side is 0"):
        SymmetricBackbone(OnnxBackbone(make_network(), preprocessing="imagenet"), side=0)
