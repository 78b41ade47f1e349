"""Nearest neighbours in feature space, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.classify.neighbours import predict_by_neighbours, vote_of_neighbours

# Directions at 0, 10, 20, 80 and 90 degrees; lengths do not count.
ANGLES = np.radians([0, 10, 20, 80, 90])
CODES = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)]) * [[1], [2], [3], [4], [5]]
Y = np.array([0, 1, 1, 2, 2])


def at(*degrees):
    return np.column_stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


@pytest.mark.parametrize(("n_neighbors", "expected"), [(1, [0, 1, 2]), (3, [1, 1, 2])])
def test_the_nearest_directions_vote(n_neighbors, expected):
    assert_array_equal(vote_of_neighbours(CODES, Y, at(1, 14, 85), n_neighbors), expected)


def test_a_nearer_neighbour_weighs_more():
    assert vote_of_neighbours(CODES[[0, 4]], np.array([1, 0]), at(44), 2).tolist() == [1]


def test_ties_go_to_the_smaller_class():
    assert vote_of_neighbours(np.eye(2), np.array([1, 0]), np.array([[1.0, 1.0]]), 2).tolist() == [0]


def test_more_neighbours_than_there_are_is_all_of_them():
    assert vote_of_neighbours(CODES, Y, at(10), 99).tolist() == [1]


def test_a_code_of_zeros_has_an_answer():
    assert vote_of_neighbours(CODES, Y, np.zeros((1, 2))).tolist() == [0]


def test_no_code_votes_in_its_own_fold():
    codes = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert predict_by_neighbours(codes, np.array([0, 1, 0, 1]), np.array([0, 1, 0, 1])).tolist() == [1, 0, 1, 0]
