"""Which matches agree with the similarity that one of them fixes, worked out by hand."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.matching import hypotheses
from classicvision.matching.correspondences import Correspondences
from classicvision.matching.hypotheses import _as_hypotheses, count_agreeing, find_agreement, refine


@pytest.fixture(params=["kernels", "NumPy"])
def engine(request, monkeypatch):
    if request.param == "NumPy":
        monkeypatch.setattr(hypotheses, "native_available", lambda: False)
    elif not hypotheses.native_available():
        pytest.skip("installed without compiled kernels")
    return request.param


def two(a=(0.0, 0.0), b=(0.0, 0.0), turn=0.0, scale=1.0, first_scale=1.0):
    """Return two matches: one from (0, 0) to (0, 0) that is not rotated, and another."""
    log_scale = np.stack([np.zeros(2), np.log([first_scale, scale])])
    angle = np.stack([np.zeros(2), [0.0, turn]])
    pairs = np.zeros((2, 2), np.int32)
    return Correspondences(np.array([(0.0, 0.0), a]), np.array([(0.0, 0.0), b]), log_scale, angle, pairs, 1e6, 1e6)


def agree(matches):
    counts = count_agreeing(*_as_hypotheses(matches))
    assert_array_equal(counts, counts[::-1])  # the first agrees with the second as the second does with the first
    return counts[0] == 2


@pytest.mark.parametrize(("degrees", "expected"), [(29.9, True), (30.1, False), (-29.9, True), (-30.1, False)])
def test_two_matches_agree_up_to_30_degrees(engine, degrees, expected):
    assert agree(two(turn=math.radians(degrees))) == expected


@pytest.mark.parametrize(("ratio", "expected"), [(1.59, True), (1.61, False), (1 / 1.59, True), (1 / 1.61, False)])
def test_two_matches_agree_up_to_a_factor_of_1_6_in_scale(engine, ratio, expected):
    assert agree(two(scale=ratio)) == expected


@pytest.mark.parametrize(
    ("scale", "distance", "limit"),
    [
        (1.0, 0.0, 3.0),
        (1.0, 100.0, math.sqrt(3**2 + 10**2)),
        (0.5, 40.0, math.sqrt(3**2 + 2**2)),  # 20 pixels in b
        (2.0, 10.0, 2 * math.sqrt(3**2 + 1**2)),  # in a's pixels, as a shows the thing smaller
    ],
)
def test_a_match_may_miss_by_3_pixels_and_a_tenth_of_the_distance(engine, scale, distance, limit):
    for direction in ((1.0, 0.0), (0.0, 1.0), (-0.6, 0.8)):
        a = np.array([distance, 0.0])
        for miss, expected in ((0.99 * limit, True), (1.01 * limit, False)):
            b = scale * a + miss * np.array(direction)
            assert agree(two(a, b, scale=scale, first_scale=scale)) == expected


def test_a_match_is_rotated_and_scaled_about_the_other(engine):
    """A quarter turn clockwise at scale 2 takes 10 pixels to the right to 20 down."""
    log_scale, angle = np.stack([np.zeros(2), np.log([2.0, 2.0])]), np.stack([np.zeros(2), [math.pi / 2] * 2])
    a, pairs = np.array([[50.0, 60], [60, 60]]), np.zeros((2, 2), np.int32)
    for b, expected in (([[30, 40], [30, 60]], True), ([[30, 40], [50, 40]], False), ([[30, 40], [30, 20]], False)):
        matches = Correspondences(a, np.array(b, float), log_scale, angle, pairs, 1e6, 1e6)
        assert agree(matches) == expected


def test_matches_are_counted_in_blocks_as_all_together(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(hypotheses, "native_available", lambda: False)
    a, angle = rng.uniform(0, 60, (40, 2)), rng.uniform(0, 0.8, (2, 40))
    matches = Correspondences(a, a, np.zeros((2, 40)), angle, np.zeros((40, 2), np.int32), 1e6, 1e6)
    together = count_agreeing(*_as_hypotheses(matches))
    monkeypatch.setattr(hypotheses, "_BLOCK_NUMBERS", 120)
    assert_array_equal(count_agreeing(*_as_hypotheses(matches)), together)
    assert together.min() < together.max()


def groups(*parts):
    """Return matches in 1000 x 1000 pixels, in groups of a number, a noise in pixels and a rotation in degrees."""
    rng = np.random.default_rng(0)
    a = [rng.uniform(0, 1000, (n, 2)) for n, _, _ in parts]
    b, angle = [], []
    for xy, (n, noise, degrees) in zip(a, parts, strict=True):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        b.append((xy - 500) @ [[c, s], [-s, c]] + 500 + rng.normal(0, noise, (n, 2)))
        angle.append(np.stack([np.zeros(n), np.full(n, math.radians(degrees))]))
    rows = np.arange(sum(n for n, _, _ in parts), dtype=np.int32)
    return Correspondences(
        np.concatenate(a),
        np.concatenate(b),
        np.zeros((2, len(rows))),
        np.concatenate(angle, axis=1),
        np.column_stack([rows, rows]),
        1e6,
        1e6,
    )


def test_an_exact_agreement_goes_before_a_loose_one_of_more_matches():
    matches = groups((40, 5.0, 0), (35, 0.2, 90))
    counts = count_agreeing(*_as_hypotheses(matches))
    assert counts[:40].max() > counts[40:].max()
    found = find_agreement(matches)
    assert_array_equal(found.inlier.nonzero()[0], np.arange(40, 75))
    assert found.tolerance == 1.5
    assert math.degrees(found.motion.turn) == pytest.approx(90, abs=0.1)


def test_a_loose_agreement_has_the_tolerance_that_is_most_significant():
    found = find_agreement(groups((40, 2.0, 30), (40, 300.0, 30)))
    assert found.inlier[:40].sum() >= 38
    assert found.tolerance == 6


@pytest.mark.parametrize(("n", "is_found"), [(3, False), (4, True)])
def test_four_matches_can_agree(n, is_found):
    assert (find_agreement(groups((n, 0.0, 10))) is not None) == is_found


def test_refining_keeps_what_agrees_with_the_transform_fitted_to_it():
    found = find_agreement(groups((30, 0.2, 90)))
    everything = groups((60, 0.2, 90), (20, 300.0, 90))
    agreeing, motion = refine(everything, found)
    assert len(agreeing) == 60
    assert_array_equal(np.sort(agreeing.pairs[:, 0]), np.arange(60))
    assert motion.errors(agreeing).max() <= found.tolerance
    assert np.mean(motion.errors(agreeing) ** 2) < np.mean(found.motion.errors(agreeing) ** 2)


@pytest.mark.parametrize(("n_after", "is_fitted_again"), [(22, False), (23, True)])
def test_a_homography_is_fitted_again_if_it_gained_more_than_a_tenth_of_20_inliers(
    n_after, is_fitted_again, monkeypatch
):
    before, after = np.arange(100) < 20, np.arange(100) < n_after
    found = hypotheses.Agreement(None, "homography", after, 2.0, 10.0, 0.1)
    fits = []
    monkeypatch.setattr(hypotheses, "_fitted", lambda matches, inlier, kind: fits.append(inlier))
    assert hypotheses._grown(None, before, found) is found
    assert [inlier is after for inlier in fits] == [True] * is_fitted_again
