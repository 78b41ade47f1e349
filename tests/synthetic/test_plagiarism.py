"""Synthetic copies: every point is where the transform maps it, and every edit does what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.errors import SettingsError
from classicvision.images import to_gray
from classicvision.synthetic import EDITS, blobs, plagiarise

SIZE = (240, 320)
DOTS = np.stack(np.meshgrid(np.arange(20, 320, 40), np.arange(20, 240, 40)), axis=2).reshape(-1, 2).astype(float)


def dotted():
    """Return a grey image with dark dots at DOTS."""
    return blobs(DOTS, np.full(len(DOTS), 4.0), np.full(len(DOTS), -0.5), image_size=SIZE, background=0.7)


def moved(xy, b_from_a):
    mapped = np.column_stack([xy, np.ones(len(xy))]) @ b_from_a.T
    return mapped[:, :2] / mapped[:, 2:]


def distance_to_dot(copy, xy, reach):
    """Return the distance in pixels from xy to the centroid of the dark pixels around it."""
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    column, row = np.rint(xy).astype(int)
    patch = to_gray(copy)[row - reach : row + reach + 1, column - reach : column + reach + 1].astype(float)
    weight = np.maximum(np.percentile(patch, 75) - patch - 25, 0)
    if not weight.any():
        return np.inf
    centre = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum() + (column, row)
    return np.linalg.norm(centre - xy)


def inside(xy, size, margin):
    return ((xy >= margin) & (xy <= np.array(size[::-1]) - 1 - margin)).all(axis=1)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_dot_is_where_the_transform_maps_it(edit, seed):
    copy, b_from_a = plagiarise(dotted(), edit, np.random.default_rng(seed))
    factor = np.sqrt(abs(np.linalg.det(b_from_a[:2, :2])))
    reach = max(2, round(8 * factor))
    places = moved(DOTS, b_from_a)
    places = places[inside(places, copy.shape[:2], reach + 1)]
    assert len(places) >= 3
    distances = [distance_to_dot(copy, xy, reach) for xy in places]
    # A tenth of them, because text, logos and a crop in a screenshot hide many; a transform that is wrong by a pixel
    # misses nearly all.
    assert np.percentile(distances, 10) < 0.3


@pytest.mark.parametrize("edit", EDITS)
def test_one_seed_makes_one_copy(edit):
    (first, where), (same, there) = (plagiarise(dotted(), edit, np.random.default_rng(5)) for _ in range(2))
    assert_array_equal(first, same)
    assert_array_equal(where, there)


@pytest.mark.parametrize("edit", EDITS)
def test_the_original_image_is_never_changed(edit):
    image = dotted()
    image.flags.writeable = False
    copy, _ = plagiarise(image, edit, np.random.default_rng(0))
    assert_array_equal(image, dotted())
    assert copy.flags.writeable
    assert not np.shares_memory(copy, image)


@settings(max_examples=30, deadline=None)
@given(
    edit=st.sampled_from(sorted(EDITS)),
    height=st.integers(16, 60),
    width=st.integers(16, 60),
    seed=st.integers(0, 2**32 - 1),
)
def test_images_of_any_shape_can_be_edited(edit, height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    copy, b_from_a = plagiarise(image, edit, rng)
    assert copy.dtype == np.uint8
    assert copy.ndim == 3
    assert copy.shape[2] == 3
    assert min(copy.shape) >= 1
    assert np.isfinite(b_from_a).all()
    assert b_from_a[2, 2] == pytest.approx(1)


@pytest.mark.parametrize("kept", [90, 80, 70, 50, 40, 30, 20, 10])
def test_a_crop_keeps_the_share_of_the_area_in_its_name(kept):
    for seed in range(20):
        copy, _ = plagiarise(dotted(), f"crop-{kept}", np.random.default_rng(seed))
        assert copy.shape[0] * copy.shape[1] == pytest.approx(240 * 320 * kept / 100, rel=0.01)


def test_a_crop_has_exactly_the_pixels_of_the_image():
    image = dotted()
    copy, b_from_a = plagiarise(image, "crop-50", np.random.default_rng(3))
    left, top = (-b_from_a[:2, 2]).astype(int)
    assert_array_equal(copy, image[top : top + copy.shape[0], left : left + copy.shape[1]])


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("mirror", [[2, 1], [4, 3]]),
        ("rotate-90", [[3, 1], [4, 2]]),
        ("rotate-180", [[4, 3], [2, 1]]),
        ("rotate-270", [[2, 4], [1, 3]]),
        ("mirror-rotate-90", [[4, 2], [3, 1]]),
        ("mirror-rotate-180", [[3, 4], [1, 2]]),
        ("mirror-rotate-270", [[1, 3], [2, 4]]),
    ],
)
def test_quarters_of_an_image_are_permuted_by_each_symmetry(edit, expected):
    # Mirrored first if the name says so, then rotated clockwise.
    image = np.kron([[1, 2], [3, 4]], np.ones((16, 16))).astype(np.uint8)[:, :, np.newaxis].repeat(3, axis=2)
    copy, _ = plagiarise(image, edit, np.random.default_rng(0))
    assert_array_equal(copy[::16, ::16, 0], expected)


def test_a_collage_contains_the_other_images():
    others = [np.full((50, 90, 3), level, np.uint8) for level in (10, 20, 30)]
    copy, b_from_a = plagiarise(dotted(), "collage", np.random.default_rng(0), others=others)
    assert copy.shape == (*SIZE, 3)
    assert {10, 20, 30} <= set(np.unique(copy))
    assert_allclose(b_from_a[:2, :2], 0.5 * np.eye(2))


def test_a_rotated_and_trimmed_image_has_no_background():
    white = np.full((*SIZE, 3), 255, np.uint8)
    for seed in range(10):
        copy, _ = plagiarise(white, "rotate-trim", np.random.default_rng(seed))
        assert copy.min() > 250


def test_an_unknown_edit_is_refused_with_the_list_of_edits():
    with pytest.raises(SettingsError, match="edit is 'fold'; it must be one of crop-90, "):
        plagiarise(dotted(), "fold", np.random.default_rng(0))


def test_an_image_too_small_to_edit_is_refused():
    with pytest.raises(SettingsError, match="the image is 40 x 15; edits need 16 pixels per side"):
        plagiarise(np.zeros((15, 40, 3), np.uint8), "text", np.random.default_rng(0))
