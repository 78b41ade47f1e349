"""Locality-constrained linear coding: two words by hand, the loop of the paper, then properties of any input."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.encoding.llc import LlcCodebook, LlcSettings, mix_words
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift

SIZE = (40, 60)


def features(descriptors, seed=0):
    """Return features with these descriptors at random positions in an image."""
    n = len(descriptors)
    xy = np.random.default_rng(seed).uniform(0, [SIZE[1] - 1, SIZE[0] - 1], (n, 2))
    return LocalFeatures(xy, np.ones(n), np.zeros(n), np.ones(n), descriptors, SIZE)


def axes(*directions):
    """Return features whose RootSIFT are unit vectors along one direction each."""
    descriptors = np.zeros((len(directions), 128), np.uint8)
    descriptors[np.arange(len(directions)), directions] = 255
    return features(descriptors)


def random_features(seed, n=40):
    return features(np.random.default_rng(seed).integers(0, 80, (n, 128), dtype=np.uint8), seed)


def random_codebook(seed=0, n_words=12, **settings):
    words = np.random.default_rng(seed).random((n_words, 128), np.float32) / 8
    return LlcCodebook(words, LlcSettings(n_words=n_words, **settings))


def two_words(**settings):
    """Return a codebook with the words e0 and e1."""
    return LlcCodebook(np.eye(2, 128, dtype=np.float32), LlcSettings(n_words=2, n_neighbors=2, **settings))


def weights_by_loop(x, words, k, regularization):
    """Return the weights (K,) of one descriptor by the published code of Wang et al. (2010)."""
    chosen = np.argsort(((words - x) ** 2).sum(axis=1), kind="stable")[:k]
    shifted = words[chosen] - x
    covariance = shifted @ shifted.T
    covariance += regularization * np.trace(covariance) * np.eye(k)
    solution = np.linalg.solve(covariance, np.ones(k))
    weights = np.zeros(len(words))
    weights[chosen] = solution / solution.sum()
    return weights


def code_by_loop(image, codebook):
    """Return the code of an image, word by word, cell by cell."""
    settings = codebook.settings
    words = codebook.words.astype(np.float64)
    points = root_sift(image.descriptors) if settings.root_sift else image.descriptors / 512
    parts = []
    for rows, columns in [tuple(map(int, cell.split("x"))) for cell in settings.cells]:
        for row in range(rows):
            for column in range(columns):
                code = np.zeros(len(words))
                for (x, y), point in zip(image.xy, points.astype(np.float64), strict=True):
                    if (y + 0.5) * rows // SIZE[0] != row or (x + 0.5) * columns // SIZE[1] != column:
                        continue
                    weights = weights_by_loop(point, words, settings.n_neighbors, settings.regularization)
                    code = np.maximum(code, weights) if settings.pooling == "max" else code + weights
                parts.append(code / max(np.linalg.norm(code), 1e-30) if settings.normalize_cells else code)
    whole = np.concatenate(parts)
    return whole / max(np.linalg.norm(whole), 1e-30)


# --- by hand


def test_a_point_halfway_between_two_words_has_both_with_weight_one_half():
    weights = mix_words(np.array([[1.0], [1.0]]), np.array([[[0.0], [4.0]], [[4.0], [0.0]]]), 1e-4)
    assert_allclose(weights, [[0.5], [0.5]])


def test_a_point_on_the_line_through_two_words_has_barycentric_weights():
    # x = 1 between b = 0 and b = 4: three quarters of the first and a quarter of the second.
    weights = mix_words(np.array([[1.0], [9.0]]), np.array([[[0.0], [16.0]], [[16.0], [0.0]]]), 1e-9)
    assert_allclose(weights, [[0.75], [0.25]], rtol=1e-6)


def test_a_point_beyond_its_nearest_word_has_a_negative_weight_of_the_other():
    # x = -1, b = 0 and b = 4.
    weights = mix_words(np.array([[1.0], [25.0]]), np.array([[[0.0], [16.0]], [[16.0], [0.0]]]), 1e-9)
    assert_allclose(weights, [[1.25], [-0.25]], rtol=1e-6)


def test_strong_regularization_gives_equal_weights():
    weights = mix_words(np.array([[1.0], [9.0]]), np.array([[[0.0], [16.0]], [[16.0], [0.0]]]), 1e5)
    assert_allclose(weights, [[0.5], [0.5]], rtol=1e-4)


def test_a_point_that_equals_all_its_words_has_equal_weights():
    assert_array_equal(mix_words(np.zeros((4, 1)), np.zeros((4, 4, 1)), 1e-4), np.full((4, 1), 0.25))


def test_a_descriptor_equal_to_a_word_has_nearly_all_weight_on_it():
    chosen, weights = two_words().mix(axes(1))
    assert_array_equal(chosen, [[1, 0]])
    assert_allclose(weights, [[1, 0]], atol=2e-4)


def test_max_pooling_keeps_the_largest_weight_and_sum_pooling_adds():
    image = axes(0, 0, 0, 1)
    assert_allclose(two_words(pooling="max").encode(image), [np.sqrt(0.5)] * 2, rtol=1e-3)
    assert_allclose(two_words(pooling="sum").encode(image), np.array([3, 1]) / np.sqrt(10), rtol=1e-3)


def test_a_word_with_only_negative_weights_is_zero_after_max_pooling():
    words = np.zeros((2, 128), np.float32)
    words[:, 0] = 0.5, 0.2  # the descriptor lies at 1, beyond the first
    codebook = LlcCodebook(words, LlcSettings(n_words=2, n_neighbors=2))
    assert (codebook.mix(axes(0))[1] < 0).any()
    assert_array_equal(codebook.encode(axes(0)), [1, 0])


def test_without_root_sift_descriptors_are_divided_by_512():
    words = np.zeros((2, 128), np.float32)
    words[:, 0] = 255 / 512, 1
    codebook = LlcCodebook(words, LlcSettings(n_words=2, n_neighbors=1, root_sift=False))
    assert_array_equal(codebook.encode(axes(0)), [1, 0])


# --- the paper's loop

ALL_SETTINGS = [
    {},
    {"pooling": "sum"},
    {"n_neighbors": 1},
    {"n_neighbors": 12, "regularization": 1e-2},
    {"root_sift": False},
    {"cells": ("1x1", "2x2", "3x1")},
    {"cells": ("2x3",), "pooling": "sum"},
    {"cells": ("1x1", "2x2", "3x1"), "normalize_cells": True},
]


@pytest.mark.parametrize("settings", ALL_SETTINGS)
@hypothesis.settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), n=st.integers(0, 30))
def test_codes_equal_those_of_a_simple_loop(settings, seed, n):
    codebook, image = random_codebook(seed % 7, **settings), random_features(seed, n)
    assert_allclose(codebook.encode(image), code_by_loop(image, codebook), rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 999), k=st.integers(1, 9), n=st.integers(0, 5))
def test_weights_solve_the_constrained_least_squares(seed, k, n):
    rng = np.random.default_rng(seed)
    points, words = rng.normal(size=(n, 16)), rng.normal(size=(k, 16))
    squared = ((words[:, np.newaxis] - points) ** 2).sum(axis=2)
    between = ((words[:, np.newaxis] - words) ** 2).sum(axis=2)
    weights = mix_words(squared, np.repeat(between[:, :, np.newaxis], n, axis=2), 1e-4)
    expected = [weights_by_loop(point, words, k, 1e-4) for point in points]
    assert_allclose(weights.T, np.reshape(expected, (n, k)), rtol=1e-8, atol=1e-10)


# --- what holds for any image


@given(seed=st.integers(0, 999))
def test_the_weights_of_a_descriptor_add_up_to_one(seed):
    _, weights = random_codebook().mix(random_features(seed))
    assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_codes_do_not_depend_on_the_block_size(monkeypatch):
    codebook, image = random_codebook(), random_features(3)
    whole = codebook.encode(image)
    monkeypatch.setattr("classicvision.encoding.llc._BLOCK_ROWS", 7)
    assert_array_equal(codebook.encode(image), whole)


# --- learning and settings


def test_too_few_keypoints_to_learn_from_are_refused():
    with pytest.raises(NotEnoughDataError, match="are too few for 6 words"):
        LlcSettings(n_words=6).learn([axes(0, 1), axes(0, 2)], np.random.default_rng(0))


@pytest.mark.parametrize(
    "field",
    [
        {"n_words": 0},
        {"n_words": 8193},
        {"n_samples": 1000},
        {"n_neighbors": 0},
        {"n_neighbors": 65},
        {"regularization": 0.0},
        {"regularization": float("nan")},
        {"pooling": "mean"},
        {"cells": ()},
        {"mirror": 1},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field):
    with pytest.raises(SettingsError, match=next(iter(field))):
        LlcSettings(**field)


def test_more_neighbors_than_words_are_refused():
    with pytest.raises(SettingsError, match="n_neighbors is 5; it must be from 1 to 4"):
        LlcSettings(n_words=4)
