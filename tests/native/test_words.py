"""The compiled search for the nearest word and the sums for k-means, against their definitions."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans

from classicvision import _native
from classicvision.encoding import nearest as nearest_module
from classicvision.encoding.nearest import PreparedWords, label_points, nearest_words
from classicvision.features.rootsift import root_sift

pytestmark = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")

if _native.native_available():
    from classicvision._native import kernels
    from classicvision._native import words as native
    from classicvision.encoding.kmeans import lloyd


def by_definition(points, words, m):
    squared = np.square(points[:, np.newaxis].astype(np.float64) - words).sum(axis=2)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :m]
    return indices, np.take_along_axis(squared, indices, axis=1)


def by_kernel(points, words, m):
    """Return what the kernel alone says, with -1 where it leaves the decision to others."""
    indices, squared = np.full((len(points), m), 7, np.int32), np.zeros((len(points), m), np.float32)
    native.nearest(points, words, native.prepare(words), indices, squared)
    return indices, squared


def sift_like(n, rng):
    """Return RootSIFT of descriptors that are sparse and skewed, as SIFT's are."""
    return root_sift(np.minimum(rng.gamma(0.5, 40, (n, 128)), 255).astype(np.uint8))


# --- the nearest words


@pytest.mark.parametrize("n_dims", [1, 3, 4, 12, 36, 100, 127, 128, 132, 256, 1024])
@pytest.mark.parametrize(("n_points", "n_words", "m"), [(1, 1, 1), (5, 3, 3), (13, 70, 2), (50, 129, 16)])
def test_nearest_is_the_definition_in_float64(n_points, n_words, m, n_dims):
    rng = np.random.default_rng(n_dims)
    points, words = (rng.normal(size=(n, n_dims)).astype(np.float32) for n in (n_points, n_words))
    indices, squared = nearest_words(points, words, m)
    expected, expected_squared = by_definition(points, words, m)
    assert_array_equal(indices, expected)
    assert_allclose(squared, expected_squared, rtol=1e-6)


