"""Augmented variants of a training image."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.synthetic import augmentation
from classicvision.synthetic.augmentation import (
    AUGMENTATIONS,
    cover,
    jitter_colors,
    mirror,
    random_crop,
    random_scale,
    ten_crops,
)


def noise_image(height=60, width=80, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [(60, 80), (1, 1), (1, 50), (50, 1)])
def test_a_seed_gives_one_variant_and_does_not_change_the_original(name, size):
    image = noise_image(*size)
    before = image.copy()
    first, second = (AUGMENTATIONS[name](image, rng(3)) for _ in range(2))
    assert_array_equal(first, second)
    assert_array_equal(image, before)
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert min(first.shape) >= 1
    assert first.flags.c_contiguous


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"mirror"}))
def test_another_seed_gives_another_variant(name):
    variants = {AUGMENTATIONS[name](noise_image(), rng(seed)).tobytes() for seed in range(5)}
    assert len(variants) == 5


def test_mirroring_exchanges_left_and_right():
    assert_array_equal(mirror(np.array([[[1] * 3, [2] * 3]], np.uint8)), [[[2] * 3, [1] * 3]])


def test_a_crop_has_60_to_100_percent_of_the_area():
    image = np.dstack([*np.mgrid[:60, :80], np.zeros((60, 80))]).astype(np.uint8)  # each pixel contains its position
    for seed in range(20):
        part = random_crop(image, rng(seed))
        top, left = part[0, 0, :2]
        assert_array_equal(part, image[top : top + len(part), left : left + part.shape[1]])
        assert 0.58 <= part.shape[0] * part.shape[1] / 4800 <= 1


def test_scales_range_from_0_7_to_1_4():
    sides = [random_scale(noise_image(100, 100), rng(seed)).shape[0] for seed in range(50)]
    assert 70 <= min(sides) < 80
    assert 125 < max(sides) <= 140


def test_jittered_grey_images_stay_grey_and_change_in_brightness():
    gray = np.repeat(noise_image()[:, :, :1], 3, axis=2)
    variants = [jitter_colors(gray, rng(seed)) for seed in range(20)]
    for changed in variants:
        assert_array_equal(changed[..., 0], changed[..., 2])
    means = [changed.mean() / gray.mean() for changed in variants]
    assert min(means) < 0.85
    assert max(means) > 1.1  # white is the limit


def test_jittered_colors_do_not_depend_on_the_block_size(monkeypatch):
    whole = jitter_colors(noise_image(150, 10), rng())
    monkeypatch.setattr(augmentation, "_BAND_ROWS", 1000)
    assert_array_equal(jitter_colors(noise_image(150, 10), rng()), whole)


def test_a_pixel_of_jittered_colors_by_hand():
    class Chance:
        def uniform(self, low, high, size):
            return np.array([1.2, 0.8, 1.1])  # brightness, contrast, saturation

    # 120 after brightness in red, of 0.299 * 120 = 35.88 in grey: red 35.88 + 1.1 * 84.12 = 128.412, else -3.588;
    # the mean grey is 17.94: 17.94 + 0.8 * (128.412 - 17.94) = 106.3176, and 17.94 + 0.8 * (-3.588 - 17.94) = 0.7176.
    image = np.array([[[100, 0, 0], [0, 0, 0]]], np.uint8)
    assert_array_equal(jitter_colors(image, Chance())[0, 0], [106, 1, 1])


def test_a_covered_part_has_the_mean_colour_and_5_to_20_percent():
    image = noise_image(100, 100)
    for seed in range(20):
        changed = (cover(image, rng(seed)) != image).any(axis=2)
        assert 0.04 < changed.mean() <= 0.2
        assert_array_equal(np.unique(cover(image, rng(seed))[changed], axis=0), [np.rint(image.mean(axis=(0, 1)))])


def test_ten_crops_are_the_centre_the_corners_and_their_mirrors():
    image = np.dstack([*np.mgrid[:80, :160], np.zeros((80, 160))]).astype(np.uint8)
    crops = ten_crops(image)
    assert {crop.shape for crop in crops} == {(70, 140, 3)}
    assert [tuple(crop[0, 0, :2]) for crop in crops[:5]] == [(5, 10), (0, 0), (0, 20), (10, 0), (10, 20)]
    for crop, mirrored in zip(crops[:5], crops[5:], strict=True):
        assert_array_equal(crop[:, ::-1], mirrored)
