"""Codes of vectors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.encoding.vector import VectorCodebook, VectorSettings
from classicvision.errors import NotEnoughDataError, SettingsError

RNG = np.random.default_rng(0)


def learn(vectors, normalization):
    return VectorSettings(normalization=normalization).learn(vectors, RNG)


def test_l2_divides_by_the_length():
    vectors = np.array([[3, 4], [0, 0]], np.float32)
    assert_allclose(learn(vectors, "l2").encode_all(vectors), [[0.6, 0.8], [0, 0]])


def test_none_does_not_change_a_vector():
    vectors = np.array([[3, 4], [0, -1]], np.float32)
    assert_array_equal(learn(vectors, "none").encode_all(vectors), vectors)


def test_standardized_components_have_mean_0_and_deviation_1_over_the_root_of_the_dimension():
    vectors = np.array([[1, 5, 0], [3, 5, 8]], np.float32)  # the second number tells nothing
    expected = np.array([[-1, 0, -1], [1, 0, 1]]) / np.sqrt(3)
    assert_allclose(learn(vectors, "standardized").encode_all(vectors), expected, rtol=1e-6)


def test_means_and_deviations_are_those_of_numpy():
    vectors = RNG.normal(100, 3, (500, 7)).astype(np.float32)
    codebook = learn(list(vectors), "standardized")
    assert_allclose(codebook.shift, vectors.mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert_allclose(codebook.factor, 1 / (vectors.std(axis=0, dtype=np.float64) * np.sqrt(7)), rtol=1e-6)


@pytest.mark.parametrize("normalization", ["l2", "none", "standardized"])
def test_a_codebook_survives_the_round_trip_through_arrays(normalization):
    vectors = RNG.normal(size=(5, 3)).astype(np.float32)
    codebook = learn(vectors, normalization)
    again = VectorSettings(normalization=normalization).restore(codebook.to_arrays())
    assert_array_equal(again.encode_all(vectors), codebook.encode_all(vectors))
    assert codebook.feature_names() == ["feature_0000", "feature_0001", "feature_0002"]
    assert codebook.n_outputs == 3


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"shift": np.zeros(3, np.float32)}, "needs the array.s. factor"),
        ({"shift": np.zeros(3, np.float32), "factor": np.ones(2, np.float32)}, r"factor is float32 \(2,\)"),
        ({"shift": np.zeros(3), "factor": np.ones(3)}, "shift is float64"),
        ({"shift": np.zeros(0, np.float32), "factor": np.ones(0, np.float32)}, r"shift is float32 \(0,\)"),
        ({"shift": np.zeros(1, np.float32), "factor": np.full(1, np.nan, np.float32)}, "factor has values"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, words):
    with pytest.raises(ValueError, match=words):
        VectorSettings().restore(arrays)


def test_a_vector_of_another_length_is_refused():
    codebook = learn(np.ones((2, 3), np.float32), "none")
    with pytest.raises(ValueError, match=r"shape \(4,\); the codebook expects \(3,\)"):
        codebook.encode(np.ones(4, np.float32))


def test_learning_from_no_images_is_refused():
    with pytest.raises(NotEnoughDataError, match="at least one"):
        learn([], "l2")


def test_an_unknown_normalization_is_refused():
    with pytest.raises(SettingsError, match="'minmax'"):
        VectorSettings(normalization="minmax")


def test_the_arrays_are_read_only():
    codebook = VectorCodebook(np.zeros(2, np.float32), np.ones(2, np.float32), VectorSettings())
    assert not codebook.shift.flags.writeable
