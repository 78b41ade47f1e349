"""Votes: by hand, and the kernel compared with NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from classicvision import _native
from classicvision.copies import votes as votes_module
from classicvision.copies.votes import VotingKeypoints, largest_agreements
from classicvision.index.postings import Postings
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


def made_votes(seed):
    """Return postings of nine images, with signatures of few bits and so bursts, and a query."""
    rng = np.random.default_rng(seed)
    n_words, n_images = int(rng.integers(1, 6)), 9
    sizes = rng.integers(0, 40, n_words)
    n, n_queries = int(sizes.sum()), int(rng.integers(0, 20))
    postings = Postings(
        np.cumsum([0, *sizes], dtype=np.int64),
        np.concatenate([np.zeros(0, int), *(np.sort(rng.integers(0, n_images, size)) for size in sizes)]).astype("u2"),
        rng.integers(0, 16, n).astype(np.uint64),
        rng.integers(0, 256, n).astype(np.uint8),
        rng.integers(0, 256, n).astype(np.uint8),
        np.zeros(n_words, np.int32),
    )
    voters = VotingKeypoints(
        query_of(rng.integers(0, n_words, n_queries), rng.integers(0, 16, n_queries)),
        rng.integers(0, 256, n_queries).astype(np.uint8),
        rng.integers(0, 256, n_queries).astype(np.uint8),
        rng.random(n_queries).astype(np.float32),
    )
    return postings, voters, n_images


@given(seed=st.integers(0, 2**32 - 1), limit=st.integers(0, 4))
def test_the_kernel_sums_votes_as_numpy_does_to_the_last_bit(seed, limit):
    if not _native.native_available():
        pytest.skip("installed without compiled kernels")
    votes = made_votes(seed)
    assert_array_equal(largest_agreements(*votes, limit), votes_module._largest_agreements(*votes, limit))


@pytest.mark.parametrize("native", [True, False])
def test_votes_agree_in_windows_of_two_by_two_steps_and_a_turn_has_no_end(native, monkeypatch):
    if not native:
        monkeypatch.setattr(votes_module, "native_available", lambda: False)
    # Three postings of image 1 by one keypoint each: rotated by 250, 2 and 40 of 256 steps, by no step of scale.
    offsets, rows = np.array([0, 1, 2, 3], np.int64), np.array([1, 1, 1], np.uint16)
    angles, scales = np.array([250, 2, 40], np.uint8), np.full(3, 80, np.uint8)
    postings = Postings(offsets, rows, np.zeros(3, np.uint64), angles, scales, np.ones(3, np.int32))
    zeros = np.zeros(3, np.uint8)
    voters = VotingKeypoints(query_of([0, 1, 2], [0, 0, 0]), zeros, scales, np.array([1, 2, 2.5], np.float32))
    assert_array_equal(largest_agreements(postings, voters, 3, 0), [0, 3, 0])


@pytest.mark.parametrize("native", [True, False])
def test_four_votes_of_one_keypoint_for_one_image_weigh_two(native, monkeypatch):
    if not native:
        monkeypatch.setattr(votes_module, "native_available", lambda: False)
    postings = of_lists([0, 0, 0, 0])
    zero = np.zeros(1, np.uint8)
    voters = VotingKeypoints(query_of([0], [0]), zero, zero, np.ones(1, np.float32))
    assert_array_equal(largest_agreements(postings, voters, 1, 0), [2])


@pytest.mark.parametrize("native", [True, False])
def test_a_posting_of_no_image_is_an_error_without_a_crash(native, monkeypatch):
    if not native:
        monkeypatch.setattr(votes_module, "native_available", lambda: False)
    zero = np.zeros(1, np.uint8)
    voters = VotingKeypoints(query_of([0], [0]), zero, zero, np.ones(1, np.float32))
    with pytest.raises(ValueError, match="names no image"):
        largest_agreements(of_lists([0]), voters, 0, 0)
