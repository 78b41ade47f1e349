"""Blocks: what agrees, differs, or says nothing, under noise and other light."""

import cv2
import numpy as np
import pytest

from classicvision.matching.pixels.blocks import AGREES, ALONG_LINE, DIFFERS, SILENT, compare_blocks
from classicvision.matching.pixels.frame import LUMA


@pytest.fixture(scope="module")
def plane(scene):
    return cv2.resize(scene, (256, 192), interpolation=cv2.INTER_AREA) @ LUMA


@pytest.fixture(scope="module")
def other(other_scene):
    return cv2.resize(other_scene, (256, 192), interpolation=cv2.INTER_AREA) @ LUMA


def compare(a, b):
    return compare_blocks(np.float32(a), np.float32(b), np.ones(a.shape, bool))


def jpeg(plane, quality):
    data = cv2.imencode(".jpg", np.rint(plane).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32)


EDITS = {
    "equal": lambda plane: plane,
    "darker": lambda plane: 0.4 * plane,
    "gamma": lambda plane: 255 * (plane / 255) ** 1.8,
    "jpeg": lambda plane: jpeg(plane, 20),
    "noise": lambda plane: plane + np.random.default_rng(0).normal(0, 15, plane.shape),
    "blur": lambda plane: cv2.GaussianBlur(plane, (0, 0), 1.5),
    "shifted": lambda plane: np.roll(plane, 1, axis=1),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_agrees(plane, edit):
    blocks = compare(plane, EDITS[edit](plane))
    assert blocks.count(AGREES) > 150
    assert blocks.count(DIFFERS) <= 0.06 * blocks.count(AGREES)


def test_unrelated_images_hardly_agree(plane, other):
    blocks = compare(plane, other)
    assert blocks.count(AGREES) < 0.05 * blocks.count(DIFFERS)


@pytest.mark.parametrize("edit", ["equal", "jpeg", "noise"])
def test_a_replaced_part_differs_and_the_rest_does_not(plane, other, edit):
    changed = plane.copy()
    changed[64:128, 80:160] = other[64:128, 80:160]
    state = compare(plane, EDITS[edit](changed)).state
    inside = state[8:15, 10:19]  # blocks that lie in it completely
    outside = np.ones(state.shape, bool)
    outside[6:17, 8:21] = False
    assert np.count_nonzero(inside == DIFFERS) >= 0.8 * np.count_nonzero(inside != SILENT)
    assert np.count_nonzero(state[outside] == DIFFERS) <= 0.06 * outside.sum()


def test_flat_blocks_say_nothing(plane):
    flat = np.full_like(plane, 200)
    assert (compare(flat, flat).state == SILENT).all()
    assert (compare(flat, flat + np.random.default_rng(0).normal(0, 0.5, flat.shape)).state == SILENT).all()


def test_a_straight_edge_agrees_only_along_itself():
    edge = np.full((128, 128), 60, np.float32)
    edge[:, 64:] = 190
    state = compare(edge, edge).state
    assert (state[:, 7] == ALONG_LINE).all()
    assert not (state == AGREES).any()


def test_an_edge_in_another_direction_differs():
    upright = np.full((128, 128), 60, np.float32)
    upright[:, 64:] = 190
    state = compare(upright, upright.T.copy()).state
    assert (state[[2, 12], 7] == DIFFERS).all()


def test_blocks_outside_are_not_compared(plane, other):
    inside = np.ones(plane.shape, bool)
    inside[:, :128] = False
    blocks = compare_blocks(np.float32(plane), np.float32(other), inside)
    assert not blocks.inside[:, :14].any()
    assert (blocks.state[:, :14] == SILENT).all()


def test_surplus_is_positive_where_b_shows_more(plane):
    empty = plane.copy()
    empty[64:128, 80:160] = 128
    added, removed = compare(empty, plane), compare(plane, empty)
    assert np.median(added.surplus[9:14, 11:18]) > 2
    assert np.median(removed.surplus[9:14, 11:18]) < -2


def test_the_noise_grows_with_compression(plane):
    noise = [compare(plane, jpeg(plane, quality)).noise for quality in (95, 40, 10)]
    assert noise == sorted(noise)
    assert 10 * noise[0] < noise[2]
