"""Candidates by perceptual hash: the same as counting signs, in every symmetry, of images of the same aspect ratio."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.features.phash import pack_signs, symmetric_hashes
from classicvision.matching import hash_candidates
from classicvision.matching.hash_candidates import HashTable


@pytest.fixture
def hashes():
    return np.random.default_rng(0).choice([-1, 0, 1], (50, 256), p=[0.4, 0.2, 0.4]).astype(np.float32)


def sizes(*size, n=50):
    return np.tile(np.array(size, np.int64), (n, 1))


def flipped(signs, share):
    """Return a hash of which a share of the signs is opposite, spread evenly."""
    changed = signs.copy()
    changed[:: round(1 / share)] *= -1
    return changed


@pytest.mark.parametrize("symmetry", range(8))
def test_an_image_is_found_in_its_symmetry(hashes, symmetry):
    stored = hashes.copy()
    stored[7] = symmetric_hashes(hashes[3])[symmetry]
    table = HashTable.of(pack_signs(stored), sizes(200, 200))
    found = table.candidates(pack_signs(hashes[3]), (200, 200))
    assert (7, symmetry) in found


def test_a_tenth_of_the_signs_may_differ_and_a_third_may_not(hashes):
    stored = np.stack([flipped(hashes[0], 0.1), flipped(hashes[0], 0.333), hashes[0]])
    table = HashTable.of(pack_signs(stored), sizes(200, 300, n=3))
    assert table.candidates(pack_signs(hashes[0]), (100, 150)) == [(2, 0), (0, 0)]


def test_another_aspect_ratio_excludes_a_candidate(hashes):
    table = HashTable.of(pack_signs(hashes), sizes(200, 300))
    assert table.candidates(pack_signs(hashes[5]), (200, 200)) == []
    assert table.candidates(pack_signs(hashes[5]), (202, 300)) == [(5, 0)]


def test_few_signs_in_common_say_nothing(hashes):
    few = np.zeros(256, np.float32)
    few[1:9] = hashes[0, 1:9]
    table = HashTable.of(pack_signs(np.stack([hashes[0], few])), sizes(90, 90, n=2))
    assert table.candidates(pack_signs(few), (90, 90))[0] == (1, 0)
    assert all(row == 1 for row, _ in table.candidates(pack_signs(few), (90, 90)))


def test_no_signs_and_no_images_have_no_candidates(hashes):
    table = HashTable.of(pack_signs(np.zeros((3, 256), np.float32)), sizes(90, 90, n=3))
    assert table.candidates(pack_signs(np.zeros(256, np.float32)), (90, 90)) == []
    empty = HashTable.of(np.zeros((0, 64), np.uint8), sizes(1, 1, n=0))
    assert empty.candidates(pack_signs(hashes[0]), (90, 90)) == []


def test_bits_are_counted_alike_without_numpy_2():
    words = np.random.default_rng(1).integers(0, 2**63, (4, 9), dtype=np.int64).view(np.uint64)
    assert_array_equal(hash_candidates._count_by_table(words).sum(axis=0), hash_candidates._n_ones(words))
