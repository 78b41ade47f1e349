"""The global signature: signs of slow waves, which follow mirrors and turns, and keep quiet about noise."""

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
    GlobalSignature,
    symmetric_signatures,
    wave_amplitudes,
)
from classicvision.synthetic import canary, plagiarise

# The edit of each row of `symmetric_signatures`.
EDIT_OF = {
    "mirrored": "mirror",
    "upside down and mirrored": "mirror-rotate-180",
    "rotated 180 degrees": "rotate-180",
    "rotated 270 degrees and mirrored": "mirror-rotate-270",
    "rotated 90 degrees": "rotate-90",
    "rotated 270 degrees": "rotate-270",
    "rotated 90 degrees and mirrored": "mirror-rotate-90",
}


def wave(u, v, *, size=(30, 40), amplitude=50.0):
    y, x = np.arange(size[0])[:, np.newaxis] + 0.5, np.arange(size[1]) + 0.5
    level = 128 + amplitude * np.cos(np.pi * u * y / size[0]) * np.cos(np.pi * v * x / size[1])
    return np.rint(level).astype(np.uint8)


@pytest.mark.parametrize(("u", "v"), [(0, 1), (3, 0), (2, 5), (15, 15)])
def test_one_wave_has_its_amplitude_and_all_others_none(u, v):
    amplitude = wave_amplitudes(wave(u, v))
    expected = np.zeros((16, 16))
    expected[0, 0], expected[u, v] = 128, 50
    assert_allclose(amplitude, expected, atol=0.6)  # levels are whole numbers


def test_a_dark_left_side_is_a_negative_first_wave_across():
    signature = GlobalSignature()(np.repeat([[0] * 20 + [255] * 20], 30, axis=0).astype(np.uint8)).reshape(16, 16)
    assert signature[0, 1] == -1
    assert not signature[1:].any()


def test_an_even_picture_has_no_signs():
    assert_array_equal(GlobalSignature()(np.full((50, 70, 3), 200, np.uint8)), np.zeros(256))


def test_a_wave_as_weak_as_noise_has_no_sign():
    weak = wave(1, 1, amplitude=3.0)
    assert not GlobalSignature(min_amplitude=3.5)(weak).any()
    assert_array_equal(np.flatnonzero(GlobalSignature(min_amplitude=2.5)(weak)), [17])


def test_a_side_of_few_pixels_has_few_waves():
    amplitude = wave_amplitudes(np.random.default_rng(0).integers(0, 256, (3, 40), dtype=np.uint8))
    assert not amplitude[3:].any()
    assert amplitude[2].any()


def test_one_pixel_has_a_signature_of_nothing():
    assert not GlobalSignature()(np.full((1, 1, 3), 9, np.uint8)).any()


def test_size_does_not_matter():
    signatures = [GlobalSignature()(plagiarise(canary(), f"scale-{f}", np.random.default_rng(0))[0]) for f in (0.5, 2)]
    assert (signatures[0] * signatures[1]).min() >= 0


@pytest.mark.parametrize("row", range(1, 8))
def test_a_row_of_the_symmetries_is_the_signature_of_the_picture_changed_so(row):
    image = canary()[:, :120]
    changed, _ = plagiarise(image, EDIT_OF[SYMMETRIES[row]], np.random.default_rng(0))
    expected = symmetric_signatures(GlobalSignature()(image))[row]
    # Rounding may tip a wave that is just as strong as the limit; none may change its sign.
    found = GlobalSignature()(changed)
    assert (found * expected).min() >= 0
    assert (found != expected).sum() <= 2


def test_the_first_symmetry_is_the_signature_itself():
    signature = GlobalSignature()(canary())
    assert_array_equal(symmetric_signatures(signature)[0], signature)


@given(st.integers(0, 2**32 - 1))
def test_the_symmetries_of_a_symmetry_are_the_same_eight(seed):
    signature = np.random.default_rng(seed).integers(-1, 2, 256).astype(np.float32)
    versions = symmetric_signatures(signature)
    for version in versions:
        assert {v.tobytes() for v in symmetric_signatures(version) + 0.0} == {v.tobytes() for v in versions + 0.0}


@pytest.mark.parametrize("value", [-0.1, 255.0, float("nan")])
def test_an_amplitude_beyond_the_levels_is_refused(value):
    with pytest.raises(SettingsError, match="min_amplitude is"):
        GlobalSignature(min_amplitude=value)


def test_another_limit_is_another_fingerprint():
    assert fingerprint(GlobalSignature()) != fingerprint(GlobalSignature(min_amplitude=1.0))
