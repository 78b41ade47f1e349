from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision.features.local import LocalFeatures
from classicvision.features.rootsift import root_sift
from classicvision.features.sift import Sift


def three_features() -> LocalFeatures:
    return LocalFeatures(
        xy=np.array([[0, 0], [1, 2], [3, 4]], np.float32),
        scale=np.array([1, 2, 3], np.float32),
        angle=np.array([0, 1, 2], np.float32),
        response=np.array([0.1, 0.3, 0.3], np.float32),
        descriptors=np.arange(3 * 128).reshape(3, 128) % 256,
        image_size=(10, 20),
    )


def test_in_an_image_of_twice_the_size_the_first_pixel_centre_is_at_half_a_pixel():
    doubled = three_features().resized((20, 40))
    assert_allclose(doubled.xy, [[0.5, 0.5], [2.5, 4.5], [6.5, 8.5]])
    assert_allclose(doubled.scale, [2, 4, 6])
    assert doubled.image_size == (20, 40)


def test_resizing_and_resizing_back_changes_nothing():
    back = three_features().resized((31, 57)).resized((10, 20))
    assert_allclose(back.xy, three_features().xy, atol=1e-6)
    assert_allclose(back.scale, three_features().scale, rtol=1e-6)


def test_the_corner_of_the_last_pixel_stays_the_corner():
    corner = LocalFeatures(**{**three_features().to_arrays(), "xy": np.full((3, 2), (19.5, 9.5))})
    assert_allclose(corner.resized((5, 80)).xy, np.full((3, 2), (79.5, 4.5)))


def test_the_strongest_come_first_and_ties_keep_their_order():
    assert_array_equal(three_features().strongest(2).scale, [2, 3])


def crowded_on_the_left() -> LocalFeatures:
    """Return 30 strong keypoints in the left tenth of an image and weaker ones on a grid of 10 pixels in the rest."""
    rng = np.random.default_rng(0)
    right = np.stack(np.meshgrid(np.arange(14.5, 100, 10), np.arange(4.5, 20, 10)), axis=-1).reshape(-1, 2)
    return LocalFeatures(
        xy=np.concatenate([rng.uniform(0, 9, (30, 2)), right]),
        scale=np.ones(48),
        angle=np.zeros(48),
        response=np.concatenate([rng.uniform(0.5, 1, 30), rng.uniform(0.01, 0.02, 18)]),
        descriptors=np.zeros((48, 128)),
        image_size=(20, 100),
    )


def test_spread_keypoints_come_from_all_parts_and_the_rest_are_the_strongest():
    features = crowded_on_the_left()  # 7 cells side by side; 2 of each come first
    strongest, spread = features.strongest(30), features.spread(30)
    assert (strongest.xy[:, 0] < 10).all()
    assert np.count_nonzero(spread.xy[:, 0] > 11) == 12
    assert_array_equal(spread.response[:18], strongest.response[:18])


def test_spread_keypoints_come_strongest_first():
    assert (np.diff(crowded_on_the_left().spread(30).response) <= 0).all()


@pytest.mark.parametrize("n", [0, 1, 47, 48, 1000])
def test_at_most_n_keypoints_are_kept(n):
    assert len(crowded_on_the_left().spread(n)) == min(n, 48)


def test_spreading_at_most_n_keypoints_keeps_all():
    assert_array_equal(three_features().spread(3).xy, three_features().strongest(3).xy)


def test_spread_selects_the_same_keypoints_in_a_mirrored_image():
    features = Sift(contrast=0.01)(data.camera()[:200, :301])
    assert_array_equal(features.mirrored().spread(100).response, features.spread(100).response)


def test_an_image_one_pixel_high_has_its_cells_side_by_side():
    line = replace(crowded_on_the_left(), image_size=(1, 100))
    assert len(line.spread(20)) == 20


def test_keypoints_are_selected_by_mask_slice_or_index():
    features = three_features()
    assert_array_equal(features[features.scale > 1].scale, [2, 3])
    assert_array_equal(features[:1].scale, [1])
    assert_array_equal(features[np.array([2, 0])].scale, [3, 1])


def test_a_single_index_is_refused_with_the_slice_to_use():
    with pytest.raises(TypeError, match=r"\[1:2\]"):
        three_features()[1]


