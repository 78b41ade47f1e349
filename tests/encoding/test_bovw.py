"""Bags of visual words: two words and four descriptors by hand, then properties of any input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.config import from_dict, to_dict
from classicvision.encoding.bovw import BovwCodebook, BovwSettings
from classicvision.encoding.normalize import additive_chi2_map
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.local import MIRRORED_BINS, LocalFeatures


def features(descriptors):
    n = len(descriptors)
    return LocalFeatures(np.zeros((n, 2)), np.ones(n), np.zeros(n), np.ones(n), descriptors, (8, 8))


def axes(*directions):
    """Return features whose descriptors have length 512 (nearly: uint8 ends at 255) along one direction each."""
    descriptors = np.zeros((len(directions), 128), np.uint8)
    descriptors[np.arange(len(directions)), directions] = 255
    return features(descriptors)


def random_features(seed, n=40):
    return features(np.random.default_rng(seed).integers(0, 80, (n, 128), dtype=np.uint8))


def two_words(**settings):
    """Return a codebook with the words e0 and e1."""
    words = np.eye(2, 128, dtype=np.float32)
    return BovwCodebook(words, None, BovwSettings(n_words=2, n_neighbors=2, **settings))


def random_codebook(seed=0, n_words=7, **settings):
    words = np.random.default_rng(seed).random((n_words, 128), np.float32) / 8
    return BovwCodebook(words, None, BovwSettings(n_words=n_words, **settings))


# --- by hand


def test_four_descriptors_and_two_words_give_the_histogram_three_and_one():
    assert_array_equal(two_words().count(axes(0, 1, 0, 0)), [3, 1])


@pytest.mark.parametrize(
    ("normalization", "code"),
    [
        ("l1", [0.75, 0.25]),
        ("l2", [3 / np.sqrt(10), 1 / np.sqrt(10)]),
        ("hellinger", [np.sqrt(0.75), 0.5]),
    ],
)
def test_code_of_three_and_one(normalization, code):
    assert_allclose(two_words(normalization=normalization).encode(axes(0, 1, 0, 0)), code, rtol=1e-6)


def test_chi2_code_of_two_equal_shares():
    # Share 1/2, period 1/2: sqrt(1/4), then sqrt(1/2 / cosh(pi / 2)) times cosine and sine of log(1/2) / 2.
    amplitude, phase = np.sqrt(0.5 / np.cosh(np.pi / 2)), np.log(0.5) / 2
    cosine, sine = amplitude * np.cos(phase), amplitude * np.sin(phase)
    code = two_words(normalization="chi2").encode(axes(0, 1))
    assert_allclose(code, [0.5, 0.5, cosine, cosine, sine, sine], rtol=1e-6)


def test_soft_vote_between_two_words_is_halved():
    assert_array_equal(two_words(assignment="soft").count(axes(2)), [0.5, 0.5])


def test_soft_vote_falls_with_the_squared_distance():
    # RootSIFT of e0 is e0: squared distance 0 to the first word, 2 to the second; sigma 1.
    code = two_words(assignment="soft", softness=1.0).count(axes(0))
    assert_allclose(code, np.array([1, np.exp(-1)]) / (1 + np.exp(-1)), rtol=1e-6)


def test_soft_vote_far_from_all_words_still_counts_one():
    code = two_words(assignment="soft", softness=1e-3).count(axes(5, 6))
    assert_array_equal(code, [1, 1])


def test_without_root_sift_descriptors_are_divided_by_512():
    words = np.zeros((2, 128), np.float32)
    words[1, 0] = 0.7  # 255 / 512 = 0.498 is nearer to it than to 0
    codebook = BovwCodebook(words, None, BovwSettings(n_words=2, root_sift=False))
    assert_array_equal(codebook.count(axes(0)), [0, 1])
    words[1, 0] = 1.0
    assert_array_equal(BovwCodebook(words, None, codebook.settings).count(axes(0)), [1, 0])


def test_tf_idf_multiplies_counts_with_the_weights():
    weights = np.array([0.5, 3], np.float32)
    settings = BovwSettings(n_words=2, tf_idf=True, normalization="l1")
    codebook = BovwCodebook(np.eye(2, 128, dtype=np.float32), weights, settings)
    assert_allclose(codebook.encode(axes(0, 0, 1)), [1 / 4, 3 / 4], rtol=1e-6)


def test_idf_is_learned_from_the_images_that_contain_a_word():
    items = [axes(0, 0, 1), axes(0), axes(0), axes(0, 1)]
    codebook = BovwSettings(n_words=2, tf_idf=True).learn(items, np.random.default_rng(0))
    of_word = codebook.words.argmax(axis=1)  # 0 for the word e0, which all four images have
    assert_allclose(codebook.idf[of_word], [0, np.log(2)], rtol=1e-6)


# Three of e0 in the upper half of the image, one of e1 in the lower half.
PYRAMID_CODES = {
    ("l1", False): [3, 1, 3, 0, 0, 1, 8],
    ("l1", True): [0.75, 0.25, 1, 0, 0, 1, 3],
    ("l2", False): [3, 1, 3, 0, 0, 1, np.sqrt(20)],
    ("l2", True): [3 / np.sqrt(10), 1 / np.sqrt(10), 1, 0, 0, 1, np.sqrt(3)],
    ("hellinger", False): [np.sqrt(3), 1, np.sqrt(3), 0, 0, 1, np.sqrt(8)],
    ("hellinger", True): [np.sqrt(0.75), 0.5, 1, 0, 0, 1, np.sqrt(3)],
}


@pytest.mark.parametrize(("normalization", "normalize_cells"), PYRAMID_CODES)
def test_code_of_an_image_and_of_its_two_halves(normalization, normalize_cells):
    image = replace(axes(0, 0, 1, 0), xy=np.array([[0, 0], [7, 1], [2, 6], [3, 3]]))
    settings = {"normalization": normalization, "normalize_cells": normalize_cells}
    *numbers, norm = PYRAMID_CODES[normalization, normalize_cells]
    code = two_words(cells=("1x1", "2x1"), **settings).encode(image)
    assert_allclose(code, np.array(numbers) / norm, rtol=1e-6)


def test_the_chi2_map_of_a_pyramid_is_normalised_over_all_cells():
    image = replace(axes(0, 1), xy=np.array([[0, 0], [0, 7]]))
    code = two_words(normalization="chi2", cells=("1x1", "2x1")).encode(image)
    shares = np.array([[1, 1], [1, 0], [0, 1]]) / 4
    assert_allclose(code.reshape(3, 6), additive_chi2_map(shares), rtol=1e-6)


def test_mirror_images_of_words_share_the_code():
    word = MIRRORED_BINS[1]  # the direction that 1 comes from
    words = np.zeros((2, 128), np.float32)
    words[[0, 1], [1, word]] = 1
    codebook = BovwCodebook(words, None, BovwSettings(n_words=2, mirror=True))
    assert_allclose(codebook.encode(axes(1)), [np.sqrt(0.5)] * 2, rtol=1e-6)


# --- what holds for any image

ALL_SETTINGS = [
    {},
    {"assignment": "soft"},
    {"normalization": "l1"},
    {"normalization": "l2", "root_sift": False},
    {"normalization": "chi2"},
]


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_image_without_keypoints_has_a_code_of_zeros(settings):
    codebook = random_codebook(**settings)
    code = codebook.encode(LocalFeatures.empty((8, 8)))
    assert code.dtype == np.float32
    assert_array_equal(code, np.zeros(codebook.n_outputs))


@pytest.mark.parametrize("settings", ALL_SETTINGS)
@given(seed=st.integers(0, 999))
def test_order_of_keypoints_does_not_matter(settings, seed):
    codebook, image = random_codebook(**settings), random_features(seed)
    shuffled = image[np.random.default_rng(seed).permutation(len(image))]
    assert_allclose(codebook.encode(shuffled), codebook.encode(image), atol=1e-6)


@pytest.mark.parametrize("assignment", ["hard", "soft"])
@given(seed=st.integers(0, 999), cut=st.integers(0, 40))
def test_counts_of_two_parts_add_up_to_those_of_the_whole(assignment, seed, cut):
    codebook, image = random_codebook(assignment=assignment), random_features(seed)
    assert_allclose(codebook.count(image[:cut]) + codebook.count(image[cut:]), codebook.count(image), atol=1e-5)


@pytest.mark.parametrize("assignment", ["hard", "soft"])
@given(n=st.integers(0, 50))
def test_each_descriptor_has_one_vote(assignment, n):
    assert_allclose(random_codebook(assignment=assignment).count(random_features(1, n)).sum(), n, rtol=1e-6)


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_codes_of_many_images_are_the_codes_of_each(settings):
    codebook = random_codebook(**settings)
    items = [random_features(0), LocalFeatures.empty((8, 8)), random_features(1, 3)]
    codes = codebook.encode_all(items)
    assert codes.dtype == np.float32
    assert_array_equal(codes, [codebook.encode(item) for item in items])


def test_no_images_have_no_codes():
    assert random_codebook().encode_all([]).shape == (0, 7)


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_every_component_of_a_code_has_its_own_name(settings):
    codebook = random_codebook(**settings)
    names = codebook.feature_names()
    assert len(set(names)) == len(names) == codebook.n_outputs == len(codebook.encode(random_features(0)))


def test_names_of_words():
    assert random_codebook(n_words=43).feature_names()[42] == "word_0042"
    assert random_codebook(n_words=2, normalization="chi2").feature_names()[2:5] == [
        "word_0000_cos",
        "word_0001_cos",
        "word_0000_sin",
    ]


# --- learning


def test_learning_twice_with_one_seed_gives_equal_codebooks():
    items = [random_features(seed) for seed in range(4)]
    settings = BovwSettings(n_words=9, tf_idf=True)
    first, second = (settings.learn(items, np.random.default_rng(5)).to_arrays() for _ in range(2))
    assert_array_equal(first["words"], second["words"])
    assert_array_equal(first["idf"], second["idf"])


@pytest.mark.parametrize(("root_sift", "length"), [(True, 1), (False, 255 / 512)])
def test_words_are_learned_in_the_space_where_they_are_compared(root_sift, length):
    settings = BovwSettings(n_words=2, root_sift=root_sift)
    words = settings.learn([axes(0, 1)], np.random.default_rng(0)).words
    assert_allclose(words.max(axis=1), [length, length], rtol=1e-6)


def test_too_few_keypoints_to_learn_from_are_refused():
    with pytest.raises(NotEnoughDataError, match="3 of them distinct, are too few for 5 words"):
        BovwSettings(n_words=5).learn([axes(0, 1), axes(0, 2)], np.random.default_rng(0))


# --- arrays and settings


@pytest.mark.parametrize("tf_idf", [False, True])
def test_a_codebook_survives_the_round_trip_through_arrays(tf_idf):
    settings = BovwSettings(n_words=4, tf_idf=tf_idf)
    codebook = settings.learn([random_features(0), random_features(1, 5)], np.random.default_rng(0))
    again = settings.restore(codebook.to_arrays())
    assert_array_equal(again.encode(random_features(2)), codebook.encode(random_features(2)))


def test_arrays_of_a_codebook_are_read_only():
    codebook = random_codebook()
    with pytest.raises(ValueError, match="read-only"):
        codebook.words[0] = 0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "needs the array 'words'"),
        ({"words": np.ones((3, 128), np.float32)}, r"words is float32 \(3, 128\).*\(2, 128\)"),
        ({"words": np.ones((2, 64), np.float32)}, r"\(2, 64\)"),
        ({"words": np.ones((2, 128), np.complex64)}, "complex64"),
        ({"words": np.full((2, 128), np.nan, np.float32)}, "not finite"),
        ({"words": np.ones((2, 128), np.float32), "idf": np.ones(2, np.float32)}, "idf is given"),
    ],
)
def test_arrays_that_do_not_fit_the_settings_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        BovwSettings(n_words=2).restore(arrays)


def test_tf_idf_without_weights_is_refused():
    with pytest.raises(ValueError, match="idf is missing"):
        BovwSettings(n_words=2, tf_idf=True).restore({"words": np.ones((2, 128), np.float32)})


@pytest.mark.parametrize(
    "field",
    [
        {"n_words": 0},
        {"n_samples": 999},
        {"assignment": "fuzzy"},
        {"n_neighbors": 0},
        {"softness": 0.0},
        {"softness": float("nan")},
        {"softness": float("inf")},
        {"normalization": "max"},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field):
    with pytest.raises(SettingsError, match=next(iter(field))):
        BovwSettings(**field)


def test_only_a_soft_vote_needs_as_many_words_as_neighbors():
    BovwSettings(n_words=2, n_neighbors=3)
    with pytest.raises(SettingsError, match="n_neighbors is 3; it must be from 1 to n_words, 2"):
        BovwSettings(n_words=2, n_neighbors=3, assignment="soft")


def test_settings_survive_the_round_trip_through_a_dictionary():
    settings = BovwSettings(n_words=50, assignment="soft", softness=0.2, normalization="chi2")
    assert from_dict(BovwSettings, to_dict(settings)) == settings


@pytest.mark.parametrize("assignment", ["hard", "soft"])
def test_counts_do_not_depend_on_the_block_size(assignment, monkeypatch):
    codebook = random_codebook(assignment=assignment)
    whole = codebook.count(random_features(1))
    monkeypatch.setattr("classicvision.encoding.bovw._BLOCK_ROWS", 7)
    assert_array_equal(codebook.count(random_features(1)), whole)


@pytest.mark.parametrize("assignment", ["hard", "soft"])
@pytest.mark.parametrize("limit", ["_BLOCK_ROWS", "_BLOCK_NUMBERS"])
def test_codes_do_not_depend_on_the_group_of_images(assignment, limit, monkeypatch):
    codebook = random_codebook(assignment=assignment)
    items = [random_features(seed, n) for seed, n in enumerate([3, 9, 0, 1, 30, 2, 2])]
    together = codebook.encode_all(items)
    monkeypatch.setattr(f"classicvision.encoding.bovw.{limit}", 10)
    assert_array_equal(codebook.encode_all(items), together)
