"""A network's cosines: reported without a calibration, and decisive by the fitted tail with one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.symmetric import symmetric_features
from classicvision.errors import SettingsError
from classicvision.features.phash import symmetric_hashes
from classicvision.matching.calibration import Calibration
from classicvision.matching.global_match import HASH_THRESHOLD, compare_hashes, has_enough_coefficients
from classicvision.matching.likeness import (
    BackboneCalibration,
    BackboneFallback,
    Seen,
    closeness,
    compare_by_backbone,
    symmetric_cosines,
)

SIZES = ((100, 100), (100, 100))


@pytest.fixture(scope="module")
def backbone(make_network):
    return OnnxBackbone(make_network(), preprocessing="imagenet")


def calibrated(backbone, *, threshold=12.0, highest=7.0, rate=1e-7):
    """Return a fallback in which one pair in 1000 exceeds a closeness of 3, and e times fewer each 0.2 beyond."""
    close = Calibration(100, 5000, 3.0, 1e-3, 0.2, 3.5, BackboneFallback(backbone).matcher)
    together = Calibration(100, 5000, threshold, rate, 0.5, highest)
    return BackboneFallback(backbone, BackboneCalibration(close, together), rate)


def features_of(rng, n=1):
    """Return (n, 8 d) features of random images."""
    blocks = rng.normal(size=(n, 8, 6)).astype(np.float32)
    blocks /= np.linalg.norm(blocks, axis=2, keepdims=True) * np.sqrt(8)
    return blocks.reshape(n, -1).astype(np.float32)


def seen(seed):
    rng = np.random.default_rng(seed)
    return Seen(rng.choice([-1, 1], 256).astype(np.float32), features_of(rng)[0])


def half_alike(a, seed=9):
    """Return a hash that agrees with that of a in three of five signs: not random, but not yet a copy."""
    agree = np.where(np.random.default_rng(seed).permutation(256) < 150, 1, -1)
    return a.signature * agree.astype(np.float32)


def of_hashes(a, b):
    return compare_hashes(a.signature, b.signature, image_sizes=SIZES, n_keypoints=(2, 3))


def test_closeness_is_the_negative_logarithm_of_one_minus_cosine():
    assert_allclose(closeness([0.0, 0.9, 0.99]), [0, math.log(10), math.log(100)])


def test_closeness_of_equal_and_of_opposite_features_is_finite():
    assert 0 < closeness(1.0) < 20
    assert closeness(-1.0) == 0


def test_significance_is_3_at_the_start_of_a_tail_of_one_in_1000_and_1_more_for_10_times_fewer(backbone):
    known = calibrated(backbone).calibration
    cosines = 1 - np.exp(-np.array([3.0, 3.0 + 0.2 * math.log(10)]))
    assert_allclose(known.significance(cosines), [3, 4])


def test_cosines_of_unrelated_images_have_no_significance(backbone):
    assert calibrated(backbone).calibration.significance(0.2) == 0


@pytest.mark.parametrize("symmetry", range(8))
def test_a_transformed_image_has_the_largest_cosine_in_its_symmetry(symmetry):
    a, other = features_of(np.random.default_rng(0), 2)
    cosines = symmetric_cosines(a, np.stack([other, symmetric_features(a)[symmetry]]))
    assert cosines.shape == (2, 8)
    assert cosines[1].argmax() == symmetry
    assert_allclose(cosines[1, symmetry], 1, rtol=1e-5)


def test_exchanging_the_images_does_not_change_the_largest_cosine():
    a, b = features_of(np.random.default_rng(1), 2)
    assert_allclose(symmetric_cosines(a, b[None]).max(), symmetric_cosines(b, a[None]).max(), rtol=1e-5)


def test_without_a_calibration_equal_features_are_reported_but_decide_nothing(backbone):
    a = seen(2)
    b = Seen(half_alike(a), a.features)
    result = compare_by_backbone(a, b, BackboneFallback(backbone), of_hashes(a, b))
    assert (result.verdict, result.method) == ("cannot decide", "backbone")
    assert result.cosine == pytest.approx(1, abs=1e-5)
    assert "decides nothing until this network is calibrated" in result.reason
    assert result.score == of_hashes(a, b).score


def test_a_hash_below_the_threshold_and_close_features_are_a_copy_together(backbone):
    a = seen(3)
    b = Seen(half_alike(a), a.features)
    assert of_hashes(a, b).verdict == "cannot decide"
    result = compare_by_backbone(a, b, calibrated(backbone), of_hashes(a, b))
    assert (result.verdict, result.method) == ("copy", "backbone")
    assert result.score > 12
    assert (
        "too few keypoints (2 and 3), but as a whole b is like a as it is, cosine 1.000 by the network" in result.reason
    )


def test_unrelated_images_remain_undecided_and_report_their_cosine(backbone):
    a, b = seen(4), seen(5)
    result = compare_by_backbone(a, b, calibrated(backbone), of_hashes(a, b))
    assert (result.verdict, result.method) == ("cannot decide", "backbone")
    assert result.cosine < 0.9
    assert "12.0 needed" in result.reason


def test_significances_of_different_symmetries_are_not_added(backbone):
    a = seen(6)
    fallback = calibrated(backbone)
    query = Seen(half_alike(a), a.features)
    rotated = symmetric_features(a.features)
    same = fallback.compare(query, Seen(a.signature[None], rotated[[0]]))
    other = fallback.compare(query, Seen(a.signature[None], rotated[[1]]))
    assert other.significance[0] < same.significance[0]


def test_a_mirrored_copy_is_reported_as_mirrored(backbone):
    a = seen(7)
    b = Seen(symmetric_hashes(half_alike(a))[1], symmetric_features(a.features)[1])
    result = compare_by_backbone(a, b, calibrated(backbone), of_hashes(a, b))
    assert result.verdict == "copy"
    assert "b is like a mirrored" in result.reason


def test_a_verdict_that_is_a_copy_is_not_changed(backbone):
    a = seen(8)
    decided = replace(of_hashes(a, a), verdict="copy")
    assert compare_by_backbone(a, a, calibrated(backbone), decided) is decided


def test_the_threshold_is_never_below_the_highest_unrelated_pair(backbone):
    assert calibrated(backbone, threshold=12.0, highest=7.0).threshold == 12.0
    assert calibrated(backbone, threshold=12.0, highest=13.5).threshold == 13.5


def test_the_combined_threshold_is_never_below_that_of_the_hash(backbone):
    assert calibrated(backbone, threshold=3.0, highest=2.0).threshold == HASH_THRESHOLD


def test_without_a_calibration_the_threshold_is_infinite(backbone):
    assert BackboneFallback(backbone).threshold == math.inf


@pytest.mark.parametrize("change", [{"preprocessing": "caffe"}, {"stage": "pixels"}])
def test_a_calibration_of_other_settings_of_the_network_is_refused(backbone, make_network, change):
    known = calibrated(backbone).calibration
    settings = {"preprocessing": "imagenet", "stage": "penultimate"} | change
    with pytest.raises(SettingsError, match="another network, stage or preprocessing"):
        BackboneFallback(OnnxBackbone(make_network(), **settings), known)


def test_the_same_network_in_another_place_has_the_same_calibration(backbone, make_network):
    moved = OnnxBackbone(make_network(name="moved.onnx"), preprocessing="imagenet")
    assert BackboneFallback(moved, calibrated(backbone).calibration).threshold == 12.0


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_outside_0_and_1_is_refused(backbone, rate):
    with pytest.raises(SettingsError, match="must be above 0 and below 1"):
        BackboneFallback(backbone, None, rate)


@pytest.mark.parametrize(("n_signs", "is_enough"), [(36, False), (37, True)])
def test_37_coefficients_are_needed_to_compare_whole_images(n_signs, is_enough):
    image_hash = np.zeros(256, np.float32)
    image_hash[1 : 1 + n_signs] = -1
    assert has_enough_coefficients(image_hash) == is_enough
