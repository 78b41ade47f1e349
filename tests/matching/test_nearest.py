"""Matches of descriptors: by hand, against the definition, and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.features import rootsift
from classicvision.features.rootsift import root_sift, root_sift_bytes
from classicvision.matching import nearest
from classicvision.matching.nearest import match_descriptors, nearest_two

FAR = 2**24


def rows(*numbers):
    """Return descriptors with 4 bins."""
    return np.array(numbers, np.uint8).reshape(-1, 4)


@pytest.fixture(params=["kernels", "NumPy"])
def engine(request, monkeypatch):
    if request.param == "NumPy":
        for module in (nearest, rootsift):
            monkeypatch.setattr(module, "native_available", lambda: False)
    elif not nearest.native_available():
        pytest.skip("installed without compiled kernels")
    return request.param


descriptors = hnp.arrays(
    np.uint8, st.tuples(st.integers(0, 9), st.just(5)), elements=st.sampled_from([0, 1, 2, 7, 200, 255])
)


def test_root_sift_bytes_of_1_4_4_are_512_thirds_of_1_2_2_clipped_at_255(engine):
    assert_array_equal(root_sift_bytes(np.array([[1, 4, 4, 0]], np.uint8)), [[171, 255, 255, 0]])


def test_root_sift_bytes_of_zeros_are_zeros(engine):
    assert_array_equal(root_sift_bytes(np.zeros((1, 128), np.uint8)), np.zeros((1, 128)))


def test_root_sift_bytes_are_root_sift_times_512_to_half_a_unit(engine):
    sift = np.random.default_rng(0).integers(0, 60, (50, 128), np.uint8)
    assert_allclose(root_sift_bytes(sift), 512 * root_sift(sift), atol=0.5001)


def test_nearest_two_by_hand(engine):
    of_a, of_b = nearest_two(rows([0, 0, 0, 0], [9, 0, 0, 0]), rows([1, 0, 0, 0], [0, 3, 0, 0], [9, 0, 0, 1]))
    assert_array_equal(of_a.rows, [[0, 1], [2, 0]])
    assert_array_equal(of_a.squared, [[1, 9], [1, 64]])
    assert_array_equal(of_b.rows, [[0, 1], [0, 1], [1, 0]])
    assert_array_equal(of_b.squared, [[1, 64], [9, 90], [1, 82]])


def test_ties_are_resolved_by_row(engine):
    of_a, of_b = nearest_two(rows([5, 0, 0, 0]), rows([5, 1, 0, 0], [5, 0, 1, 0], [5, 0, 0, 1]))
    assert_array_equal(of_a.rows, [[0, 1]])
    assert_array_equal(of_a.squared, [[1, 1]])
    assert_array_equal(of_b.rows, [[0, -1]] * 3)


def test_a_single_descriptor_has_no_second_nearest(engine):
    of_a, _ = nearest_two(rows([5, 0, 0, 0]), rows([5, 1, 0, 0]))
    assert_array_equal(of_a.rows, [[0, -1]])
    assert_array_equal(of_a.squared, [[1, FAR]])


def test_without_descriptors_there_are_no_neighbours(engine):
    of_a, of_b = nearest_two(rows([5, 0, 0, 0]), rows())
    assert_array_equal(of_a.rows, [[-1, -1]])
    assert_array_equal(of_a.squared, [[FAR, FAR]])
    assert of_b.rows.shape == of_b.squared.shape == (0, 2)


def test_the_largest_distance_is_exact(engine):
    of_a, _ = nearest_two(np.full((1, 256), 255, np.uint8), np.zeros((1, 256), np.uint8))
    assert of_a.squared[0, 0] == 256 * 255**2


@given(descriptors, descriptors)
def test_nearest_two_are_the_definition(a, b):
    squared = np.square(a[:, None].astype(int) - b).sum(axis=2)
    for found, table in zip(nearest_two(a, b), (squared, squared.T), strict=True):
        order = np.argsort(table, axis=1, kind="stable")[:, :2]
        missing = 2 - order.shape[1]
        assert_array_equal(found.rows, np.pad(order, ((0, 0), (0, missing)), constant_values=-1))
        least = np.take_along_axis(table, order, 1)
        assert_array_equal(found.squared, np.pad(least, ((0, 0), (0, missing)), constant_values=FAR))


def test_matches_are_mutual_and_pass_the_ratio_test(engine):
    a = rows([90, 0, 0, 0], [0, 90, 0, 0], [0, 85, 5, 0])
    b = rows([0, 90, 1, 0], [90, 1, 0, 0])
    assert_array_equal(match_descriptors(a, b), [[0, 1], [1, 0]])


def test_an_object_that_occurs_twice_in_both_images_fails_the_ratio_test():
    twice = rows([90, 0, 0, 0], [90, 0, 0, 0])
    assert_array_equal(match_descriptors(twice, twice), np.zeros((0, 2)))


def test_an_object_that_occurs_twice_in_one_image_is_matched_once():
    once, twice = rows([90, 0, 0, 0], [0, 0, 90, 0]), rows([90, 0, 0, 0], [90, 0, 0, 0], [0, 90, 0, 0])
    assert_array_equal(match_descriptors(once, twice)[0], [0, 0])
    assert_array_equal(match_descriptors(twice, once)[0], [0, 0])


@given(descriptors, descriptors)
def test_exchanging_the_images_exchanges_the_columns_without_ties(a, b):
    squared = np.square(root_sift_bytes(a)[:, None].astype(int) - root_sift_bytes(b)).sum(axis=2)
    if len(np.unique(squared)) < squared.size:
        return
    there, back = match_descriptors(a, b), match_descriptors(b, a)
    assert sorted(map(tuple, there)) == sorted(map(tuple, back[:, ::-1]))


@given(descriptors, descriptors)
def test_no_keypoint_is_matched_twice(a, b):
    pairs = match_descriptors(a, b)
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)


def test_descriptors_of_different_widths_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 4\) and \(1, 5\) must be"):
        nearest_two(np.zeros((1, 4), np.uint8), np.zeros((1, 5), np.uint8))


@pytest.mark.parametrize("shapes", [((1, 257), (1, 257)), ((4,), (4,)), ((1, 4), (4,))])
def test_descriptors_need_rows_of_at_most_256_numbers(shapes):
    with pytest.raises(ValueError, match="at most 256"):
        nearest_two(*(np.zeros(shape, np.uint8) for shape in shapes))


def test_blocks_of_any_size_give_the_same_neighbours(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (23, 5), np.uint8), rng.integers(0, 4, (17, 5), np.uint8)
    monkeypatch.setattr(nearest, "native_available", lambda: False)
    whole = nearest_two(a, b)
    for rows_at_once in (1, 4, 23):
        monkeypatch.setattr(nearest, "_BLOCK_NUMBERS", rows_at_once * len(b))
        for one, other in zip(nearest_two(a, b), whole, strict=True):
            assert_array_equal(one.rows, other.rows)
            assert_array_equal(one.squared, other.squared)
