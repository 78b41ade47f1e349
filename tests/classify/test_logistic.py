"""Logistic regression as the classifier of a recipe."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from classicvision import Classifier, FeatureCache, Recipe, config, load_recipe, workflows
from classicvision.classify.head import LinearHead
from classicvision.classify.logistic import fit_log_odds
from classicvision.classify.recipe import LogisticSettings, SvmSettings
from classicvision.errors import SettingsError


def gradient(weights, bias, codes, y, cost):
    """Return the gradient of the multinomial objective, written out."""
    logits = codes @ weights.T + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    error = shares - np.eye(len(bias))[y]
    return weights + cost * error.T @ codes, cost * error.sum(axis=0)


def test_the_objective_is_at_its_minimum():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    codes = (rng.normal(size=(60, 4)) + y[:, np.newaxis]).astype(np.float32)
    for cost, (weights, bias) in zip((0.5, 5.0), fit_log_odds(codes, y, (0.5, 5.0), balanced=False), strict=True):
        for part in gradient(weights, bias, codes.astype(float), y, cost):
            assert_allclose(part, 0, atol=1e-3)


def test_two_classes_share_one_plane_that_is_positive_on_the_side_of_the_second():
    codes = np.array([[-1.0], [-2.0], [1.0], [2.0]], np.float32)
    ((weights, bias),) = fit_log_odds(codes, np.array([0, 0, 1, 1]), (10.0,), balanced=True)
    head = LinearHead(("a", "b"), weights, bias, 10.0)
    assert head.predict(codes).tolist() == [0, 0, 1, 1]


def test_a_balanced_class_of_few_images_weighs_as_much_as_the_others():
    codes = np.array([[0.0]] * 9 + [[0.0]], np.float32)
    y = np.array([0] * 9 + [1])
    ((_, bias),) = fit_log_odds(codes, y, (1.0,), balanced=True)
    assert_allclose(bias, 0, atol=1e-3)


def test_a_recipe_names_it_by_its_kind_and_comes_back():
    recipe = load_recipe("sift-bovw", ["classifier={kind = 'logistic', folds = 3}"])
    assert recipe.classifier == LogisticSettings(folds=3)
    assert config.from_dict(Recipe, config.to_dict(recipe)) == recipe


@pytest.mark.parametrize("settings", [{"costs": ()}, {"costs": (0.0,)}, {"folds": 1}])
def test_a_value_out_of_range_is_an_error(settings):
    with pytest.raises(SettingsError, match=next(iter(settings))):
        LogisticSettings(**settings)


def test_a_classifier_by_it_learns_and_comes_back_from_its_file(texture_folder, tmp_path):
    recipe = load_recipe("sift-bovw", ["encoder.n_words=30", "classifier={kind = 'logistic'}"])
    fitted = workflows.fit(texture_folder, recipe=recipe, cache=FeatureCache.temporary())
    fitted.classifier.save(tmp_path / "m.cvmodel")
    assert Classifier.load(tmp_path / "m.cvmodel").recipe.classifier == LogisticSettings()
    assert fitted.classifier.training.accuracy == 1.0


def test_its_cost_is_chosen_from_as_many_folds_as_that_of_the_svm():
    assert LogisticSettings().folds == SvmSettings().folds == 5
