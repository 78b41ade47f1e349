"""Corruptions do what their names say, more so with their strength, and the same to every recipe."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import Sift, extract
from classicvision.config import fingerprint
from classicvision.errors import SettingsError
from classicvision.evaluation.corruption import ROBUSTNESS_CARD, CorruptedExtractor, Corruption, corrupt
from classicvision.features.dense import DenseSift
from classicvision.images import write_image
from classicvision.items import cacheable
from classicvision.synthetic.warps import SYMMETRIES, symmetry

ALL = [how for row in ROBUSTNESS_CARD.values() for how in row]
IN_PLACE = ("jpeg", "blur", "noise", "occlusion", "light")


def name_of(how):
    return f"{how.name}-{how.strength:g}"


@pytest.fixture(scope="module")
def image(make_image):
    made = make_image(0)
    made.flags.writeable = False
    return made


def change(one, other):
    return np.abs(one.astype(int) - other).mean()


@pytest.mark.parametrize("how", ALL, ids=name_of)
def test_one_image_and_seed_give_one_corrupted_image(image, how):
    first = corrupt(image, how)
    assert_array_equal(first, corrupt(image, how))
    assert (first.dtype, first.shape[2]) == (np.uint8, 3)
    assert not np.shares_memory(first, image)


@pytest.mark.parametrize("how", ALL, ids=name_of)
def test_even_a_tiny_image_can_be_corrupted(how):
    assert corrupt(np.full((3, 2, 3), 90, np.uint8), how).size


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_stronger_corruption_that_moves_nothing_changes_more(image, name):
    changes = [change(corrupt(image, how), image) for how in ROBUSTNESS_CARD[name]]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("name", ["noise", "crop", "occlusion"])
def test_another_seed_gives_another_corrupted_image(image, name):
    one, other = (corrupt(image, ROBUSTNESS_CARD[name][0], seed=seed) for seed in (0, 1))
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_different_images_are_not_covered_at_one_place(make_image):
    places = {
        tuple(np.argwhere((corrupt(make_image(i), Corruption("occlusion", 0.1)) == 128).all(axis=2))[0])
        for i in range(8)
    }
    assert len(places) > 4


@pytest.mark.parametrize("how", ROBUSTNESS_CARD["occlusion"], ids=name_of)
def test_an_occlusion_covers_its_share(how):
    covered = corrupt(np.zeros((200, 300, 3), np.uint8), how) == 128
    assert covered.mean() == pytest.approx(how.strength, abs=0.01)
    rows, columns = covered[:, :, 0].any(axis=1).sum(), covered[:, :, 0].any(axis=0).sum()
    assert covered[:, :, 0].sum() == rows * columns


@pytest.mark.parametrize("how", ROBUSTNESS_CARD["crop"], ids=name_of)
def test_a_crop_keeps_its_share(image, how):
    assert corrupt(image, how)[:, :, 0].size / image[:, :, 0].size == pytest.approx(how.strength, rel=0.02)


@pytest.mark.parametrize("how", ROBUSTNESS_CARD["scale"], ids=name_of)
def test_scale_is_the_factor_of_the_sides(image, how):
    height, width = (round(side * how.strength) for side in image.shape[:2])
    assert corrupt(image, how).shape == (height, width, 3)


def test_a_quarter_turn_of_a_square_is_exact_up_to_its_border(image):
    square = image[:160, :160]
    turns = [symmetry(square, np.random.default_rng(0), name=name)[0] for name in SYMMETRIES if "mirror" not in name]
    rotated = corrupt(square, Corruption("rotation", 90))
    assert min(change(rotated[4:-4, 4:-4], turn[4:156, 4:156][: rotated.shape[0] - 8]) for turn in turns) < 0.5


def test_ten_degrees_keep_what_lies_within_both_images(image):
    height, width = corrupt(image, Corruption("rotation", 10)).shape[:2]
    assert height / width == pytest.approx(160 / 208, rel=0.02)
    cos, sin = np.cos(np.radians(10)), np.sin(np.radians(10))
    assert height == int(160 * min(208 / (208 * cos + 160 * sin), 160 / (208 * sin + 160 * cos)))


def test_light_goes_both_ways(make_image):
    brighter = [corrupt(make_image(i), Corruption("light", 2)).mean() > make_image(i).mean() for i in range(12)]
    assert set(brighter) == {True, False}


@pytest.mark.parametrize(("name", "strength"), [("jpeg", 0), ("crop", 1.5), ("scale", 0), ("light", 0.5)])
def test_a_strength_out_of_range_is_refused(name, strength):
    with pytest.raises(SettingsError, match=f"strength is .* for {name}"):
        Corruption(name, strength)


def test_an_unknown_kind_is_refused():
    with pytest.raises(SettingsError, match="name is 'rain'"):
        Corruption("rain", 1)


def test_every_corruption_has_its_description():
    assert len({how.description for how in ALL}) == 24
    assert Corruption("crop", 0.5).description == "cropped to 50% of the area"


def test_an_extractor_of_corrupted_images_sees_them(image, tmp_path):
    how = Corruption("scale", 0.5)
    write_image(tmp_path / "a.png", image)
    (found,) = extract([tmp_path / "a.png"], CorruptedExtractor(Sift(), how)).items
    assert found.image_size == (80, 104)
    assert_array_equal(found.descriptors, Sift()(corrupt(image, how)).descriptors)


def test_each_corruption_has_a_separate_key():
    keys = [fingerprint(CorruptedExtractor(Sift(), how)) for how in ALL]
    keys += [
        fingerprint(CorruptedExtractor(Sift(contrast=0.02), ALL[0])),
        fingerprint(CorruptedExtractor(Sift(), ALL[0], seed=1)),
    ]
    assert len(set(keys)) == len(keys)


def test_corrupted_items_are_cached_only_if_the_items_of_the_extractor_are():
    assert not cacheable(CorruptedExtractor(DenseSift(), ALL[0]))
    assert cacheable(CorruptedExtractor(Sift(), ALL[0]))
