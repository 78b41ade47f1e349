"""Concatenated codes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision import config
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fusion import FusionSettings, n_weighings, weighings_of
from classicvision.encoding.normalize import l2
from classicvision.encoding.vector import VectorSettings
from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures

TWO = (VectorSettings(normalization="none"), VectorSettings(normalization="none"))


def learn(items, **settings):
    return FusionSettings(TWO, **settings).learn(items, np.random.default_rng(0))


def pair(first, second):
    return np.array(first, np.float32), np.array(second, np.float32)


def test_each_part_has_norm_1():
    codebook = learn([pair([30, 40], [0, 0, 2]), pair([0, 0], [1, 0, 0])])
    codes = codebook.encode_all([pair([30, 40], [0, 0, 2]), pair([0, 0], [1, 0, 0])])
    assert_allclose(codes, [[0.6, 0.8, 0, 0, 1], [0, 0, 1, 0, 0]])
    assert codebook.n_outputs == 5
    assert codebook.feature_names()[1:3] == ["part0_feature_0001", "part1_feature_0000"]


def test_weights_are_the_shares_of_the_parts_in_the_scalar_product():
    codebook = learn([pair([3, 4], [0, 0, 2])], weights=((1, 3), (0, 1)))
    a, b = codebook.encode(pair([1, 0], [0, 1, 0])), codebook.encode(pair([3, 4], [0, 1, 0]))
    quarter, nothing = weighings_of(codebook)
    assert_allclose((a * quarter) @ (b * quarter), 0.25 * 0.6 + 0.75 * 1, rtol=1e-6)
    assert_allclose((a * nothing) @ (b * nothing), 1, rtol=1e-6)


def test_the_default_candidates_are_equal_shares_and_one_that_favours_each_part():
    assert_allclose(FusionSettings(TWO).shares(), [(0.5, 0.5), (0.7, 0.3), (0.3, 0.7)])
    assert_allclose(FusionSettings((*TWO, TWO[0])).shares()[1], (0.6, 0.2, 0.2))
    assert_allclose(np.sum(FusionSettings((*TWO, TWO[0])).shares(), axis=1), 1)


def test_an_encoder_that_is_not_a_fusion_has_one_neutral_weighting():
    settings = VectorSettings()
    assert weighings_of(settings.learn([np.ones(3, np.float32)], np.random.default_rng(0))) == [None]
    assert n_weighings(settings) == 1
    assert n_weighings(FusionSettings(TWO)) == 3


def test_words_fused_with_vectors_are_those_learned_alone():
    rng = np.random.default_rng(0)
    images = [
        LocalFeatures(
            rng.random((9, 2)),
            np.ones(9),
            np.zeros(9),
            np.ones(9),
            rng.integers(0, 256, (9, 128)).astype(np.uint8),
            (8, 8),
        )
        for _ in range(4)
    ]
    vectors = rng.normal(size=(4, 3)).astype(np.float32)
    few, more = BovwSettings(n_words=3, n_samples=20), BovwSettings(n_words=5, n_samples=30)
    alone = [settings.learn(images, np.random.default_rng(5)).encode(images[0]) for settings in (few, more)]
    expected = [l2(alone[0]), l2(vectors[0]), l2(alone[1])]
    for turn in (1, -1):  # in either order
        items = [(image, vector, image)[::turn] for image, vector in zip(images, vectors, strict=True)]
        codebook = FusionSettings((few, VectorSettings(), more)[::turn]).learn(items, np.random.default_rng(5))
        assert_array_equal(codebook.encode(items[0]), np.concatenate(expected[::turn]))


def test_a_codebook_survives_the_round_trip_through_arrays():
    items = [pair([3, 4], [0, 0, 2]), pair([1, 4], [0, 5, 2])]
    settings = FusionSettings((VectorSettings(), VectorSettings(normalization="standardized")), weights=((1, 2),))
    codebook = settings.learn(items, np.random.default_rng(0))
    again = config.from_dict(FusionSettings, config.to_dict(settings)).restore(codebook.to_arrays())
    assert_array_equal(again.encode_all(items), codebook.encode_all(items))
    assert again.settings == settings


@pytest.mark.parametrize(
    ("parts", "weights", "words"),
    [
        (TWO[:1], (), r"1 part\(s\)"),
        (TWO, ((1, 2, 3),), "2 numbers"),
        (TWO, ((0, 0),), "not all 0"),
        (TWO, ((-1, 2),), "of at least 0"),
    ],
)
def test_invalid_settings_are_refused(parts, weights, words):
    with pytest.raises(SettingsError, match=words):
        FusionSettings(parts, weights)