def test_the_kernel_alone_decides_for_descriptors():
    rng = np.random.default_rng(0)
    points, words = sift_like(100, rng), sift_like(1500, rng)
    assert_array_equal(by_kernel(points, words, 1)[0], by_definition(points, words, 1)[0])


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_points=st.integers(0, 40),
    n_words=st.integers(1, 150),
    n_dims=st.integers(1, 40),
    m=st.integers(1, 20),
    size=st.sampled_from([1e-30, 1e-6, 1.0, 255.0, 1e11]),
    offset=st.sampled_from([0.0, 1.0, 1000.0]),
    digits=st.sampled_from([1, 2, 8]),
)
def test_any_sizes_and_values_give_the_definition(seed, n_points, n_words, n_dims, m, size, offset, digits):
    # Few digits make ties, a large offset and a small size leave float32 few digits for the distances.
    rng = np.random.default_rng(seed)
    words = (size * (offset + rng.random((n_words, n_dims)).round(digits))).astype(np.float32)
    points = np.concatenate([words[: n_points // 2], (size * (offset + rng.random((n_points, n_dims)))).astype("f4")])
    m = min(m, n_words)
    indices, squared = nearest_words(points, words, m)
    every, every_squared = by_definition(points, words, n_words)
    rank = np.argsort(every, axis=1)
    found = np.take_along_axis(every_squared, np.take_along_axis(rank, indices, axis=1), axis=1)
    # The order of a sum may decide between distances that differ by the rounding of float64.
    assert_allclose(found, every_squared[:, :m], rtol=1e-13, atol=0)
    assert_allclose(squared, found.astype(np.float32), rtol=1e-6, atol=0)
    assert all(len(set(row)) == m for row in indices.tolist())


def test_a_number_too_small_for_bytes_next_to_a_large_one_decides():
    # By hand: 0.3 lies nearer to 0.5 than to 0. A level of the point's bytes is 100 / 127, so there it is 0.
    words = np.float32([[0, 0], [0, 0.5], [0, -0.5]])
    assert_array_equal(by_kernel(np.float32([[100, 0.3]]), words, 1), ([[1]], [[np.float32(10_000.04)]]))


@pytest.mark.parametrize("seed", range(12))
def test_words_too_equally_near_for_float32_are_separated(seed):
    # Steps of one length in 60 directions: the distances differ by the rounding of the words alone.
    rng = np.random.default_rng(seed)
    point, step = rng.normal(size=(2, 128))
    words = (point + [rng.permutation(step) for _ in range(60)]).astype(np.float32)
    points = point[np.newaxis].astype(np.float32)
    assert_array_equal(by_kernel(points, words, 1)[0], by_definition(points, words, 1)[0])


def test_an_outlier_among_the_words_changes_no_answer():
    rng = np.random.default_rng(0)
    points, words = sift_like(60, rng), sift_like(300, rng)
    words[17] = 1e6  # one level of a byte is now worth far more than any distance
    assert_array_equal(by_kernel(points, words, 1)[0], by_definition(points, words, 1)[0])


def test_of_a_hundred_equal_words_the_first_wins():
    words = np.repeat(np.float32([[3, 0], [1, 1]]), 100, axis=0)
    indices, _ = nearest_words(np.float32([[1, 0]]), words, 2)
    assert_array_equal(indices, [[100, 101]])


def test_more_equal_words_than_the_kernel_notes_are_left_to_the_matrix_product():
    words = np.repeat(np.float32([[3, 0], [1, 1]]), 200, axis=0)
    point = np.float32([[1, 0]])
    assert by_kernel(point, words, 2)[0][0, 0] == -1
    assert_array_equal(nearest_words(point, words, 2)[0], [[200, 201]])


def orthonormal(n_rows, n_columns, rng):
    return np.ascontiguousarray(np.linalg.qr(rng.normal(size=(n_rows, n_columns)))[0], np.float32)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_words=st.integers(1, 200),
    n_dims=st.integers(2, 40),
    m=st.integers(1, 16),
    size=st.sampled_from([1e-30, 1e-6, 1.0, 1e11]),
    offset=st.sampled_from([0.0, 1000.0]),
    digits=st.sampled_from([1, 8]),
    slant=st.sampled_from([0.0, 1e-3]),
)
def test_the_answer_does_not_depend_on_the_directions(seed, n_words, n_dims, m, size, offset, digits, slant):
    # Any directions, even somewhat slanted ones: how well they suit the words is a matter of speed.
    rng = np.random.default_rng(seed)
    words, points = ((size * (offset + rng.random((n, n_dims)).round(digits))).astype("f4") for n in (n_words, 30))
    points[:3] = words[0]
    n_kept = int(rng.integers(1, n_dims))
    basis = orthonormal(n_dims, n_kept, rng) + np.float32(slant * rng.normal(size=(n_dims, n_kept)))
    m = min(m, n_words)
    indices, squared = np.zeros((30, m), np.int32), np.zeros((30, m), np.float32)
    native.nearest(points, words, native.prepare(words, basis), indices, squared, n_kept=n_kept)
    decided = indices[:, 0] >= 0
    every, every_squared = by_definition(points, words, n_words)
    rank = np.argsort(every, axis=1)
    found = np.take_along_axis(every_squared, np.take_along_axis(rank, np.maximum(indices, 0), axis=1), axis=1)
    assert_allclose(found[decided], every_squared[decided, :m], rtol=1e-13, atol=0)
    assert_allclose(squared[decided], found[decided].astype(np.float32), rtol=1e-6, atol=0)


def test_what_lies_outside_the_directions_decides():
    # By hand: along the only direction the words are -1, 0 and 1 and the point is 0, but across it the point is 4, and
    # so is the last word.
    words, point = np.float32([[-1, -4], [0, 0], [1, 4]]), np.float32([[0, 4]])
    indices = np.zeros((1, 1), np.int32)
    native.nearest(point, words, native.prepare(words, np.float32([[1], [0]])), indices, n_kept=1)
    assert indices[0, 0] == 2


def test_words_near_a_plane_are_searched_in_two_directions_and_found_exactly():
    rng = np.random.default_rng(6)
    plane = orthonormal(32, 2, rng)
    words, points = (
        (rng.normal(size=(n, 2)) @ plane.T + 0.01 * rng.normal(size=(n, 32))).astype(np.float32) for n in (600, 200)
    )
    assert PreparedWords.of(words).n_kept == 8  # the fewest, filled up to whole steps
    assert_array_equal(nearest_words(points, words, 3)[0], by_definition(points, words, 3)[0])


def test_words_without_few_main_directions_are_searched_in_all():
    words = np.random.default_rng(7).normal(size=(600, 32)).astype(np.float32)
    assert PreparedWords.of(words).n_kept is None


# --- points stored as bytes


@pytest.mark.parametrize("n_dims", [1, 7, 16, 128, 131])
def test_root_sift_of_bytes_is_root_sift_to_the_last_bit(n_dims):
    rng = np.random.default_rng(8)
    raw = rng.integers(0, 256, (300, n_dims), dtype=np.uint8)
    raw[0], raw[1] = 0, 255
    labels = np.arange(300, dtype=np.int32)
    assert_array_equal(native.add_points(raw, labels, 300, as_root_sift=True)[0], root_sift(raw))


@pytest.mark.parametrize("as_root_sift", [False, True])
@pytest.mark.parametrize("m", [1, 3, 20])
def test_bytes_find_what_their_floats_find(as_root_sift, m):
    rng = np.random.default_rng(9)
    raw = np.minimum(rng.gamma(0.5, 40, (700, 128)), 255).astype(np.uint8)
    plain = root_sift(raw) if as_root_sift else raw.astype(np.float32)
    words = plain[:400]
    for mine, expected in zip(
        nearest_words(raw, words, m, as_root_sift=as_root_sift), nearest_words(plain, words, m), strict=True
    ):
        assert_array_equal(mine, expected)


def test_bytes_find_without_kernels_what_they_find_with_them(monkeypatch):
    rng = np.random.default_rng(10)
    raw = np.minimum(rng.gamma(0.5, 40, (300, 128)), 255).astype(np.uint8)
    words = root_sift(raw[::3])
    kernel = nearest_words(raw, words, 2, as_root_sift=True)
    monkeypatch.setattr(nearest_module, "native_available", lambda: False)
    product = nearest_words(raw, words, 2, as_root_sift=True)
    assert_array_equal(kernel[0], product[0])
    assert_array_equal(kernel[1], product[1])


def test_root_sift_of_floats_is_refused():
    words = np.eye(4, dtype=np.float32)
    with pytest.raises(ValueError, match="descriptors are float32; RootSIFT needs uint8 descriptors as stored"):
        nearest_words(words, words, as_root_sift=True)
    with pytest.raises(ValueError, match="RootSIFT is taken of points in uint8"):
        native.add_points(words, np.zeros(4, np.int32), 1, as_root_sift=True)


def test_kernel_and_matrix_product_give_the_same_indices_and_distances(monkeypatch):
    rng = np.random.default_rng(1)
    points, words = sift_like(400, rng), sift_like(1000, rng)
    kernel = nearest_words(points, words, 3)
    monkeypatch.setattr(nearest_module, "native_available", lambda: False)
    product = nearest_words(points, words, 3)
    assert_array_equal(kernel[0], product[0])
    assert_array_equal(kernel[1], product[1])


def test_labels_are_the_nearest_words():
    rng = np.random.default_rng(2)
    points, prepared = sift_like(300, rng), PreparedWords.of(sift_like(90, rng))
    assert_array_equal(label_points(points, prepared), nearest_words(points, prepared)[0][:, 0])


def test_rows_apart_in_memory_are_found_like_rows_together():
    rng = np.random.default_rng(3)
    points, words = sift_like(90, rng), sift_like(40, rng)
    indices, _ = nearest_words(points[::-3], words[::2])
    assert_array_equal(indices, by_definition(points[::-3], words[::2], 1)[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e16])
@pytest.mark.parametrize("place", [0, 63, 127])
def test_numbers_that_are_not_finite_are_refused_anywhere(bad, place):
    points = np.ones((30, 128), np.float32)
    points[29, place] = bad
    with pytest.raises(ValueError, match="descriptors hold numbers that are not finite"):
        nearest_words(points, np.eye(128, dtype=np.float32))


# --- the border of the kernels


def empty_result(n, m=1):
    return np.empty((n, m), np.int32), np.empty((n, m), np.float32)


def test_a_table_of_other_words_is_refused():
    words = np.ones((3, 8), np.float32)
    with pytest.raises(ValueError, match="length"):
        kernels.nearest_words(words, False, words, 8, native.prepare(words[:2, :4].copy())[:-1], *empty_result(3))
    with pytest.raises(ValueError, match="table was not made from these words"):
        kernels.nearest_words(words, False, words, 8, np.zeros_like(native.prepare(words)), *empty_result(3))


def test_a_table_that_starts_at_an_odd_place_is_refused():
    words = np.ones((3, 8), np.float32)
    table = native.prepare(words)
    shifted = np.empty(len(table) + 1, np.uint8)[1:]
    shifted[:] = table
    with pytest.raises(ValueError, match="multiple of 8"):
        kernels.nearest_words(words, False, words, 8, shifted, *empty_result(3))


@pytest.mark.parametrize(
    ("points", "indices", "squared", "message"),
    [
        (np.ones((3, 7), "f4"), *empty_result(3), "points has length 7"),
        (np.ones((3, 8), "f8"), *empty_result(3), "points has items of format 'd'"),
        (np.ones(8, "f4"), *empty_result(3), "points has 1 dimensions"),
        (np.ones((3, 8), "f4"), *empty_result(2), "indices has length 2"),
        (np.ones((3, 8), "f4"), empty_result(3)[0], empty_result(4)[1], "squared_distances has length 4"),
        (np.ones((3, 8), "f4"), *empty_result(3, 5), "m must be from 1 to 16 and to the number of words"),
        (np.ones((3, 8), "f4"), *empty_result(3, 0), "m must be"),
    ],
)
def test_lengths_and_types_are_checked_before_anything_is_read(points, indices, squared, message):
    words = np.ones((4, 8), np.float32)
    with pytest.raises(ValueError, match=message):
        kernels.nearest_words(points, False, words, 8, native.prepare(words), indices, squared)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_that_names_no_word_is_refused(label):
    with pytest.raises(ValueError, match="a label names no word"):
        native.add_points(np.ones((2, 3), np.float32), np.array([0, label], np.int32), 2)


def test_sums_and_counts_by_hand():
    points = np.float32([[1, 2], [3, 4], [10, 20]])
    sums, counts = native.add_points(points, np.array([2, 0, 2], np.int32), 3)
    assert_array_equal(sums, [[3, 4], [0, 0], [11, 22]])
    assert_array_equal(counts, [1, 0, 2])


# --- k-means


def inertia(points, words):
    return nearest_words(points, words)[1].sum(dtype=np.float64)


def test_lloyd_ends_where_scikit_learns_ends():
    rng = np.random.default_rng(0)
    points = sift_like(1500, rng)
    start = points[:30]
    ours = lloyd(points, start, 8)
    theirs = KMeans(30, init=start, n_init=1, max_iter=8, tol=0, algorithm="lloyd").fit(points).cluster_centers_
    assert_allclose(ours, theirs, atol=1e-5)


def test_a_word_without_points_moves_to_the_farthest_point():
    points = np.float32([[0], [1], [10], [11], [50]])
    words = lloyd(points, np.float32([[0.5], [10.5], [1000]]), 5)
    assert_array_equal(np.sort(words[:, 0]), [0.5, 10.5, 50])


def test_a_pass_never_raises_the_inertia():
    rng = np.random.default_rng(4)
    points = sift_like(800, rng)
    after = [inertia(points, lloyd(points, points[:50], n)) for n in range(5)]
    assert after == sorted(after, reverse=True)


def test_more_words_than_points_leave_a_word_on_each_point():
    points = np.float32([[0], [10]])
    words = lloyd(points, np.float32([[4], [50], [60], [70], [80]]), 5)
    assert set(words[:, 0]) >= {0, 10}


def test_without_points_words_stay():
    start = np.float32([[1, 2]])
    assert_array_equal(lloyd(np.zeros((0, 2), np.uint8), start, 3), start)


@pytest.mark.parametrize("as_root_sift", [False, True])
def test_lloyd_moves_bytes_like_their_floats(as_root_sift):
    rng = np.random.default_rng(11)
    raw = np.minimum(rng.gamma(0.5, 40, (3000, 128)), 255).astype(np.uint8)
    plain = root_sift(raw) if as_root_sift else raw.astype(np.float32)
    start = np.concatenate([plain[:300], np.full((1, 128), 1e4, np.float32)])  # the last word has no points
    assert_array_equal(lloyd(raw, start, 3, as_root_sift=as_root_sift), lloyd(plain, start, 3))


def test_threads_change_no_bit():
    points = sift_like(20_000, np.random.default_rng(5))
    assert_array_equal(lloyd(points, points[:40], 3), lloyd(points, points[:40], 3, n_threads=2))


_DIGEST = """
import hashlib, sys
import numpy as np
from classicvision.encoding.nearest import nearest_words
from classicvision.encoding.vocabulary import learn_words
from classicvision.features.rootsift import root_sift
rng = np.random.default_rng(0)
points = root_sift(np.minimum(rng.gamma(0.5, 40, (3000, 128)), 255).astype(np.uint8))
words = learn_words(points, 200, rng)
found = [array.tobytes() for m in (1, 5, 16) for array in nearest_words(points, words, m)]
print(hashlib.sha256(words.tobytes() + b"".join(found)).hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits(checkout):
    digests = {}
    for isa in ("portable", "v3", "v4"):
        environment = os.environ | {"CLASSICVISION_ISA": isa, "PYTHONPATH": str(checkout)}
        done = subprocess.run([sys.executable, "-c", _DIGEST], env=environment, capture_output=True, text=True)
        if "SettingsError" not in done.stderr:
            assert done.returncode == 0, done.stderr
            digests[isa] = done.stdout
    assert len(set(digests.values())) == 1, digests
