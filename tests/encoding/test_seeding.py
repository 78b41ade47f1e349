"""The initial words of k-means."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import kmeans_plusplus

from classicvision.encoding import seeding
from classicvision.encoding.nearest import nearest_words
from classicvision.encoding.seeding import random_start, scalable_start
from classicvision.encoding.vocabulary import learn_words
from classicvision.errors import NotEnoughDataError
from classicvision.features.rootsift import root_sift

N_CLUMPS = 30


def clumps(rng):
    """Return points (2290, 2) and the clump of each: one large clump, and 29 of ten points far from it."""
    sizes = [2000] + [10] * (N_CLUMPS - 1)
    centres = 1000 * np.stack(np.divmod(np.arange(N_CLUMPS), 6), axis=1)
    clump = np.repeat(np.arange(N_CLUMPS), sizes)
    return (centres[clump] + rng.normal(size=(len(clump), 2))).astype(np.float32), clump


def inertia(points, words):
    return nearest_words(points, words)[1].sum(dtype=np.float64)


@pytest.mark.parametrize("seed", range(10))
def test_every_cluster_gets_a_word_where_a_random_start_misses_most(seed):
    rng = np.random.default_rng(seed)
    points, clump = clumps(rng)

    def n_with_a_word(words):
        return len(set(clump[nearest_words(words, points)[0][:, 0]]))

    assert n_with_a_word(scalable_start(points, N_CLUMPS, rng)) == N_CLUMPS
    assert n_with_a_word(random_start(points, N_CLUMPS, rng)) < N_CLUMPS // 2


def test_words_learned_from_this_start_are_the_means_of_the_clusters():
    points, clump = clumps(np.random.default_rng(0))
    words = learn_words(points, N_CLUMPS, np.random.default_rng(0), start="k-means||")
    means = np.array([points[clump == i].mean(axis=0) for i in range(N_CLUMPS)])
    assert_allclose(words[nearest_words(means, words)[0][:, 0]], means, atol=1e-3)


def test_the_start_costs_what_that_of_scikit_learn_costs():
    # Means of 20 seeds, which differ by 2 % of each other. A random start costs 5 % more than ours.
    points = np.random.default_rng(0).gamma(0.5, size=(3000, 16)).astype(np.float32)
    ours = [inertia(points, scalable_start(points, 60, np.random.default_rng(seed))) for seed in range(20)]
    theirs = [
        inertia(points, kmeans_plusplus(points, 60, random_state=seed, n_local_trials=1)[0]) for seed in range(20)
    ]
    assert np.mean(ours) < np.mean(theirs)


def test_words_are_drawn_by_weight_and_squared_distance_to_the_words_before():
    places, weights = np.float32([[0], [1], [3], [7]]), np.array([5, 2, 1, 1])
    # By hand: the chance of each ordered triple, as the product of three draws.
    chances = {}
    for triple in itertools.permutations(range(4), 3):
        squared, chance = np.ones(4), 1.0
        for number, word in enumerate(triple):
            chance *= weights[word] * squared[word] / (weights @ squared)
            distance = np.square(places[:, 0] - places[word, 0])
            squared = distance if number == 0 else np.minimum(squared, distance)
        chances[triple] = chance
    rng = np.random.default_rng(0)
    drawn = [tuple(seeding._draw_words(places, weights, 3, rng, False)) for _ in range(2000)]
    expected = 2000 * np.array(list(chances.values()))
    times = np.array([drawn.count(triple) for triple in chances])
    assert times.sum() == 2000
    # Chi-squared with 23 degrees of freedom: 99.9 % of it lies below 49.7.
    assert (np.square(times - expected) / expected).sum() < 49.7


@pytest.mark.parametrize("n_threads", [1, 2])
def test_candidates_are_weighted_by_the_number_of_nearest_points(n_threads):
    points = np.random.default_rng(0).random((20_000, 4), dtype=np.float32)
    rows, weights = seeding._draw_candidates(points, 15, np.random.default_rng(1), n_threads, False)
    nearest, squared = nearest_words(points, points[rows])
    assert len(rows) == len(set(rows)) > 15
    assert squared.max() < 1  # of at most 4
    assert_array_equal(weights, np.bincount(nearest[:, 0]))


def test_the_number_of_threads_does_not_change_the_result():
    raw = np.random.default_rng(0).integers(0, 255, (30_000, 16), dtype=np.uint8)
    one, two = (scalable_start(raw, 100, np.random.default_rng(0), n_threads=n, as_root_sift=True) for n in (1, 2))
    assert_array_equal(one, two)


@pytest.mark.parametrize("as_root_sift", [False, True])
def test_bytes_give_the_words_of_their_floats(as_root_sift):
    raw = np.random.default_rng(0).integers(0, 255, (2000, 16), dtype=np.uint8)
    plain = root_sift(raw) if as_root_sift else raw.astype(np.float32)
    of_bytes = scalable_start(raw, 40, np.random.default_rng(1), as_root_sift=as_root_sift)
    assert_array_equal(of_bytes, scalable_start(plain, 40, np.random.default_rng(1)))


def test_same_seed_same_words_and_another_seed_other_words():
    points = np.random.default_rng(0).random((500, 8), dtype=np.float32)
    first, again, other = (scalable_start(points, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), n_points=st.integers(0, 60), n_words=st.integers(1, 30), n_values=st.integers(1, 4))
@pytest.mark.parametrize("start", [random_start, scalable_start])
def test_words_are_distinct_points(start, seed, n_points, n_words, n_values):
    rng = np.random.default_rng(seed)
    points = (rng.integers(0, n_values, (n_points, 3)) * rng.choice([1, 1000], (n_points, 1))).astype(np.float32)
    words = start(points, n_words, rng)
    different = {tuple(point) for point in points.tolist()}
    found = {tuple(word) for word in words.tolist()}
    assert found <= different
    assert len(found) == len(words) == min(n_words, len(different))
    assert words.dtype == np.float32


def test_one_far_point_among_many_equal_ones_is_found():
    points = np.zeros((50_000, 2), np.uint8)
    points[31_234] = 1
    words = scalable_start(points, 2, np.random.default_rng(0))
    assert_array_equal(words[np.argsort(words[:, 0])], [[0, 0], [1, 1]])


def test_more_rounds_find_points_at_ever_smaller_distances():
    points = np.float32(10.0 ** np.arange(12))[:, np.newaxis]  # one round reaches one or two of them
    assert_array_equal(np.sort(scalable_start(points, 12, np.random.default_rng(0)), axis=0), points)


@pytest.mark.parametrize("seed", range(5))
def test_zeros_of_any_sign_are_one_point(seed):
    rng = np.random.default_rng(seed)
    points = np.concatenate([np.full((60, 6), 5), rng.choice([0.0, -0.0], (40, 6)), np.zeros((8, 6))])
    points[-8:, 0] = 0.1 ** np.arange(8)
    assert len(scalable_start(points.astype(np.float32), 10, rng)) == 10


def test_too_few_distinct_descriptors_are_refused_with_their_number():
    descriptors = np.repeat(np.eye(3), 5, axis=0)
    with pytest.raises(NotEnoughDataError, match=r"15 descriptor.*, 3 of them distinct, are too few for 4 words"):
        learn_words(descriptors, 4, np.random.default_rng(0), start="k-means||")


def test_learning_words_from_no_descriptors_is_refused():
    with pytest.raises(NotEnoughDataError, match="no keypoints"):
        learn_words(np.zeros((0, 128)), 1, np.random.default_rng(0), start="k-means||")


def test_another_start_is_refused():
    with pytest.raises(ValueError, match=r"start is 'k-means\+\+'; it must be one of random, k-means\|\|"):
        learn_words(np.eye(3), 2, np.random.default_rng(0), start="k-means++")


def test_memory_is_three_values_per_point_plus_the_candidates():
    points = np.random.default_rng(0).integers(0, 255, (100_000, 128), dtype=np.uint8)
    scalable_start(points[:100], 2, np.random.default_rng(0), as_root_sift=True)  # modules are loaded by now
    tracemalloc.start()
    scalable_start(points, 50, np.random.default_rng(0), as_root_sift=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 8 * len(points) + 8 * 2**20  # all points as float32 are 51 MB
