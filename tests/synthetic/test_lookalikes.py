"""Lookalikes: images of one kind that always differ."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.synthetic.lookalikes import LOOKALIKES


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_a_seed_draws_one_image_and_another_seed_another(kind):
    first, same, other = (LOOKALIKES[kind](np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert_array_equal(first, same)
    assert (first != other).mean() > 0.01


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_a_lookalike_is_a_valid_image(kind):
    image = LOOKALIKES[kind](np.random.default_rng(0))
    assert image.dtype == np.uint8
    assert image.shape == (360, 480, 3)
    assert image.flags.writeable
