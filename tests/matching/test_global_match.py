"""Whole images compared by their perceptual hashes: significance and verdict."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom

from classicvision.features.phash import PerceptualHash
from classicvision.images import read_image
from classicvision.matching.global_match import (
    HASH_THRESHOLD,
    WholeView,
    compare_hashes,
    compare_views,
    hash_significance,
)
from classicvision.synthetic import canary, plagiarise

SIZES = ((100, 100), (100, 100))


def signs(n_signs, n_negative=0):
    """Return a hash whose first coefficients have signs, the very first of them negative."""
    image_hash = np.zeros(256, np.float32)
    image_hash[1 : 1 + n_signs] = 1
    image_hash[1 : 1 + n_negative] = -1
    return image_hash


def view(image, n_keypoints=2):
    return WholeView(PerceptualHash()(image), image, image.shape[:2], n_keypoints)


def sign(*strokes):
    """Draw rectangles, black on white."""
    image = np.full((80, 80, 3), 255, np.uint8)
    for top, left, bottom, right in strokes:
        image[top:bottom, left:right] = 0
    return image


ARROW = sign((36, 15, 44, 65), (28, 50, 52, 58))
WITH_A_DOT = sign((36, 15, 44, 65), (28, 50, 52, 58), (10, 10, 22, 22))


def test_a_sign_is_a_copy_of_itself_and_not_of_one_with_a_dot_more():
    assert compare_views(view(ARROW), view(cv2.GaussianBlur(ARROW, (0, 0), 2))).verdict == "copy"
    assert compare_views(view(ARROW), view(WITH_A_DOT)).verdict == "cannot decide"


def test_a_mirrored_sign_stays_undecided_since_signs_come_in_pairs():
    result = compare_views(view(ARROW), view(np.ascontiguousarray(ARROW[:, ::-1])))
    assert result.verdict == "cannot decide"
    assert "may be mirror images of each other" in result.reason


def test_a_sign_in_another_colour_stays_undecided_with_that_reason():
    result = compare_views(view(ARROW), view(np.where(ARROW == 0, 120, ARROW).astype(np.uint8)))
    assert result.verdict == "cannot decide"
    assert "recoloured or another sign" in result.reason


def test_equal_hashes_alone_decide_nothing():
    result = compare_hashes(signs(200), signs(200), image_sizes=SIZES)
    assert (result.verdict, result.score > HASH_THRESHOLD) == ("cannot decide", True)


def test_ten_of_ten_equal_signs_have_probability_1_in_1024_per_symmetry():
    # A full row of the table; its symmetries have at most as many signs in common.
    significance = hash_significance(signs(10), signs(10)[np.newaxis])
    assert_allclose(significance, -math.log10(8 / 1024))


def test_one_different_sign_adds_its_probability():
    a, b = np.random.default_rng(0).choice([-1, 1], (2, 256)).astype(np.float32)
    b[:] = a
    b[7] *= -1
    a[0] = b[0] = 0
    assert_allclose(hash_significance(a, b[np.newaxis]), -math.log10(8 * (1 + 255) / 2**255), rtol=1e-6)


def test_the_probabilities_are_those_of_the_binomial_distribution():
    rng = np.random.default_rng(1)
    a, b = rng.integers(-1, 2, (2, 256)).astype(np.float32)
    both = (a != 0) & (b != 0)
    plain = -binom.logcdf(np.sum(a[both] != b[both]), both.sum(), 0.5) / math.log(10) - math.log10(8)
    assert hash_significance(a, b[np.newaxis])[0] >= plain - 1e-9


def test_hashes_of_zeros_have_no_significance():
    assert hash_significance(signs(0), np.zeros((1, 256), np.float32))[0] == 0


def test_no_images_have_no_significances():
    assert hash_significance(signs(5), np.zeros((0, 256), np.float32)).shape == (0,)


def test_comparing_is_symmetric():
    a, b = np.random.default_rng(2).integers(-1, 2, (2, 256)).astype(np.float32)
    assert hash_significance(a, b[np.newaxis]) == hash_significance(b, a[np.newaxis])


def test_a_mirrored_image_is_recognised_as_mirrored():
    image = canary()
    mirrored, _ = plagiarise(image, "mirror", np.random.default_rng(0))
    result = compare_views(view(image), view(mirrored))
    assert result.verdict == "copy"
    assert result.method == "signature"
    assert "b is a mirrored" in result.reason
    assert result.regions == ()


def test_different_images_remain_undecided_because_parts_are_not_compared():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    a, b = map(PerceptualHash(), images)
    result = compare_hashes(a, b, image_sizes=SIZES, n_keypoints=(2, 3))
    assert result.verdict == "cannot decide"
    assert result.score < HASH_THRESHOLD
    assert "too few keypoints (2 and 3), and as a whole they differ" in result.reason


def test_a_plain_gradient_has_too_little_structure_to_compare():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (100, 1))
    a = PerceptualHash()(ramp)
    result = compare_hashes(a, a, image_sizes=SIZES)
    assert result.verdict == "cannot decide"
    assert "too little structure" in result.reason


@pytest.mark.parametrize("edit", ["jpeg-10", "scale-0.5", "gamma-2", "noise-10", "rotate-270", "mirror-rotate-90"])
def test_blurred_photographs_are_recognised_after_an_edit(shared, edit):
    paths = sorted((shared / "data" / "coco128").glob("*.jpg"))[:12]
    found = 0
    for number, path in enumerate(paths):
        image = cv2.GaussianBlur(read_image(path), (0, 0), 15)
        copy, _ = plagiarise(image, edit, np.random.default_rng(number))
        found += compare_views(view(image), view(copy)).verdict == "copy"
    assert found == len(paths)
