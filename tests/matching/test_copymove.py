"""Copies inside one image: pasted parts are found at their places, and unedited images have none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage import data

from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.images import read_image
from classicvision.matching.copymove import find_copy_moves
from classicvision.matching.geometry import warp_points
from classicvision.matching.settings import CopyMoveSettings

SIFT = Sift(contrast=0.01, max_features=2000)
FACE = np.array([[180.0, 80], [270, 80], [270, 170], [180, 170]])  # in the image of the astronaut


def pasted(change=lambda part: part, x=20, y=330):
    """Return the astronaut with a second copy of the face at the lower left."""
    image = data.astronaut().copy()
    part = change(np.ascontiguousarray(image[80:170, 180:270]))
    image[y : y + part.shape[0], x : x + part.shape[1]] = part
    return image


def maps_the_face_to(regions, corners):
    """Return whether a region maps the face to these corners, or back."""
    for region in regions:
        there = warp_points(FACE, region.b_from_a)
        back = warp_points(FACE, np.linalg.inv(region.b_from_a))
        if min(np.abs(there - corners).max(), np.abs(back - corners).max()) < 4:
            return True
    return False


@pytest.mark.parametrize(
    ("change", "corners"),
    [
        (lambda part: part, [[20, 330], [110, 330], [110, 420], [20, 420]]),
        (lambda part: np.rot90(part, -1), [[110, 330], [110, 420], [20, 420], [20, 330]]),
        (lambda part: part[:, ::-1], [[110, 330], [20, 330], [20, 420], [110, 420]]),
        (lambda part: cv2.resize(part, (126, 126)), [[20, 330], [146, 330], [146, 456], [20, 456]]),
    ],
    ids=["moved", "rotated", "mirrored", "enlarged"],
)
def test_a_pasted_part_is_found_at_its_place(change, corners):
    regions = find_copy_moves(SIFT(pasted(change)))
    assert len(regions) == 1
    assert maps_the_face_to(regions, np.array(corners, float))


def test_the_outlines_cover_only_original_and_copy():
    (region,) = find_copy_moves(SIFT(pasted()))
    outlines = sorted([region.polygon_a, region.polygon_b], key=lambda polygon: polygon[:, 0].mean())
    for outline, (left, top) in zip(outlines, [(20, 330), (180, 80)], strict=True):
        assert_allclose(outline.min(axis=0), [left, top], atol=30)
        assert_allclose(outline.max(axis=0), [left + 90, top + 90], atol=30)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket", "camera", "brick"])
def test_an_unedited_photograph_has_no_copies(name):
    assert find_copy_moves(SIFT(getattr(data, name)())) == ()


def test_cloned_patches_in_an_image_of_grass_are_found():
    shifts = [region.b_from_a[:2, 2].round() for region in find_copy_moves(SIFT(data.grass()))]
    # SIFT engines agree on positions to a tenth of a pixel, so rounding may differ by one.
    assert_allclose(sorted(np.abs(shift).tolist() for shift in shifts), [[4, 162], [182, 346]], atol=1)


def test_unedited_photographs_have_hardly_any_copies(shared):
    paths = sorted((shared / "data" / "bsds500" / "train").glob("*.jpg"))[1::10]
    found = [path.name for path in paths if find_copy_moves(SIFT(read_image(path)))]
    assert len(found) <= 1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_keypoints_have_no_copies(n):
    assert find_copy_moves(SIFT(data.astronaut())[:n]) == ()
    assert find_copy_moves(LocalFeatures.empty((10, 10))) == ()


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingsError, match=r"least_shift is 1.0; it must be between 0 and 1"):
        CopyMoveSettings(least_shift=1)


def made(xy, descriptors):
    """Return keypoints of one size and angle in an image of 400 x 300 pixels."""
    n = len(xy)
    return LocalFeatures(xy, np.full(n, 3.0), np.zeros(n), np.full(n, 0.1), descriptors, (300, 400))


def made_part(n=40):
    """Return positions in the upper left part of the image, and descriptors."""
    rng = np.random.default_rng(0)
    return rng.uniform(10, 110, (n, 2)), (rng.exponential(1, (n, 128)) * 30).clip(0, 255).astype(np.uint8)


def test_a_second_keypoint_near_each_does_not_fail_the_ratio_test():
    xy, descriptors = made_part()
    steps = np.array([[0.0, 0], [2, 0], [200, 150], [202, 150]])
    features = made(np.concatenate([xy + step for step in steps]), np.tile(descriptors, (4, 1)))
    assert maps_the_face_to(find_copy_moves(features), FACE + steps[2])


def test_a_mirror_symmetric_image_has_no_copies():
    xy, descriptors = made_part()
    half = made(xy, descriptors)
    flat = half.mirrored()
    columns = [np.concatenate(pair) for pair in zip(half.to_arrays().values(), flat.to_arrays().values(), strict=True)]
    features = LocalFeatures(**dict(zip(half.to_arrays(), columns, strict=True)) | {"image_size": (300, 400)})
    assert find_copy_moves(features) == ()


def test_a_mirrored_copy_of_more_keypoints_goes_before_a_plain_one():
    xy, descriptors = made_part()
    part = made(xy, descriptors)
    flat = part[15:].mirrored()
    copies = [part[:15].xy + np.array([0, 150]), flat.xy + np.array([0, 150])]
    features = made(
        np.concatenate([xy, *copies]), np.concatenate([descriptors, part[:15].descriptors, flat.descriptors])
    )
    features = replace(features, angle=np.concatenate([part.angle, part[:15].angle, flat.angle]))
    first, second = find_copy_moves(features)
    assert (first.is_mirrored, second.is_mirrored) == (True, False)
    assert first.significance > second.significance
    (only,) = find_copy_moves(features, CopyMoveSettings(max_regions=1))
    assert only.is_mirrored
    (only,) = find_copy_moves(features, CopyMoveSettings(mirrored=False))
    assert not only.is_mirrored
