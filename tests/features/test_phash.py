"""The perceptual hash: signs of DCT coefficients, which follow the symmetries of an image and ignore noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.config import fingerprint
from classicvision.errors import SettingsError
from classicvision.features.phash import (
    SYMMETRIES,
    PerceptualHash,
    dct_amplitudes,
    symmetric_hashes,
)
from classicvision.synthetic import canary, plagiarise

# The edit of each row of `symmetric_hashes`.
EDIT_OF = {
    "mirrored": "mirror",
    "upside down and mirrored": "mirror-rotate-180",
    "rotated 180 degrees": "rotate-180",
    "rotated 270 degrees and mirrored": "mirror-rotate-270",
    "rotated 90 degrees": "rotate-90",
    "rotated 270 degrees": "rotate-270",
    "rotated 90 degrees and mirrored": "mirror-rotate-90",
}


def cosine(u, v, *, size=(30, 40), amplitude=50.0):
    y, x = np.arange(size[0])[:, np.newaxis] + 0.5, np.arange(size[1]) + 0.5
    level = 128 + amplitude * np.cos(np.pi * u * y / size[0]) * np.cos(np.pi * v * x / size[1])
    return np.rint(level).astype(np.uint8)


@pytest.mark.parametrize(("u", "v"), [(0, 1), (3, 0), (2, 5), (15, 15)])
def test_a_cosine_has_its_amplitude_as_the_only_coefficient(u, v):
    amplitude = dct_amplitudes(cosine(u, v))
    expected = np.zeros((16, 16))
    expected[0, 0], expected[u, v] = 128, 50
    assert_allclose(amplitude, expected, atol=0.6)  # grey levels are integers


def test_a_dark_left_half_gives_a_negative_first_horizontal_coefficient():
    image_hash = PerceptualHash()(np.repeat([[0] * 20 + [255] * 20], 30, axis=0).astype(np.uint8)).reshape(16, 16)
    assert image_hash[0, 1] == -1
    assert not image_hash[1:].any()


def test_a_uniform_image_has_a_hash_of_zeros():
    assert_array_equal(PerceptualHash()(np.full((50, 70, 3), 200, np.uint8)), np.zeros(256))


def test_a_coefficient_below_min_amplitude_has_no_sign():
    weak = cosine(1, 1, amplitude=3.0)
    assert not PerceptualHash(min_amplitude=3.5)(weak).any()
    assert_array_equal(np.flatnonzero(PerceptualHash(min_amplitude=2.5)(weak)), [17])


def test_a_side_of_n_pixels_has_n_frequencies():
    amplitude = dct_amplitudes(np.random.default_rng(0).integers(0, 256, (3, 40), dtype=np.uint8))
    assert not amplitude[3:].any()
    assert amplitude[2].any()


def test_one_pixel_has_a_hash_of_zeros():
    assert not PerceptualHash()(np.full((1, 1, 3), 9, np.uint8)).any()


def test_scaling_the_image_changes_no_sign():
    hashes = [PerceptualHash()(plagiarise(canary(), f"scale-{f}", np.random.default_rng(0))[0]) for f in (0.5, 2)]
    assert (hashes[0] * hashes[1]).min() >= 0


@pytest.mark.parametrize("row", range(1, 8))
def test_each_row_of_the_symmetries_is_the_hash_of_the_transformed_image(row):
    image = canary()[:, :120]
    changed, _ = plagiarise(image, EDIT_OF[SYMMETRIES[row]], np.random.default_rng(0))
    expected = symmetric_hashes(PerceptualHash()(image))[row]
    # Rounding may move a coefficient across the threshold, but no sign may change.
    found = PerceptualHash()(changed)
    assert (found * expected).min() >= 0
    assert (found != expected).sum() <= 2


def test_the_first_symmetry_is_the_hash_itself():
    image_hash = PerceptualHash()(canary())
    assert_array_equal(symmetric_hashes(image_hash)[0], image_hash)


@given(st.integers(0, 2**32 - 1))
def test_the_symmetries_of_a_symmetry_are_the_same_eight_hashes(seed):
    image_hash = np.random.default_rng(seed).integers(-1, 2, 256).astype(np.float32)
    versions = symmetric_hashes(image_hash)
    for version in versions:
        assert {v.tobytes() for v in symmetric_hashes(version) + 0.0} == {v.tobytes() for v in versions + 0.0}


@pytest.mark.parametrize("value", [-0.1, 255.0, float("nan")])
def test_an_amplitude_outside_the_grey_levels_is_refused(value):
    with pytest.raises(SettingsError, match="min_amplitude is"):
        PerceptualHash(min_amplitude=value)


def test_another_min_amplitude_is_another_fingerprint():
    assert fingerprint(PerceptualHash()) != fingerprint(PerceptualHash(min_amplitude=1.0))
