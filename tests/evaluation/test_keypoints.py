"""The scores of matching on images with known homographies, and the figures of a published set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from classicvision.config import fingerprint
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.evaluation.detectors import DETECTORS, absence
from classicvision.evaluation.keypoints import (
    ACCURACY_THRESHOLDS,
    MatchingProtocol,
    PairScores,
    score_pair,
    shrink_pair,
    summarise,
)
from classicvision.images import read_image
from classicvision.synthetic.warps import perspective, rotate

HERE = [name for name in DETECTORS if not absence(name)]
SHIFT = np.array([[1, 0, 40], [0, 1, 0], [0, 0, 1.0]])


def scores(**changes):
    facts = {
        "n_keypoints": (100, 80),
        "n_visible": (50, 40),
        "n_places": (45, 30),
        "n_repeated": 15,
        "n_matches": 25,
        "n_right": 20,
        "accuracies": (0.5,) * 10,
        "corner_error": 2.0,
    }
    return PairScores(**(facts | changes))


@pytest.mark.parametrize("name", HERE)
def test_an_image_matches_itself_perfectly(make_image, name):
    found = DETECTORS[name](make_image(0))
    result = score_pair(found, found, np.eye(3))
    assert result.repeatability == 1
    assert result.precision == 1
    assert result.matching_score > 0.5  # less than 1: what looks like its neighbour has no clear partner
    assert result.corner_error < 1e-3


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("edit", [lambda *x: rotate(*x, degrees=30), lambda *x: perspective(*x, strength=0.1)])
def test_a_warped_image_matches_nearly_perfectly(make_image, name, edit):
    image = make_image(0)
    warped, b_from_a = edit(image, np.random.default_rng(0))
    result = score_pair(DETECTORS[name](image), DETECTORS[name](warped), b_from_a)
    assert result.repeatability > 0.3
    assert result.precision > 0.7
    assert result.corner_error < 5


def test_a_wrong_homography_has_nothing_right(make_image):
    found = DETECTORS["sift-opencv"](make_image(0))
    result = score_pair(found, found, SHIFT)
    assert result.n_right == 0
    assert result.accuracies == (0,) * len(ACCURACY_THRESHOLDS)
    assert result.corner_error == pytest.approx(40, abs=0.1)


def test_images_without_keypoints_score_nothing_and_have_no_homography():
    nothing = DETECTORS["sift-opencv"](np.zeros((60, 60, 3), np.uint8))
    result = score_pair(nothing, nothing, np.eye(3))
    assert (result.repeatability, result.matching_score, result.precision) == (0, 0, 0)
    assert result.corner_error == math.inf


def test_keypoints_beyond_the_budget_are_ignored(make_image):
    found = DETECTORS["sift-opencv"](make_image(0))
    assert score_pair(found, found, np.eye(3), MatchingProtocol(n_keypoints=20)).n_keypoints == (20, 20)


def test_rates_by_hand():
    found = scores()
    assert found.repeatability == 15 / 30
    assert found.matching_score == 20 / 40
    assert found.precision == 20 / 25


def test_the_summary_is_the_mean_over_pairs_and_the_median_of_corner_errors():
    found = summarise(
        [scores(), scores(n_repeated=30, corner_error=1.0), scores(n_matches=0, n_right=0, corner_error=math.inf)]
    )
    assert found.repeatability == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert found.precision == pytest.approx((0.8 + 0.8 + 0) / 3)
    assert found.n_keypoints == 90
    assert found.homographies == pytest.approx((1 / 3, 2 / 3, 2 / 3))
    assert found.median_corner_error == 2


def test_no_pair_has_no_mean():
    with pytest.raises(NotEnoughDataError, match="no pair"):
        summarise([])


def test_a_shrunk_pair_keeps_its_homography(make_image):
    a, b, b_from_a = shrink_pair(make_image(0), make_image(0)[:, 40:], np.linalg.inv(SHIFT), 104)
    assert (a.shape, b.shape) == ((80, 104, 3), (99, 104, 3))
    # 208 -> 104 in a, 168 -> 104 in b: the left border of b is at 19.5 in a.
    assert (b_from_a @ [19.5, 0, 1])[0] == pytest.approx(-0.5)
    assert shrink_pair(a, b, b_from_a, None)[2] is b_from_a


@pytest.mark.parametrize(
    "change",
    [
        {"max_side": 8},
        {"n_keypoints": 0},
        {"ratio": 0.0},
        {"ratio": 1.1},
        {"threshold": 0.0},
        {"scale_factor": 1.0},
        {"seed": -1},
    ],
)
def test_a_protocol_out_of_range_is_refused(change):
    with pytest.raises(SettingsError, match=next(iter(change))):
        MatchingProtocol(**change)


def test_each_protocol_has_a_separate_fingerprint():
    assert fingerprint(MatchingProtocol()) != fingerprint(MatchingProtocol(mutual=False))


def test_graf_1_to_2_gives_as_many_right_matches_as_are_published_for_opencv(shared):
    # 893 matches of which 775 are right, with plain SIFT and OpenCV's biased positions; RootSIFT gives somewhat more
    # precision. One in fifty may differ.
    graf = shared / "data" / "oxford_affine" / "graf"
    a, b = (DETECTORS["sift-opencv"](read_image(graf / f"img{n}.png")) for n in (1, 2))
    found = score_pair(a, b, np.loadtxt(graf / "H1to2p"), MatchingProtocol(mutual=False))
    assert found.n_right == pytest.approx(775, rel=0.02)
    assert 775 / 893 <= found.precision <= 0.92
