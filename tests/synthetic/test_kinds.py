"""Lookalikes by kind: works that always differ, and templates whose individual parts are known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.errors import SettingsError
from classicvision.synthetic.kinds import KINDS, TEMPLATES, draw_works


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_one_work_and_another_seed_another(kind):
    first, same, other = (KINDS[kind](np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert_array_equal(first, same)
    assert first.shape != other.shape or (first != other).any(axis=2).mean() > 0.005


@pytest.mark.parametrize("name", TEMPLATES)
def test_images_of_a_template_differ_only_in_their_individual_parts(name):
    drawn = [TEMPLATES[name](np.random.default_rng(seed)) for seed in range(4)]
    for (a, individual_a), (b, individual_b) in combinations(drawn, 2):
        differs = (a != b).any(axis=2)
        assert individual_a.shape == differs.shape
        assert differs.mean() > 0.005
        assert not differs[~(individual_a | individual_b)].any()
        assert 0.05 < (individual_a | individual_b).mean() < 0.95


def test_works_that_the_generator_repeats_are_drawn_once():
    works = draw_works("letter", 140)
    assert len({work.tobytes() for work in works}) == 140


def test_more_works_than_a_kind_has_are_an_error():
    with pytest.raises(SettingsError, match="only 159 differ"):
        draw_works("letter", 160)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(SettingsError, match="kind is 'poem'"):
        draw_works("poem", 1)
