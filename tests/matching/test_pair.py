"""Two images: known transforms are recovered, unrelated images do not match, too few keypoints decide nothing."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data

from classicvision.errors import SettingsError
from classicvision.features.local import MIRRORED_BINS, LocalFeatures
from classicvision.features.sift import Sift
from classicvision.matching import regions
from classicvision.matching.correspondences import Correspondences
from classicvision.matching.geometry import mirror_transform, warp_points
from classicvision.matching.hypotheses import find_agreement
from classicvision.matching.nearest import match_descriptors
from classicvision.matching.pair import match_features
from classicvision.matching.result import Region
from classicvision.matching.settings import MatchSettings

SIZE = (300, 400)
QUARTER = np.array([[0.0, -0.5, 200], [0.5, 0, 20], [0, 0, 1]])  # rotated by 90 degrees clockwise at scale 0.5
TILTED = np.array([[0.9, 0.1, 10], [-0.1, 0.9, 50], [3e-4, 2e-4, 1]])


def keypoints(n, seed=0, size=SIZE):
    """Return random keypoints with random descriptors."""
    rng = np.random.default_rng(seed)
    return LocalFeatures(
        xy=rng.uniform(0, 1, (n, 2)) * (size[1] - 1, size[0] - 1),
        scale=rng.uniform(1.5, 6, n),
        angle=rng.uniform(0, 2 * np.pi, n),
        response=rng.uniform(0.02, 0.2, n),
        descriptors=(rng.exponential(1, (n, 128)) * 30).clip(0, 255).astype(np.uint8),
        image_size=size,
    )


def moved(features, b_from_a, size=SIZE, noise=0.0, seed=0):
    """Apply a transform without reflection to keypoints; return those that stay inside the image."""
    rng = np.random.default_rng(seed)
    along = np.column_stack([np.cos(features.angle), np.sin(features.angle)])
    xy = features.xy.astype(float)
    tip = warp_points(xy + 1e-3 * along, b_from_a) - warp_points(xy, b_from_a)
    there = LocalFeatures(
        xy=warp_points(xy, b_from_a) + rng.normal(0, noise, xy.shape),
        scale=features.scale * np.hypot(*tip.T) * 1e3,
        angle=np.arctan2(tip[:, 1], tip[:, 0]) % (2 * np.pi),
        response=features.response,
        descriptors=features.descriptors,
        image_size=size,
    )
    return there[(there.xy >= 0).all(axis=1) & (there.xy <= (size[1] - 1, size[0] - 1)).all(axis=1)]


def together(*parts):
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in parts[0]._COLUMNS}
    return LocalFeatures(**columns, image_size=parts[0].image_size)


def corners(size=SIZE):
    height, width = size
    return np.array([[0.0, 0], [width, 0], [width, height], [0, height]])


@pytest.mark.parametrize("b_from_a", [np.eye(3), QUARTER, TILTED], ids=["identity", "quarter", "tilted"])
def test_a_known_transform_is_recovered_among_other_keypoints(b_from_a):
    a = keypoints(200)
    b = together(moved(a, b_from_a, noise=0.3), keypoints(200, seed=1))
    result = match_features(a, b)
    assert result.verdict == "copy"
    assert len(result.regions) == 1
    assert_allclose(warp_points(corners(), result.regions[0].b_from_a), warp_points(corners(), b_from_a), atol=1.5)


def test_pairs_are_the_keypoints_that_were_moved():
    a = keypoints(60)
    (region,) = match_features(a, moved(a, np.eye(3))).regions
    assert_array_equal(region.pairs, np.repeat(np.arange(60)[:, None], 2, axis=1)[region.pairs[:, 0]])
    assert sorted(region.pairs[:, 0]) == list(range(60))


def test_the_transform_of_a_mirrored_copy_is_in_the_frame_of_a():
    a = keypoints(100)
    b = moved(a.mirrored(), QUARTER)
    (region,) = match_features(a, b).regions
    assert region.is_mirrored
    assert_allclose(region.b_from_a, QUARTER @ mirror_transform(SIZE[1]), atol=0.02)
    assert_array_equal(region.pairs[:, 0], region.pairs[:, 1])


def test_a_mirrored_photograph_is_one_region_that_covers_it():
    photograph = data.astronaut()
    sift = Sift(contrast=0.01, max_features=1000)
    (region,) = match_features(sift(photograph), sift(np.ascontiguousarray(photograph[:, ::-1]))).regions
    assert region.is_mirrored
    assert min(region.share_a, region.share_b) > 0.999


def test_a_mirrored_copy_of_the_whole_image_ends_the_search(monkeypatch):
    searched = []
    find = regions.find_regions
    monkeypatch.setattr(regions, "find_regions", lambda *arguments: searched.append(1) or find(*arguments))
    a = keypoints(200)
    assert match_features(a, moved(a.mirrored(), QUARTER)).regions[0].is_mirrored
    assert len(searched) == 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_inverted_copy_is_found(mirrored):
    a = keypoints(300)
    seen = a.mirrored() if mirrored else a
    (region,) = match_features(a, moved(seen.inverted(), QUARTER)).regions
    assert region.is_inverted
    assert region.is_mirrored == mirrored
    expected = QUARTER @ mirror_transform(SIZE[1]) if mirrored else QUARTER
    assert_allclose(region.b_from_a, expected, atol=0.02)


def test_an_inverted_copy_is_found_in_either_order():
    a = keypoints(300)
    b = moved(a.inverted(), QUARTER)
    assert match_features(a, b).regions[0].is_inverted
    assert match_features(b, a).regions[0].is_inverted


def test_an_inverted_part_of_an_image_is_found():
    a, other = keypoints(300), keypoints(300, seed=5)
    part = a[a.xy[:, 0] < 150].inverted()
    assert match_features(a, together(part, other)).regions[0].is_inverted


@pytest.mark.parametrize("orientation", ["direct", "mirrored"])
def test_one_orientation_is_searched_without_inversion(orientation):
    a = keypoints(300)
    assert match_features(a, a.inverted(), orientation=orientation).verdict == "no evidence"


def test_direct_copies_are_not_inverted():
    a = keypoints(300)
    assert not match_features(a, moved(a, QUARTER)).regions[0].is_inverted


def test_a_direct_and_a_mirrored_part_are_both_found():
    a = keypoints(300)
    left, right = a[a.xy[:, 0] < 130], a[a.xy[:, 0] >= 270]
    half, other = np.diag([0.5, 0.5, 1]), np.array([[0.5, 0, 200], [0, 0.5, 150], [0, 0, 1]])
    result = match_features(a, together(moved(left, half), moved(right.mirrored(), other)))
    assert sorted(region.is_mirrored for region in result.regions) == [False, True]


def test_a_mirrored_copy_of_the_whole_image_is_the_only_region():
    a = keypoints(200)
    b = together(moved(a[8:].mirrored(), np.eye(3)), moved(a[:8], np.eye(3)))
    result = match_features(a, b)
    assert [region.is_mirrored for region in result.regions] == [True]
    assert len(result.regions[0].pairs) == 192


def test_matches_that_a_mirrored_region_explains_are_not_reported_as_a_direct_one():
    """The left part of a occurs mirrored at the right of b; 20 of its keypoints also fit a translation."""
    a, other = keypoints(300), keypoints(300, seed=1)
    left = a[a.xy[:, 0] < 180]
    shifted = moved(left[:20], np.array([[1.0, 0, 220], [0, 1, 0], [0, 0, 1]]))
    mirrored = moved(left[20:].mirrored(), np.eye(3))
    rest = other[other.xy[:, 0] < 220]
    assert [region.is_mirrored for region in match_features(a, together(shifted, rest)).regions] == [False]
    assert [region.is_mirrored for region in match_features(a, together(mirrored, shifted, rest)).regions] == [True]


def test_each_keypoint_is_in_one_pair_of_a_region_at_most_and_that_with_the_smallest_error():
    a = keypoints(100)
    crowded = together(a, replace(a[:20], xy=a.xy[:20] + 1))  # 20 keypoints a second time, one pixel farther
    for pair in ((crowded, a), (a, crowded)):
        (region,) = match_features(*pair).regions
        assert sorted(region.pairs.tolist()) == [[row, row] for row in range(100)]


def test_mirrored_copies_are_not_found_with_mirrored_false():
    a = keypoints(100)
    assert match_features(a, a.mirrored(), MatchSettings(mirrored=False)).verdict == "no evidence"


@pytest.mark.parametrize(
    ("is_flat", "orientation", "verdict"),
    [
        (False, "direct", "copy"),
        (False, "mirrored", "no evidence"),
        (True, "direct", "no evidence"),
        (True, "mirrored", "copy"),
    ],
)
def test_a_copy_is_found_only_in_its_orientation(is_flat, orientation, verdict):
    a = keypoints(150)
    b = moved(a.mirrored() if is_flat else a, QUARTER)
    result = match_features(a, b, orientation=orientation)
    assert result.verdict == verdict
    if result.regions:
        assert_allclose(result.regions[0].b_from_a, match_features(a, b).regions[0].b_from_a, atol=1e-9)


def test_unrelated_keypoints_give_no_evidence():
    result = match_features(keypoints(300), keypoints(300, seed=1))
    assert (result.verdict, result.regions) == ("no evidence", ())
    assert result.score < 3


def test_matches_are_counted_that_are_mutual_and_pass_the_ratio_test():
    a = keypoints(150)
    b = together(moved(a, TILTED, noise=0.3), keypoints(100, seed=1))
    result = match_features(a, b, MatchSettings(ratio=0.75))
    assert result.n_matches == len(match_descriptors(a.descriptors, b.descriptors, ratio=0.75)) > 0
    assert result.n_keypoints == (len(a), len(b))


def test_exchanging_the_images_inverts_the_transform():
    a = keypoints(150)
    b = together(moved(a, TILTED, noise=0.3), keypoints(100, seed=1))
    there, back = match_features(a, b), match_features(b, a)
    assert there.score == pytest.approx(back.score)
    inverse = np.linalg.inv(back.regions[0].b_from_a)
    assert_allclose(warp_points(corners(), there.regions[0].b_from_a), warp_points(corners(), inverse), atol=0.5)


def test_the_order_of_keypoints_does_not_matter():
    a = keypoints(150)
    b = together(moved(a, TILTED, noise=0.3), keypoints(100, seed=1))
    order = np.random.default_rng(2).permutation(len(b))
    one, other = match_features(a, b), match_features(a, b[order])
    assert one.score == other.score
    assert_array_equal(one.regions[0].b_from_a, other.regions[0].b_from_a)
    assert_array_equal(one.regions[0].pairs[:, 1], order[other.regions[0].pairs[:, 1]])


def test_two_parts_of_a_collage_are_two_regions():
    a, left, right = keypoints(200), np.diag([0.5, 0.5, 1]), np.array([[0.0, -0.5, 380], [0.5, 0, 60], [0, 0, 1]])
    half = a.xy[:, 0] < 200
    b = together(moved(a[half], left), moved(a[~half], right))
    result = match_features(a, b)
    assert len(result.regions) == 2
    assert result.reason == f"{sum(len(region.pairs) for region in result.regions)} keypoints agree on 2 transforms"
    for truth in (left, right):
        nearest = min(np.abs(region.b_from_a - truth).max() for region in result.regions)
        assert nearest < 0.1


def test_the_outline_ends_where_the_images_differ():
    a, other = keypoints(900), keypoints(900, seed=5)
    (region,) = match_features(a, together(a[a.xy[:, 0] < 240], other[other.xy[:, 0] >= 240])).regions
    assert 235 < region.polygon_a[:, 0].max() < 275
    assert region.share_a == pytest.approx(0.62, abs=0.06)


def test_the_outline_is_the_overlap_if_nothing_differs():
    a = keypoints(900)
    (region,) = match_features(a, a[a.xy[:, 0] < 240]).regions
    assert region.polygon_a[:, 0].max() == 399.5


def test_parts_shared_above_and_below_are_two_regions_with_one_transform():
    """Like captions: two strips of one image, with other keypoints in between."""
    a, other = keypoints(900), keypoints(900, seed=5)
    top, middle, bottom = a.xy[:, 1] < 37, np.abs(other.xy[:, 1] - 150) < 113, a.xy[:, 1] > 263
    result = match_features(a, together(a[top], other[middle], a[bottom]))
    assert len(result.regions) == 2
    assert "on one transform" in result.reason
    for region in result.regions:
        low, high = region.polygon_a[:, 1].min(), region.polygon_a[:, 1].max()
        assert high < 90 or low > 210
        assert region.share_a == pytest.approx(0.125, abs=0.06)


def test_four_parts_of_a_collage_are_four_regions():
    a = keypoints(320)
    quarters = [a[(a.xy[:, 0] // 200 == column) & (a.xy[:, 1] // 150 == row)] for column in (0, 1) for row in (0, 1)]
    places = [np.array([[0.5, 0, x], [0, 0.5, y], [0, 0, 1]]) for x, y in ((200, 150), (200, 0), (0, 150), (0, 0))]
    b = together(*(moved(part, transform) for part, transform in zip(quarters, places, strict=True)))
    result = match_features(a, b)
    found = sorted(region.b_from_a[:2, 2].round().tolist() for region in result.regions)
    assert found == [[0, 0], [0, 150], [200, 0], [200, 150]]


def test_matches_within_a_region_do_not_form_a_second_region():
    """Some of the keypoints of an image are rotated about its middle, the others are as they were."""
    a = keypoints(300)
    rotated = np.array([[0.0, -1, 349], [1, 0, -50], [0, 0, 1]])
    (region,) = match_features(a, together(a[40:], moved(a[:40], rotated))).regions
    assert_allclose(region.b_from_a, np.eye(3), atol=1e-3)


def test_strips_that_fill_more_than_half_of_their_outline_are_one_region():
    a, other = keypoints(900), keypoints(900, seed=5)
    top, middle, bottom = a.xy[:, 1] < 112, np.abs(other.xy[:, 1] - 150) < 38, a.xy[:, 1] > 188
    (region,) = match_features(a, together(a[top], other[middle], a[bottom])).regions
    assert region.share_a == pytest.approx(0.75, abs=0.06)


def test_an_image_that_occurs_twice_is_two_regions():
    a = keypoints(100)
    twice = [np.array([[0.5, 0, x], [0, 0.5, 20], [0, 0, 1]]) for x in (0.0, 200)]
    result = match_features(a, together(*(moved(a, transform) for transform in twice)))
    assert sorted(round(region.b_from_a[0, 2]) for region in result.regions) == [0, 200]
    back = match_features(together(*(moved(a, transform) for transform in twice)), a)
    assert len(back.regions) == 2


def test_a_few_keypoints_are_a_copy_by_the_default_threshold_of_15():
    """Eight keypoints among a hundred others."""
    a = together(keypoints(8), keypoints(100, seed=1))
    b = together(moved(a[:8], QUARTER), keypoints(100, seed=2))
    score = match_features(a, b, MatchSettings(threshold=0)).score
    assert 15 < score < 31
    assert match_features(a, b).verdict == "copy"
    assert match_features(a, b, MatchSettings(threshold=score)).verdict == "copy"
    assert match_features(a, b, MatchSettings(threshold=score + 0.01)).verdict == "no evidence"


def test_matches_that_are_nearest_in_one_direction_only_start_no_region():
    """Each keypoint of a has a double at a random place, a little nearer to the match in b."""
    b = keypoints(60)
    rough = b.descriptors.copy()
    rough[:, ::2] = np.minimum(rough[:, ::2] + 9.0, 255).astype(np.uint8)
    doubles = replace(keypoints(60, seed=1), descriptors=b.descriptors)
    assert match_features(replace(b, descriptors=rough), b).verdict == "copy"
    result = match_features(together(replace(b, descriptors=rough), doubles), b)
    assert (result.verdict, result.n_matches) == ("no evidence", 60)  # those of the doubles


def test_a_certain_copy_of_all_of_one_image_is_not_searched_for_mirrored(monkeypatch):
    searched = []
    find = regions.find_regions
    monkeypatch.setattr(regions, "find_regions", lambda *arguments: searched.append(1) or find(*arguments))
    a = keypoints(300)
    part = replace(a[(a.xy < (200, 150)).all(axis=1)], image_size=(150, 200))
    (region,) = match_features(a, part).regions
    assert region.share_a < 0.5
    assert len(searched) == 1


def test_max_regions_limits_the_regions():
    a = keypoints(100)
    twice = [np.array([[0.5, 0, x], [0, 0.5, 20], [0, 0, 1]]) for x in (0.0, 200)]
    b = together(*(moved(a, transform) for transform in twice))
    assert len(match_features(a, b, MatchSettings(max_regions=1)).regions) == 1


def test_matches_on_one_spot_give_no_evidence():
    a, b = keypoints(60), keypoints(60, seed=1)
    spot = np.random.default_rng(2).uniform(0, 5, (60, 2))
    a = LocalFeatures(**{**a.to_arrays(), "xy": 100 + spot, "image_size": SIZE})
    b = LocalFeatures(
        **{**b.to_arrays(), "xy": 50 + spot, "angle": a.angle, "scale": a.scale, "descriptors": a.descriptors,
           "image_size": SIZE}
    )  # fmt: skip
    assert match_features(a, b).verdict == "no evidence"


def test_a_match_at_the_tolerance_is_an_inlier_and_matches_of_one_place_count_once():
    xy = np.array([[0.0, 0], [1, 1], [20, 0], [40, 0]])  # the first two lie in one square of 6 x 6 pixels
    matches = Correspondences(xy, xy, np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((4, 2), np.int32), 1e5, 1e5)
    assert matches.n_places == 3
    assert matches.count_places(np.array([1.0, 0.5, 3.0, 3.01]), (1.0, 3.0)) == [1, 2]


def test_keypoints_that_all_match_one_place_have_no_transform():
    n = 6
    a = 50 + np.column_stack([np.arange(n), np.arange(n) ** 2]) / 5
    pairs = np.column_stack([np.arange(n), np.zeros(n)]).astype(np.int32)
    matches = Correspondences(a, np.full((n, 2), 100.0), np.zeros((2, n)), np.zeros((2, n)), pairs, 1e5, 1e5)
    assert find_agreement(matches) is None


def test_a_region_in_front_of_the_horizon_is_not_mirrored():
    # The upper left 2 x 2 block has a negative determinant, but the Jacobian near (1100, 1100) a positive one.
    h = np.array([[-0.17, 0.0, 325.0], [-0.42, 0.25, 325.0], [-7e-4, 0, 1]])
    box = np.array([[1000.0, 1000], [1200, 1000], [1200, 1200], [1000, 1200]])
    (left, top), (right, _), (_, bottom), _ = warp_points(box, h)
    assert left < right
    assert top < bottom
    region = Region(h, "homography", np.zeros((0, 2), np.int32), box, warp_points(box, h), 1.0, 1.0, 9.0)
    assert not region.is_mirrored


@pytest.mark.parametrize(("n", "words"), [(0, "0 keypoints"), (1, "1 keypoint;"), (7, "7 keypoints")])
def test_too_few_keypoints_decide_nothing(n, words):
    few, many = keypoints(n), keypoints(100, seed=1)
    result = match_features(few, many)
    assert (result.verdict, result.regions, result.n_keypoints) == ("cannot decide", (), (n, 100))
    assert f"image a has {words}" in result.reason
    assert "image b" in match_features(many, few).reason


def test_as_many_keypoints_as_are_needed_decide():
    eight = keypoints(8)
    assert match_features(eight, keypoints(8, seed=1)).verdict == "no evidence"
    assert match_features(eight, eight, MatchSettings(min_keypoints=9)).verdict == "cannot decide"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratio": 0}, "ratio is 0"),
        ({"ratio": 1.1}, "ratio is 1.1"),
        ({"min_keypoints": 2}, "min_keypoints is 2"),
        ({"threshold": -1}, "threshold is -1"),
        ({"max_regions": 0}, "max_regions is 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        MatchSettings(**changes)


def test_mirroring_twice_is_the_identity():
    a = keypoints(50)
    back = a.mirrored().mirrored()
    assert_array_equal(MIRRORED_BINS[MIRRORED_BINS], np.arange(128))
    assert_array_equal(back.descriptors, a.descriptors)
    assert_allclose(back.xy, a.xy, atol=1e-4)
    assert_allclose(np.exp(1j * back.angle), np.exp(1j * a.angle), atol=1e-6)


def test_an_image_in_place_of_its_features_is_refused():
    features = Sift()(data.camera())
    with pytest.raises(TypeError, match=r"b is of type ndarray; expected LocalFeatures"):
        match_features(features, data.camera())
