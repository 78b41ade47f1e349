"""The sample of descriptors, the words learned from it, and the nearest words."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision._native import native_available
from classicvision.encoding.nearest import nearest_words
from classicvision.encoding.vocabulary import learn_words, sample_descriptors
from classicvision.errors import NotEnoughDataError
from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift


def features(descriptors):
    n = len(descriptors)
    return LocalFeatures(np.zeros((n, 2)), np.ones(n), np.zeros(n), np.ones(n), descriptors, (8, 8))


def numbered(n):
    """Return (n, 128) descriptors whose first two numbers count them."""
    descriptors = np.zeros((n, 128), np.uint8)
    descriptors[:, 0], descriptors[:, 1] = np.divmod(np.arange(n), 256)
    return descriptors


def numbers_of(descriptors):
    return descriptors[:, 0].astype(int) * 256 + descriptors[:, 1]


def split(descriptors, cuts):
    return [features(part) for part in np.split(descriptors, sorted(cuts))]


def nearest_by_definition(descriptors, words, m):
    difference = descriptors[:, np.newaxis].astype(np.float64) - words
    squared = np.square(difference).sum(axis=2)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :m]
    return indices, np.take_along_axis(squared, indices, axis=1)


# --- the sample


@given(cuts=st.lists(st.integers(0, 50), max_size=5), spare=st.integers(0, 20))
def test_sample_as_large_as_the_whole_is_the_whole_in_order(cuts, spare):
    sample = sample_descriptors(split(numbered(50), cuts), 50 + spare, np.random.default_rng(0))
    assert_array_equal(sample, numbered(50))


@given(cuts=st.lists(st.integers(0, 300), max_size=6), n=st.integers(1, 299), seed=st.integers(0, 99))
def test_a_sample_has_n_distinct_descriptors_for_any_division_into_images(cuts, n, seed):
    sample = sample_descriptors(split(numbered(300), cuts), n, np.random.default_rng(seed))
    whole = sample_descriptors([features(numbered(300))], n, np.random.default_rng(seed))
    assert len(set(numbers_of(sample))) == n
    assert_array_equal(sample, whole)


def test_each_descriptor_is_drawn_with_the_same_probability():
    rng = np.random.default_rng(0)
    items = split(numbered(60), [7, 8, 31])
    drawn = [numbers_of(sample_descriptors(items, 6, rng)) for _ in range(5000)]
    times = np.bincount(np.concatenate(drawn), minlength=60)
    # 500 expected each, variance 450; the sum of 60 squares over the variance is near chi-squared with 59 degrees of
    # freedom: 99.9 % of it lies below 98.3, 0.1 % below 30.
    assert 30 < (np.square(times - 500) / 450).sum() < 98.3


def test_no_images_give_an_empty_sample():
    assert sample_descriptors([], 5, np.random.default_rng(0)).shape == (0, 128)


def test_images_without_keypoints_add_nothing():
    items = [LocalFeatures.empty((4, 4)), features(numbered(3)), LocalFeatures.empty((4, 4))]
    assert_array_equal(sample_descriptors(items, 9, np.random.default_rng(0)), numbered(3))


def test_an_empty_sample_is_refused():
    with pytest.raises(ValueError, match="n is 0"):
        sample_descriptors([], 0, np.random.default_rng(0))


def test_sampling_reads_each_image_once_and_keeps_only_the_sample():
    def lazily():
        for _ in range(40):
            yield features(np.zeros((5000, 128), np.uint8))

    tracemalloc.start()
    sample_descriptors(lazily(), 1000, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 5000 * 128  # all 40 images are 40 times 5000 * 128


# --- the words


def test_the_words_of_two_clusters_are_their_means():
    descriptors = np.array([[0, 0], [0, 2], [10, 10], [10, 14]])
    words = learn_words(descriptors, 2, np.random.default_rng(0))
    assert_allclose(words[np.argsort(words[:, 0])], [[0, 1], [10, 12]], atol=1e-6)


def test_as_many_words_as_distinct_descriptors_are_the_descriptors():
    descriptors = np.repeat(np.array([[1, 0], [0, 5], [7, 7]], np.uint8), [1, 9, 4], axis=0)
    words = learn_words(descriptors, 3, np.random.default_rng(3))
    assert words.dtype == np.float32
    assert_allclose(np.unique(words, axis=0), [[0, 5], [1, 0], [7, 7]], atol=1e-6)


def test_too_few_distinct_descriptors_are_refused_with_their_number():
    descriptors = np.repeat(np.eye(3), 5, axis=0)
    with pytest.raises(NotEnoughDataError, match=r"15 descriptor.*, 3 of them distinct, are too few for 4 words"):
        learn_words(descriptors, 4, np.random.default_rng(0))


def test_learning_words_from_no_descriptors_is_refused():
    with pytest.raises(NotEnoughDataError, match="no keypoints"):
        learn_words(np.zeros((0, 128)), 1, np.random.default_rng(0))


def test_a_vocabulary_has_at_least_one_word():
    with pytest.raises(ValueError, match="n_words is 0"):
        learn_words(np.eye(3), 0, np.random.default_rng(0))


def test_words_of_bytes_are_those_of_their_root_sift():
    raw = np.random.default_rng(0).integers(0, 255, (400, 16), dtype=np.uint8)
    of_bytes = learn_words(raw, 20, np.random.default_rng(1), as_root_sift=True)
    assert_array_equal(of_bytes, learn_words(root_sift(raw), 20, np.random.default_rng(1)))


def test_bytes_of_one_root_sift_are_one_descriptor():
    raw = np.array([[1, 0], [2, 0], [9, 0], [0, 3]], np.uint8)
    with pytest.raises(NotEnoughDataError, match=r"4 descriptor.*, 2 of them distinct"):
        learn_words(raw, 3, np.random.default_rng(0), as_root_sift=True)


def test_learning_does_not_copy_uint8_descriptors():
    raw = np.random.default_rng(0).integers(0, 255, (60_000, 128), dtype=np.uint8)
    learn_words(raw[:300], 10, np.random.default_rng(0), as_root_sift=True)  # modules are loaded by now
    tracemalloc.start()
    learn_words(raw, 20, np.random.default_rng(0), as_root_sift=True, max_iterations=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if native_available():
        assert peak < raw.nbytes  # float32 would be four times as much


def test_root_sift_of_floats_is_refused():
    with pytest.raises(ValueError, match="descriptors are float64"):
        learn_words(np.eye(3), 1, np.random.default_rng(0), as_root_sift=True)


def test_one_word_is_the_mean():
    descriptors = np.random.default_rng(0).integers(0, 255, (50, 128), dtype=np.uint8)
    assert_allclose(learn_words(descriptors, 1, np.random.default_rng(0))[0], descriptors.mean(axis=0), rtol=1e-5)


@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_every_word_has_a_descriptor_and_there_are_no_warnings(seed):
    rng = np.random.default_rng(seed)
    # Few values, so many descriptors are equal and k-means meets empty clusters.
    descriptors = rng.integers(0, 2, (200, 3)) * rng.integers(1, 3, (200, 1))
    n_words = len(np.unique(descriptors, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words = learn_words(descriptors, n_words, rng)
    nearest, squared = nearest_words(descriptors, words)
    assert len(np.unique(nearest)) == n_words
    assert squared.max() < 1e-9


def test_same_seed_same_words_and_another_seed_other_words():
    descriptors = np.random.default_rng(0).random((300, 8))
    first, again, other = (learn_words(descriptors, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_number_of_threads_does_not_change_the_words():
    raw = np.random.default_rng(0).integers(0, 255, (20_000, 32), dtype=np.uint8)
    one, two = (learn_words(raw, 300, np.random.default_rng(0), n_threads=n, max_iterations=3) for n in (1, 2))
    assert_array_equal(one, two)


def test_learning_does_not_change_the_descriptors():
    descriptors = np.random.default_rng(0).random((300, 8), dtype=np.float32)
    before = descriptors.copy()
    learn_words(descriptors, 5, np.random.default_rng(0))
    assert_array_equal(descriptors, before)


_LEARN_AND_ASSIGN = """
import sys
import numpy as np
from classicvision.encoding.nearest import nearest_words
from classicvision.encoding.vocabulary import learn_words
rng = np.random.default_rng(0)
descriptors = rng.random((6000, 128), dtype=np.float32)
words = learn_words(descriptors, 40, rng)
nearest, squared = nearest_words(descriptors, words, 3)
sys.stdout.buffer.write(words.tobytes() + nearest.tobytes() + squared.tobytes())
"""


def test_the_number_of_threads_does_not_change_the_result(checkout):
    digests = set()
    for n_threads in ("1", "2"):
        threads = {"OMP_NUM_THREADS": n_threads, "OPENBLAS_NUM_THREADS": n_threads}
        environment = {**os.environ, **threads, "PYTHONPATH": str(checkout)}
        run = subprocess.run(
            [sys.executable, "-c", _LEARN_AND_ASSIGN], env=environment, capture_output=True, check=True
        )
        digests.add(hashlib.sha256(run.stdout).hexdigest())
    assert len(digests) == 1


# --- the nearest words


def test_nearest_by_hand():
    words = np.array([[0, 0], [4, 0]], np.float32)
    indices, squared = nearest_words(np.array([[1, 0], [3, 1], [4, 0]]), words)
    assert_array_equal(indices, [[0], [1], [1]])
    assert_array_equal(squared, [[1], [2], [0]])


def test_nearest_words_are_sorted_by_distance():
    indices, squared = nearest_words(np.array([[5, 0]]), np.array([[0, 0], [4, 0], [7, 0]], np.float32), 3)
    assert_array_equal(indices, [[1, 2, 0]])
    assert_array_equal(squared, [[1, 4, 25]])


def test_ties_are_resolved_by_index():
    words = np.array([[9, 9], [2, 0], [0, 0], [2, 0]], np.float32)
    indices, _ = nearest_words(np.array([[1, 0], [2, 0]]), words, 2)
    assert_array_equal(indices, [[1, 2], [1, 3]])


@given(seed=st.integers(0, 9999), offset=st.sampled_from([0, 100, 30000]), m=st.integers(1, 4), n=st.integers(0, 60))
def test_nearest_equals_the_definition_in_float64(seed, offset, m, n):
    # A large offset leaves float32 products few digits for the distances, and small integers make ties.
    rng = np.random.default_rng(seed)
    words = (offset + rng.integers(0, 4, (9, 5))).astype(np.float32)
    descriptors = offset + rng.integers(0, 4, (n, 5))
    indices, squared = nearest_words(descriptors, words, m)
    expected_indices, expected_squared = nearest_by_definition(descriptors, words, m)
    assert_array_equal(indices, expected_indices)
    assert_array_equal(squared, expected_squared)


def test_nearest_equals_the_definition_for_random_descriptors_over_many_blocks(monkeypatch):
    monkeypatch.setattr("classicvision.encoding.nearest._BLOCK_NUMBERS", 1000)
    rng = np.random.default_rng(0)
    descriptors, words = rng.random((500, 128), dtype=np.float32), rng.random((70, 128), dtype=np.float32)
    indices, squared = nearest_words(descriptors, words, 2)
    expected_indices, expected_squared = nearest_by_definition(descriptors, words, 2)
    assert_array_equal(indices, expected_indices)
    assert_allclose(squared, expected_squared, rtol=1e-6)


def test_result_types_are_int32_and_float32_also_for_no_descriptors():
    indices, squared = nearest_words(np.zeros((0, 4), np.uint8), np.ones((3, 4), np.float32), 2)
    assert (indices.dtype, squared.dtype) == (np.int32, np.float32)
    assert indices.shape == squared.shape == (0, 2)


@pytest.mark.parametrize(("n", "n_words", "m"), [(60_000, 500, 1), (60_000, 500, 5), (60_000, 1, 1), (3000, 300, 1)])
@pytest.mark.parametrize("equal", [False, True])
def test_memory_in_addition_to_the_result_is_bounded(n, n_words, m, equal):
    # Equal words are the worst case: all of them are candidates for every descriptor.
    n = 3000 if equal else n
    words = np.ones((n_words, 16), np.float32) if equal else np.random.default_rng(0).random((n_words, 16), np.float32)
    descriptors = np.zeros((n, 16), np.uint8)
    tracemalloc.start()
    nearest_words(descriptors, words, m)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20 + n * m * 8 + words.nbytes


@pytest.mark.parametrize(
    ("descriptors", "words", "m", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4), np.float32), 1, r"\(2, 3\) and words \(2, 4\)"),
        (np.ones(3), np.ones((2, 3), np.float32), 1, r"must be \(N, D\)"),
        (np.ones((2, 3)), np.ones((2, 3), np.float32), 3, "m is 3; there are 2 words"),
        (np.ones((2, 3)), np.ones((2, 3), np.float32), 0, "m is 0"),
        (np.ones((2, 3)), np.ones((0, 3), np.float32), 1, "there are 0 words"),
        (np.full((2, 3), np.nan), np.ones((2, 3), np.float32), 1, "descriptors hold numbers that are not finite"),
        (np.ones((2, 3)), np.array([[0, np.inf, 0]], np.float32), 1, "words hold numbers"),
        (np.ones((2, 3)), np.array([[0, 1e20, 0]], np.float32), 1, "words hold numbers"),
    ],
)
def test_invalid_arguments_are_refused(descriptors, words, m, message):
    with pytest.raises(ValueError, match=message):
        nearest_words(descriptors, words, m)
