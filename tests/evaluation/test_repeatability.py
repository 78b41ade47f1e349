"""Keypoints that come back and match: counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from classicvision.evaluation import repeatability
from classicvision.evaluation.repeatability import count_repeated, match_by_ratio, shared_places
from classicvision.features.binary import BinaryFeatures
from classicvision.features.local import LocalFeatures

SIZE = (100, 100)


def places(*rows):
    return np.array(rows, float).reshape(-1, 3)


def repeated(a, b):
    return count_repeated(a, b, distance=3, scale_factor=1.3)


def bits(*words):
    """Return features with the binary descriptors that some strings of eight digits spell."""
    n = len(words)
    descriptors = np.array([[int(word, 2)] for word in words], np.uint8).reshape(n, 1)
    one = np.ones(n, np.float32)
    return BinaryFeatures(np.zeros((n, 2), np.float32), one, one, descriptors, SIZE)


def sift(xy, scale=2.0, descriptors=None):
    n = len(xy)
    descriptors = np.zeros((n, 128), np.uint8) if descriptors is None else descriptors
    return LocalFeatures(np.array(xy), np.full(n, scale), np.zeros(n), np.ones(n), descriptors, SIZE)


def test_a_place_comes_back_within_the_distance_and_not_beyond():
    assert repeated(places((10, 10, 2)), places((13, 10, 2))) == 1
    assert repeated(places((10, 10, 2)), places((13.1, 10, 2))) == 0


def test_a_place_of_another_scale_does_not_come_back():
    assert repeated(places((10, 10, 2)), places((10, 10, 2.5))) == 1
    assert repeated(places((10, 10, 2)), places((10, 10, 2.7))) == 0
    assert repeated(places((10, 10, 2.7)), places((10, 10, 2))) == 0


def test_two_places_that_share_a_nearest_come_back_once():
    assert repeated(places((10, 10, 2), (11, 10, 2)), places((10, 10, 2))) == 1


def test_a_near_place_of_another_scale_does_not_win_over_the_correct_one():
    assert repeated(places((10, 10, 2)), places((10, 10, 9), (12, 10, 2))) == 1


def test_without_places_none_comes_back():
    assert repeated(places(), places((1, 1, 1))) == repeated(places((1, 1, 1)), places()) == 0


@given(st.integers(0, 1000))
def test_exchanging_the_images_and_working_in_blocks_change_nothing(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.column_stack([rng.uniform(0, 30, (n, 2)), rng.uniform(1, 2, n)]) for n in (40, 25))
    expected = repeated(a, b)
    assert repeated(b, a) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeatability, "_BLOCK_NUMBERS", 60)
        assert repeated(a, b) == expected


def test_only_what_both_images_show_can_be_repeated_and_scales_grow_with_the_image():
    a, b = sift([[10, 10], [60, 60]]), sift([[20, 20], [90, 20]], scale=4)
    in_b, of_b, n_visible = shared_places(a, b, np.diag([2, 2, 1.0]))
    assert_array_equal(in_b, [[20, 20, 4]])  # (60, 60) would go to (120, 120)
    assert_array_equal(of_b, [[20, 20, 4], [90, 20, 4]])
    assert n_visible == (1, 2)


def test_a_place_with_two_directions_is_one_place_and_two_keypoints():
    a = sift([[10, 10], [10, 10]])
    in_b, _, n_visible = shared_places(a, a, np.eye(3))
    assert (len(in_b), n_visible) == (1, (2, 2))


def test_bits_are_matched_by_how_many_differ():
    a, b = bits("11110000"), bits("00001111", "11110001", "11000000")
    # 8, 1 and 2 bits differ: 1 < 0.8 * 2, but not 0.5 * 2.
    assert_array_equal(match_by_ratio(a, b, ratio=0.8, mutual=False), [[0, 1]])
    assert match_by_ratio(a, b, ratio=0.5, mutual=False).shape == (0, 2)


def test_only_one_of_two_that_want_the_same_partner_is_mutual():
    a, b = bits("11110000", "11110011"), bits("11110000", "00001100")
    assert_array_equal(match_by_ratio(a, b, ratio=0.8, mutual=False), [[0, 0], [1, 0]])
    assert_array_equal(match_by_ratio(a, b, ratio=0.8, mutual=True), [[0, 0]])


@given(st.integers(0, 1000))
def test_bits_in_blocks_are_counted_as_by_hand(seed):
    rng = np.random.default_rng(seed)
    a, b = (bits(*(f"{word:08b}" for word in rng.integers(0, 256, n))) for n in (12, 9))
    differ = np.array(
        [[bin(x ^ y).count("1") for y in b.descriptors[:, 0].tolist()] for x in a.descriptors[:, 0].tolist()]
    )
    two = np.sort(differ, axis=1)[:, :2]
    expected = [[i, differ[i].argmin()] for i in range(12) if two[i, 0] < 0.8 * two[i, 1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeatability, "_BLOCK_NUMBERS", 30)
        assert match_by_ratio(a, b, ratio=0.8, mutual=False).tolist() == expected


def test_sift_is_matched_as_root_sift():
    # As they are, a is nearer to the second; by their square roots to the first.
    descriptors = np.zeros((3, 128), np.uint8)
    descriptors[0, :2] = 100, 100
    descriptors[1, :3] = 150, 50, 0
    descriptors[2, :3] = 90, 90, 20
    a, b = sift([[1, 1]], descriptors=descriptors[:1]), sift([[1, 1], [2, 2]], descriptors=descriptors[1:])
    by_root = np.linalg.norm(
        np.sqrt(descriptors[1:] / descriptors[1:].sum(axis=1, keepdims=True)) - np.sqrt(descriptors[0] / 200), axis=1
    )
    plain = np.linalg.norm(descriptors[1:].astype(float) - descriptors[0], axis=1)
    assert by_root.argmin() != plain.argmin()
    assert match_by_ratio(a, b, ratio=1, mutual=True)[0, 1] == by_root.argmin()


def test_nothing_matches_nothing():
    assert match_by_ratio(bits(), bits("11110000"), ratio=0.8, mutual=True).shape == (0, 2)
    assert match_by_ratio(sift(np.zeros((0, 2))), sift([[1, 1]]), ratio=0.8, mutual=True).shape == (0, 2)


def test_keypoints_of_two_detectors_cannot_be_compared():
    with pytest.raises(TypeError, match="a is BinaryFeatures and b LocalFeatures"):
        match_by_ratio(bits("11110000"), sift([[1, 1]]), ratio=0.8, mutual=True)
