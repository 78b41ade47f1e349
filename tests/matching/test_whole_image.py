"""Whole images compared by their pixels: what edits keep, and what tells signs of equal structure apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from classicvision.features.phash import PerceptualHash, symmetric_hashes
from classicvision.matching.whole_image import compare_pixels, is_rich, symmetric_image
from classicvision.synthetic import canary, plagiarise


def letter(text, colour="black"):
    image = Image.new("RGB", (120, 120), "white")
    ImageDraw.Draw(image).text((60, 60), text, colour, ImageFont.load_default(90), anchor="mm")
    return np.asarray(image)


def flag(*colours):
    return np.repeat(np.repeat(np.array([colours], np.uint8), 50, axis=1), 100, axis=0)


def star(n_points, inner=0.45):
    angle = np.pi * np.arange(2 * n_points) / n_points
    radius = np.where(np.arange(2 * n_points) % 2 == 0, 60, 60 * inner)
    image = Image.new("RGB", (160, 160), "white")
    corners = np.column_stack([80 + radius * np.sin(angle), 80 - radius * np.cos(angle)])
    ImageDraw.Draw(image).polygon([tuple(corner) for corner in corners.tolist()], fill="black")
    return np.asarray(image)


BLUE, WHITE, RED, GREEN = (0, 35, 149), (255, 255, 255), (206, 17, 38), (0, 146, 70)
SIGNS = {"R": letter("R"), "flag": flag(BLUE, WHITE, RED), "star": star(5)}


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("edit", ["jpeg-75", "jpeg-30", "scale-0.5", "scale-2", "noise-10"])
def test_a_sign_is_the_same_after_an_edit_that_keeps_its_colours(name, edit):
    copy, _ = plagiarise(SIGNS[name], edit, np.random.default_rng(0))
    found = compare_pixels(SIGNS[name], copy)
    assert (found.relation, found.agreeing > 0.9, found.colour < 10) == ("same", True, True)


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("sigma", [1, 2, 4, 7])
def test_a_sign_is_the_same_at_every_blur(name, sigma):
    assert compare_pixels(blurred(SIGNS[name], sigma), SIGNS[name]).relation == "same"


@pytest.mark.parametrize("sigma", [2, 6, 12, 20])
def test_an_image_of_many_tones_is_the_same_at_every_blur(sigma):
    image = canary()
    assert compare_pixels(image, blurred(image, sigma * max(image.shape) / 481)).relation == "same"


@pytest.mark.parametrize("side", [24, 48, 64, 96])
def test_a_thumbnail_is_the_same(side):
    image = star(5)
    assert compare_pixels(image, cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)).relation == "same"


@pytest.mark.parametrize(("a", "b"), [("O", "Q"), ("O", "C"), ("E", "F"), ("P", "R"), ("2", "3"), ("I", "T")])
def test_different_letters_are_not_the_same(a, b):
    assert compare_pixels(letter(a), letter(b)).relation in ("different", "recoloured")


def test_stars_of_different_points_are_different():
    found = [compare_pixels(star(m), star(n)).relation for m in range(3, 8) for n in range(3, m)]
    assert set(found) == {"different"}


def test_flags_of_one_pattern_and_signs_of_one_shape_in_other_colours_are_recoloured():
    assert compare_pixels(flag(BLUE, WHITE, RED), flag(GREEN, WHITE, RED)).relation == "recoloured"
    assert compare_pixels(letter("R"), letter("R", "gray")).relation == "recoloured"


def test_images_without_structure_are_too_plain():
    assert compare_pixels(np.full((50, 60, 3), 9, np.uint8), np.full((50, 60, 3), 9, np.uint8)).relation == "too plain"
    assert compare_pixels(letter("R")[:8, :8], letter("R")[:8, :8]).relation == "too plain"


def test_another_aspect_ratio_is_different():
    assert compare_pixels(letter("R"), letter("R")[:100]).relation == "different"


@pytest.mark.parametrize(("a", "b"), [("R", "P"), ("R", "R"), ("O", "Q")])
def test_exchanging_the_images_changes_nothing(a, b):
    one, other = letter(a), blurred(letter(b), 3)[::2, ::2]
    forth, back = compare_pixels(one, other), compare_pixels(np.ascontiguousarray(other), one)
    assert forth.relation == back.relation
    assert forth.agreeing == pytest.approx(back.agreeing)
    assert forth.colour == pytest.approx(back.colour, abs=0.01)


@pytest.mark.parametrize("symmetry", range(8))
def test_symmetric_images_are_in_the_order_of_their_hashes(symmetry):
    image = canary()[:, :90]
    expected = symmetric_hashes(PerceptualHash()(image))[symmetry]
    assert (expected * PerceptualHash()(symmetric_image(image, symmetry))).min() >= 0


def test_signs_are_not_rich():
    assert not any(map(is_rich, SIGNS.values()))
    assert not is_rich(np.tile(np.arange(200, dtype=np.uint8)[:, np.newaxis], (100, 1, 3)))
