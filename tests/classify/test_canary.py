"""What an extractor finds on the canary image, compared with what it found when the model was fitted."""

from dataclasses import replace

import numpy as np
import pytest

from classicvision.classify.canary import canary_features, share_changed
from classicvision.features.dense import DenseSift
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.synthetic import canary


def vector(*numbers):
    return np.array(numbers, np.float32)


@pytest.mark.parametrize(("degrees", "share"), [(0, 0), (2.5, 0), (2.6, 1), (180, 1)])  # the cosine of 2.56 is 0.999
def test_vectors_are_the_same_up_to_a_cosine_of_0_999_whatever_their_lengths(degrees, share):
    then, now = vector(300, 0), 0.01 * np.exp(1j * np.radians(degrees))
    assert share_changed(then, vector(now.real, now.imag)) == share


def test_a_vector_of_zeros_is_the_same_as_another_and_differs_from_all_others():
    assert share_changed(vector(0, 0), vector(0, 0)) == 0
    assert share_changed(vector(0, 0), vector(0, 1)) == share_changed(vector(1, 0), vector(0, 0)) == 1


def test_vectors_of_other_lengths_and_items_of_other_kinds_have_changed(make_features):
    assert share_changed(vector(1, 0), vector(1, 0, 0)) == 1
    assert share_changed(vector(1), make_features(5, 0)) == share_changed(make_features(5, 0), vector(1)) == 1


def test_a_fusion_has_changed_as_much_as_the_part_that_changed_most(make_features):
    features = make_features(10, 0)
    assert share_changed((features, vector(1)), (features[:9], vector(2))) == pytest.approx(0.1)
    assert share_changed((features, vector(1)), (features,)) == 1


def test_the_share_of_keypoints_counts_those_lost_and_those_new(make_features):
    features = make_features(20, 0)
    assert share_changed(features, features) == 0
    assert share_changed(features, features[:15]) == share_changed(features[:15], features) == 0.25
    nothing = LocalFeatures.empty((9, 9))
    assert share_changed(nothing, nothing) == 0
    assert share_changed(features, nothing) == share_changed(nothing, features) == 1


def test_a_keypoint_that_moved_by_a_fiftieth_of_a_pixel_or_looks_different_has_changed(make_features):
    features = make_features(4, 0)
    for distance, share in ((0.005, 0), (0.02, 0.25)):
        xy = features.xy.astype(np.float64)
        xy[2, 0] += distance
        assert share_changed(features, replace(features, xy=xy)) == share
    descriptors = features.descriptors.copy()
    descriptors[1] = descriptors[1, ::-1]
    assert share_changed(features, replace(features, descriptors=descriptors)) == 0.25


def test_the_strongest_thousand_keypoints_are_kept_of_each_part():
    assert len(canary_features(DenseSift(step=4))) == 1000
    found = canary_features(Sift(max_features=50))
    assert share_changed(found, Sift(max_features=50)(canary())) == 0
