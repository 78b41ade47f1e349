"""Postings: by hand, and the search for near ones compared with its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from classicvision import _native
from classicvision.index import postings as postings_module
from classicvision.index.postings import Postings, angle_bytes, near_postings, scale_bytes
from classicvision.index.vocabulary import QuantizedFeatures


def of_lists(*lists):
    """Return postings with these signatures for each word, all of image 0."""
    offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    n = int(offsets[-1])
    signatures = np.array([number for numbers in lists for number in numbers], np.uint64)
    zeros = np.zeros(n, np.uint8)
    return Postings(offsets, zeros.astype(np.uint16), signatures, zeros, zeros, np.zeros(len(lists), np.int32))


def query_of(words, signatures):
    return QuantizedFeatures(np.array(words, np.int32), np.array(signatures, np.uint64))


def test_near_are_the_postings_of_the_same_word_that_differ_in_few_bits():
    postings = of_lists([0b0000], [0b0000, 0b0001, 0b0111, 0b1111])
    posting, query, distance = near_postings(postings, query_of([1, 0], [0b0001, 0b0011]), 2)
    assert_array_equal(posting, [1, 2, 3, 0])
    assert_array_equal(query, [0, 0, 0, 1])
    assert_array_equal(distance, [1, 0, 2, 2])


def test_all_64_bits_count():
    postings = of_lists([2**64 - 1, 2**63])
    assert_array_equal(near_postings(postings, query_of([0], [0]), 64)[2], [64, 1])


@given(seed=st.integers(0, 2**32 - 1), n_words=st.integers(1, 9), limit=st.integers(0, 64))
def test_the_kernel_finds_what_numpy_finds(seed, n_words, limit):
    if not _native.native_available():
        pytest.skip("installed without compiled kernels")
    rng = np.random.default_rng(seed)
    postings = of_lists(*(rng.integers(0, 2**64, rng.integers(0, 30), np.uint64) for _ in range(n_words)))
    n = int(rng.integers(0, 20))
    query = QuantizedFeatures(rng.integers(0, n_words, n).astype(np.int32), rng.integers(0, 2**64, n, np.uint64))
    for ours, expected in zip(
        near_postings(postings, query, limit), postings_module._compare(postings, query, limit), strict=True
    ):
        assert_array_equal(ours, expected)
        assert ours.dtype == expected.dtype


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("begin", "end"), [(-1, 2), (2, 1), (0, 4)])
def test_a_list_outside_of_the_postings_is_an_error_without_a_crash(begin, end, native, monkeypatch):
    if not native:
        monkeypatch.setattr(postings_module, "native_available", lambda: False)
    sound = of_lists([1, 2, 3])
    damaged = Postings(np.array([begin, end], np.int64), *(getattr(sound, c) for c in list(sound.to_arrays())[1:]))
    with pytest.raises(ValueError, match="outside"):
        near_postings(damaged, query_of([0], [0]), 64)


def test_postings_of_two_images_by_hand(make_features, vocabulary):
    images = [make_features(30, 1), make_features(20, 2)]
    postings = Postings.of(images, vocabulary)
    assert len(postings) == 50
    words = [vocabulary.quantize(features.descriptors) for features in images]
    for word in range(len(vocabulary)):
        here = slice(int(postings.offsets[word]), int(postings.offsets[word + 1]))
        expected = [(row, sign) for row, q in enumerate(words) for sign in q.signatures[q.words == word]]
        assert list(zip(postings.rows[here], postings.signatures[here], strict=True)) == expected
        assert postings.n_images_of[word] == len({row for row, _ in expected})
    assert postings.problem(2) == ""


def test_merged_postings_are_those_of_all_images_that_are_kept(make_features, vocabulary):
    a, b, c, d = (make_features(25, seed) for seed in range(4))
    parts = [Postings.of([a, b], vocabulary), Postings.of([c, d], vocabulary)]
    merged = Postings.merged(parts, [np.array([0, -1]), np.array([1, 2])])
    expected = Postings.of([a, c, d], vocabulary)
    for name, column in expected.to_arrays().items():
        assert_array_equal(merged.to_arrays()[name], column)


def test_angles_are_256_steps_of_a_turn_and_a_full_turn_is_zero():
    turn = 2 * np.pi
    assert_array_equal(angle_bytes(np.array([0, turn / 4, turn / 2, turn * 0.9999], np.float32)), [0, 64, 128, 0])


def test_a_doubled_scale_is_16_steps_more():
    steps = scale_bytes(np.array([1, 2, 4, 1e-9, 1e9], np.float32)).astype(int)
    assert_array_equal(np.diff(steps[:3]), [16, 16])
    assert (steps[3], steps[4]) == (0, 255)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("rows", 5, "unknown image"), ("offsets", 3, "not consecutive")],
)
def test_what_is_wrong_with_postings_is_reported(make_features, vocabulary, name, value, reason):
    columns = {
        key: column.copy() for key, column in Postings.of([make_features(30, 1)], vocabulary).to_arrays().items()
    }
    columns[name][0] = value
    assert reason in Postings.from_arrays(columns).problem(1)


@pytest.mark.parametrize("name", ["rows", "signatures", "angles", "scales", "n_images_of"])
def test_columns_of_different_length_are_not_postings(make_features, vocabulary, name):
    columns = Postings.of([make_features(30, 1)], vocabulary).to_arrays()
    with pytest.raises(ValueError, match="differ in length"):
        Postings.from_arrays(columns | {name: columns[name][:-1]})


@pytest.mark.parametrize(
    "change", [lambda column: None, lambda column: column.astype(np.float32), lambda column: column[:, np.newaxis]]
)
@pytest.mark.parametrize("name", ["offsets", "rows", "signatures", "angles", "scales", "n_images_of"])
def test_columns_that_are_missing_or_of_another_type_or_shape_are_not_postings(make_features, vocabulary, name, change):
    columns = Postings.of([make_features(30, 1)], vocabulary).to_arrays()
    wrong = {key: column for key, column in (columns | {name: change(columns[name])}).items() if column is not None}
    with pytest.raises(ValueError, match=f"need an array '{name}'"):
        Postings.from_arrays(wrong)
