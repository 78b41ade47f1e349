"""What a benchmark does: splits, and the toy size."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.backbone.onnx import OnnxBackbone
from classicvision.classify.recipe import Recipe, Several
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.encoding.vector import VectorSettings
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.evaluation.plan import BenchmarkSettings, lite, lite_recipe, plan_splits
from classicvision.features.dense import DenseSift
from classicvision.features.sift import Sift

LABELS = ["b"] * 7 + ["a"] * 5


def test_each_split_learns_from_as_many_images_of_each_class_and_tests_the_rest():
    for split in plan_splits(LABELS, BenchmarkSettings(n_splits=3, n_train=3)):
        assert split.train.shape == (2, 3)
        assert {LABELS[row] for row in split.train[0]} == {"a"}
        assert_array_equal(np.sort(np.concatenate([split.train.ravel(), split.test])), np.arange(12))


def test_splits_differ_and_follow_from_the_seed():
    first, second = plan_splits(LABELS, BenchmarkSettings(n_splits=2, n_train=3, seed=4))
    (again,) = plan_splits(LABELS, BenchmarkSettings(n_splits=1, n_train=3, seed=5))
    assert not np.array_equal(first.train, second.train)
    assert_array_equal(second.train, again.train)


def test_the_smaller_training_set_of_a_learning_curve_is_part_of_the_larger():
    (split,) = plan_splits(LABELS, BenchmarkSettings(n_splits=1, n_train=4))
    assert len(split.first(2)) == 4
    assert set(split.first(2)) < set(split.first(4))


def test_half_of_the_smallest_class_is_learned_from_and_100_at_most():
    assert plan_splits(LABELS, BenchmarkSettings(n_splits=1))[0].train.shape == (2, 2)
    assert plan_splits(["a"] * 500 + ["b"] * 300, BenchmarkSettings(n_splits=1))[0].train.shape == (2, 100)


@pytest.mark.parametrize("settings", [{"n_train": 5}, {"n_train": 9}])
def test_a_class_that_would_have_no_test_image_is_an_error_that_names_it(settings):
    with pytest.raises(NotEnoughDataError, match=r"class 'a' has 5 readable .*--train"):
        plan_splits(LABELS, BenchmarkSettings(**settings))


def test_a_learning_curve_beyond_the_training_images_is_an_error():
    with pytest.raises(NotEnoughDataError, match="goes to 4 images per class, but the splits train on 3"):
        plan_splits(LABELS, BenchmarkSettings(n_train=3, learning_curve=(2, 4)))


@pytest.mark.parametrize(
    "wrong",
    [{"n_splits": 0}, {"n_train": 1}, {"learning_curve": (1,)}, {"n_corrupted": 0}, {"n_timed": 0}, {"seed": -1}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        BenchmarkSettings(**wrong)


def test_a_learning_curve_is_sorted_and_has_each_number_once():
    assert BenchmarkSettings(learning_curve=(5, 2, 5)).learning_curve == (2, 5)


def test_a_toy_recipe_has_small_vocabularies_and_one_cost():
    words = BovwSettings(n_words=4000, n_samples=10**6, assignment="soft", n_neighbors=5)
    fusion = Recipe(
        Several((Sift(), DenseSift())), FusionSettings((words, BovwSettings(n_words=20))), augment=("mirror",)
    )
    small = lite_recipe(fusion)
    assert [(part.n_words, part.n_samples) for part in small.encoder.parts] == [(50, 5000), (20, 5000)]
    assert len(small.classifier.costs) == 1
    assert (small.extractor, small.augment) == (fusion.extractor, fusion.augment)
    network = OnnxBackbone("a.onnx", preprocessing="inception", sha256="0" * 64)
    assert lite_recipe(Recipe(network, VectorSettings())).encoder == VectorSettings()
    wide = Recipe(encoder=BovwSettings(assignment="soft", n_neighbors=80))
    assert lite_recipe(wide).encoder == wide.encoder  # 50 words cannot have 80 neighbours


def test_toy_settings_do_everything_once():
    settings = lite(BenchmarkSettings(n_splits=10, n_train=100, learning_curve=(5, 100), robustness=True))
    assert (settings.n_splits, settings.n_train, settings.learning_curve, settings.robustness) == (2, 12, (5,), True)


def test_the_toy_size_leaves_small_classes_images_to_test():
    (first, _) = plan_splits(["a"] * 8 + ["b"] * 24, lite(BenchmarkSettings()))
    assert first.train.shape == (2, 4)
    assert lite(BenchmarkSettings(n_train=3)).n_train == 3
