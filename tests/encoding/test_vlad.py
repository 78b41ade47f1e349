"""VLAD: three points and two words by hand, then compared with a simple loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.encoding.vlad import VladCodebook, VladSettings, add_residuals
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.local import LocalFeatures


def images(n_images=3, n=150, seed=0):
    rng = np.random.default_rng(seed)
    return [
        LocalFeatures(
            rng.uniform(0, [59, 39], (n, 2)),
            np.ones(n),
            np.zeros(n),
            np.ones(n),
            np.minimum(rng.gamma(0.5, 40, (n, 128)), 255).astype(np.uint8),
            (40, 60),
        )
        for _ in range(n_images)
    ]


def by_loop(points, words, *, intra_norm, power):
    """Return VLAD by the formulas of the papers, point by point in float64."""
    sums = np.zeros(words.shape)
    for point in points.astype(np.float64):
        nearest = np.argmin([np.sum((point - word) ** 2) for word in words.astype(np.float64)])
        sums[nearest] += point - words[nearest]
    if intra_norm:
        for row in sums:
            if row.any():
                row /= np.linalg.norm(row)
    code = np.sign(sums.ravel()) * np.abs(sums.ravel()) ** power
    return code / np.linalg.norm(code)


def test_residuals_of_three_points_and_two_words():
    words = np.float32([[0, 0], [10, 0]])
    points = np.float32([[1, 2], [9, 1], [-3, 0]])
    assert_array_equal(add_residuals(points, np.int32([0, 1, 0]), words), [[-2, 2], [-1, 1]])


@pytest.mark.parametrize("intra_norm", [True, False])
@pytest.mark.parametrize("power", [0.5, 1.0, 0.3])
def test_the_code_is_that_of_a_simple_loop(intra_norm, power):
    items = images()
    settings = VladSettings(n_words=9, n_dims=12, intra_norm=intra_norm, power=power)
    codebook = settings.learn(items, np.random.default_rng(0))
    expected = by_loop(codebook.projection.points(items[0]), codebook.words, intra_norm=intra_norm, power=power)
    assert_allclose(codebook.encode(items[0]), expected, atol=2e-5)


def test_a_word_without_points_has_zeros():
    item = images(1, n=4)[0]
    codebook = VladSettings(n_words=50, n_dims=5).learn(images(), np.random.default_rng(0))
    assert (codebook.encode(item).reshape(50, 7).any(axis=1)).sum() <= 4


def test_intra_normalised_words_have_equal_norms():
    codebook = VladSettings(n_words=4, n_dims=5, power=1.0).learn(images(), np.random.default_rng(0))
    lengths = np.linalg.norm(codebook.encode(images()[0]).reshape(4, 7), axis=1)
    assert_allclose(lengths, 0.5, rtol=1e-5)


def test_names_identify_the_components_of_a_code():
    codebook = VladSettings(n_words=2, n_dims=3, xy=False).learn(images(), np.random.default_rng(0))
    assert codebook.feature_names()[3:5] == ["word_0001_000", "word_0001_001"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"n_words": 0}, "n_words"),
        ({"n_dims": 0}, "n_dims"),
        ({"n_samples": 9}, "n_samples"),
        ({"power": 2.0}, "power"),
    ],
)
def test_a_setting_out_of_range_is_named(change, name):
    with pytest.raises(SettingsError, match=name):
        VladSettings(**change)


def test_learning_from_images_without_keypoints_is_refused():
    with pytest.raises(NotEnoughDataError, match="no keypoints"):
        VladSettings().learn([LocalFeatures.empty((8, 8))], np.random.default_rng(0))


def test_words_that_do_not_fit_the_settings_are_refused():
    codebook = VladSettings(n_words=4, n_dims=5).learn(images(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="words is"):
        VladCodebook(codebook.projection, codebook.words, VladSettings(n_words=5, n_dims=5))
    with pytest.raises(ValueError, match="do not fit"):
        VladCodebook(codebook.projection, codebook.words, VladSettings(n_words=4, n_dims=6))
    with pytest.raises(ValueError, match="needs the array 'words'"):
        codebook.settings.restore(codebook.projection.to_arrays())