def test_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        three_features().xy[0] = 1


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"scale has shape \(2,\); 3 keypoints need \(3,\)"):
        LocalFeatures(**{**three_features().to_arrays(), "scale": np.ones(2)})


def test_features_survive_the_round_trip_through_plain_arrays():
    features = three_features()
    back = LocalFeatures.from_arrays(features.to_arrays())
    assert back.image_size == (10, 20)
    assert_array_equal(back.descriptors, features.descriptors)


def test_no_keypoints_are_empty_columns_of_the_right_width():
    empty = LocalFeatures.empty((4, 5))
    assert len(empty) == 0
    assert empty.xy.shape == (0, 2)
    assert empty.descriptors.shape == (0, 128)


def test_root_sift_of_1_4_4_is_the_root_of_a_ninth_and_two_roots_of_four_ninths():
    assert_allclose(root_sift(np.array([[1, 4, 4]])), [[1 / 3, 2 / 3, 2 / 3]])


def test_root_sift_of_zeros_is_zeros():
    assert_array_equal(root_sift(np.zeros((1, 128), np.uint8)), np.zeros((1, 128)))


@pytest.mark.parametrize(
    ("permute", "edit"),
    [(LocalFeatures.mirrored, lambda image: image[:, ::-1]), (LocalFeatures.inverted, lambda image: 255 - image)],
    ids=["mirrored", "inverted"],
)
def test_permuted_features_are_those_detected_in_the_edited_image(permute, edit):
    image = data.astronaut()[:256, :320]
    seen, found = permute(Sift()(image)), Sift()(np.ascontiguousarray(edit(image)))
    near = np.linalg.norm(seen.xy[:, None] - found.xy, axis=2) < 0.5
    turn = np.abs(np.angle(np.exp(1j * (seen.angle[:, None].astype(float) - found.angle))))
    rows, partners = np.nonzero(near & (turn < 0.1) & (np.abs(seen.scale[:, None] / found.scale - 1) < 0.05))
    assert len(np.unique(rows)) > 0.9 * len(seen)
    mine, theirs = (x.astype(float) for x in (seen.descriptors[rows], found.descriptors[partners]))
    cosine = (mine * theirs).sum(axis=1) / np.linalg.norm(mine, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.median(cosine) > 0.99


def test_inverting_twice_restores_the_features():
    features = Sift(max_features=50)(data.astronaut()[:256, :320])
    again = features.inverted().inverted()
    assert_array_equal(again.descriptors, features.descriptors)
    assert_allclose(np.exp(1j * again.angle), np.exp(1j * features.angle), atol=1e-6)


def test_an_inverted_angle_stays_below_two_pi():
    features = three_features()
    for angle in (np.nextafter(np.float32(np.pi), np.float32(0)), np.float32(np.pi), np.float32(6.28)):
        inverted = replace(features, angle=np.full(3, angle)).inverted().angle
        assert (inverted >= 0).all()
        assert (inverted < np.float32(2 * np.pi)).all()


def test_a_mirrored_angle_stays_below_two_pi():
    features = three_features()
    pi = replace(features, angle=np.full(3, np.float32(np.pi)))
    assert (pi.mirrored().angle < np.float32(2 * np.pi)).all()


def test_the_repr_counts_keypoints_and_shows_their_scales():
    assert repr(three_features()) == "LocalFeatures(n=3, image_size=(10, 20), scale=1..3)"


def test_the_repr_of_no_keypoints_has_no_scales():
    assert repr(LocalFeatures.empty((4, 5))) == "LocalFeatures(n=0, image_size=(4, 5))"


def test_the_notebook_table_has_counts_size_and_ranges():
    html = three_features()._repr_html_()
    assert "<th>keypoints</th><td>3</td>" in html
    assert "<th>image</th><td>20 x 10 pixels</td>" in html
    assert "<th>response</th><td>0.1 to 0.3</td>" in html


def test_the_notebook_table_of_no_keypoints_says_none():
    assert "<th>scale</th><td>none</td>" in LocalFeatures.empty((4, 5))._repr_html_()


def test_the_name_of_a_subclass_is_escaped_in_the_notebook_table():
    cls = type("<Mine>", (LocalFeatures,), {})
    assert "&lt;Mine&gt;" in cls.empty((1, 1))._repr_html_()
