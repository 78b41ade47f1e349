"""The words of an index: closed under mirroring, exact, and as many as the sample bears."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features.local import MIRRORED_BINS, LocalFeatures
from classicvision.features.rootsift import root_sift_bytes
from classicvision.index.vocabulary import Vocabulary, learn_vocabulary, words_for


def test_the_second_half_of_the_words_is_the_first_in_a_mirror(vocabulary):
    assert len(vocabulary) == 40
    assert_array_equal(vocabulary.words[20:], vocabulary.words[:20, MIRRORED_BINS])


def test_mirrored_words_are_what_the_mirrored_features_have(vocabulary, make_features):
    features = make_features(300, 5)
    upright = vocabulary.quantize(features.descriptors)
    by_rule = vocabulary.quantize_mirrored(features.descriptors, upright)
    searched = vocabulary.quantize(features.mirrored().descriptors)
    assert_array_equal(by_rule.words, searched.words)
    assert_array_equal(by_rule.signatures, searched.signatures)


def test_a_signature_has_a_bit_for_each_projection_above_the_median_of_the_word(vocabulary, make_features):
    features = make_features(3, 9)
    found = vocabulary.quantize(features.descriptors)
    for row in range(3):
        projected = vocabulary.projection.astype(int) @ root_sift_bytes(features.descriptors)[row].astype(int)
        bits = projected > vocabulary.medians[found.words[row]]
        assert int(found.signatures[row]) == sum(int(bit) << place for place, bit in enumerate(bits))


def test_half_of_the_sample_of_a_word_lies_above_its_median(make_features):
    features = [make_features(500, 50 + i) for i in range(4)]
    vocabulary = learn_vocabulary(features, 2, 10**6, np.random.default_rng(0))
    found = np.concatenate([vocabulary.quantize(item.descriptors).signatures for item in features])
    flat = np.concatenate([vocabulary.quantize(item.mirrored().descriptors).signatures for item in features])
    ones = np.array([number.bit_count() for number in [*found.tolist(), *flat.tolist()]]).mean()
    assert ones == pytest.approx(32, abs=0.5)


def test_threads_change_no_bit(vocabulary, make_features):
    descriptors = np.concatenate([make_features(5000, seed).descriptors for seed in range(4)])
    one, two = vocabulary.quantize(descriptors), vocabulary.quantize(descriptors, n_threads=2)
    assert_array_equal(one.words, two.words)
    assert_array_equal(one.signatures, two.signatures)


@pytest.mark.parametrize(
    ("n_descriptors", "n_words", "expected"), [(0, 20_000, 2), (4000, 20_000, 100), (10**6, 50, 50)]
)
def test_there_is_a_word_for_every_forty_descriptors_at_most(n_descriptors, n_words, expected):
    assert words_for(n_descriptors, n_words) == expected


def test_a_library_without_keypoints_has_a_vocabulary_too():
    vocabulary = learn_vocabulary([LocalFeatures.empty((9, 9))], 20_000, 1000, np.random.default_rng(0))
    assert len(vocabulary) == 2
    assert len(vocabulary.quantize(np.zeros((0, 128), np.uint8)).words) == 0


def test_equal_descriptors_make_as_many_words_as_differ(make_features):
    one = make_features(1, 3)
    items = [one[np.zeros(500, int)]]
    assert len(learn_vocabulary(items, 20, 500, np.random.default_rng(0))) == 2


def test_there_are_no_more_words_than_descriptors_that_differ_however_many_there_are(make_features):
    items = [make_features(90, 3)] * 100  # 9000 descriptors would bear 224 words
    vocabulary = learn_vocabulary(items, 20_000, 10**6, np.random.default_rng(0))
    assert len(vocabulary) == 2 * 90
    assert np.isfinite(vocabulary.medians).all()


def test_plain_arrays_give_the_same_vocabulary_back(vocabulary):
    again = Vocabulary.from_arrays(vocabulary.to_arrays())
    for name in ("words", "medians", "projection"):
        assert_array_equal(getattr(again, name), getattr(vocabulary, name))


@pytest.mark.parametrize("name", ["words", "medians", "projection"])
def test_arrays_that_do_not_fit_are_refused_by_name(vocabulary, name):
    arrays = vocabulary.to_arrays()
    with pytest.raises(ValueError, match=name):
        Vocabulary.from_arrays({key: value for key, value in arrays.items() if key != name})
    with pytest.raises(ValueError, match=name):
        Vocabulary.from_arrays(arrays | {name: arrays[name][:, :5].copy()})


def test_medians_of_a_word_in_a_mirror_are_those_of_its_descriptors_in_a_mirror(make_features):
    features = make_features(400, 5)
    vocabulary = learn_vocabulary([features], 8, 400, np.random.default_rng(0))
    words = vocabulary.quantize(features.descriptors).words
    half = len(vocabulary) // 2
    for word in range(half):
        upright = root_sift_bytes(features.descriptors[words == word])
        flat = root_sift_bytes(features.descriptors[words == word + half])
        members = np.concatenate([upright[:, MIRRORED_BINS], flat, vocabulary.words[[word + half]]])
        expected = np.median(members.astype(np.float64) @ vocabulary.projection.T.astype(np.float64), axis=0)
        assert_allclose(vocabulary.medians[word + half], expected, rtol=1e-4, atol=0.1)
