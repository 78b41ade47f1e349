"""Augmentation in training, and several views in prediction."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision import DenseSift, Recipe, Sift, config, workflows
from classicvision.classify.classifier import Classifier
from classicvision.classify.recipe import Several
from classicvision.classify.views import Views, prediction_extractor, training_extractor
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.images import read_image
from classicvision.synthetic.augmentation import mirror, ten_crops

WORDS = BovwSettings(n_words=15, n_samples=1000)
RECIPE = Recipe(Sift(), WORDS, augment=("mirror", "crop", "crop"))


def test_variants_follow_from_the_seed_and_the_image_alone():
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    first, again = training_extractor(RECIPE)(image), training_extractor(RECIPE)(image)
    other = training_extractor(replace(RECIPE, seed=1))(image)
    plain, mirrored, crop, second_crop = first
    assert_array_equal(plain.xy, Sift()(image).xy)
    assert_array_equal(mirrored.xy, Sift()(mirror(image)).xy)
    assert crop.image_size != second_crop.image_size
    assert [item.image_size for item in first] == [item.image_size for item in again]
    assert crop.image_size != other[2].image_size


def test_a_fit_with_augmentation_learns_from_more_and_differs(texture_folder):
    plain = workflows.fit(texture_folder, recipe=replace(RECIPE, augment=()))
    more = workflows.fit(texture_folder, recipe=RECIPE)
    assert_array_equal(plain.classifier.codebook.words, more.classifier.codebook.words)  # of the images as they are
    assert np.abs(plain.classifier.head.weights - more.classifier.head.weights).max() > 1e-3
    assert more.classifier.training.n_images == 24
    assert more.validation.mean_per_class_accuracy > 0.9


def test_a_fusion_is_augmented_part_by_part(texture_folder):
    both = Recipe(
        Several(parts=(Sift(), DenseSift(step=12, bin_sizes=(4,)))), FusionSettings((WORDS, WORDS)), augment=("mirror",)
    )
    fitted = workflows.fit(texture_folder, recipe=both)
    assert fitted.validation.mean_per_class_accuracy > 0.9
    assert config.from_dict(Recipe, config.to_dict(both)) == both


@pytest.mark.parametrize(("tta", "views"), [("mirror", lambda x: (x, mirror(x))), ("ten-crop", ten_crops)])
def test_the_scores_of_views_are_averaged(tta, views, texture_folder, tmp_path):
    fitted = workflows.fit(texture_folder, recipe=replace(RECIPE, augment=(), tta=tta))
    fitted.classifier.save(tmp_path / "tta.cvmodel")
    path = next(texture_folder.rglob("*.png"))
    (answer,) = workflows.predict(tmp_path / "tta.cvmodel", path).predictions
    single = replace(fitted.classifier, recipe=replace(fitted.classifier.recipe, tta="none"))
    alone = [single.predict_item(Sift()(view)).scores for view in views(read_image(path))]
    for label, score in answer.scores.items():
        assert_allclose(score, np.mean([scores[label] for scores in alone]), atol=1e-9)


def test_a_prediction_may_replace_what_the_model_says_of_views(model_file, texture_folder):
    path = next(texture_folder.rglob("*.png"))
    plain, mirrored, same = (workflows.predict(model_file, path, tta=tta) for tta in (None, "mirror", "none"))
    assert plain.predictions[0].scores == same.predictions[0].scores
    assert plain.predictions[0].scores != mirrored.predictions[0].scores
    assert Classifier.load(model_file).recipe.tta == "none"


def test_views_are_kept_if_the_items_of_all_parts_are():
    assert Views(Sift(), "mirror").cacheable
    assert not Views(DenseSift(), "mirror").cacheable
    assert not Views(Several(parts=(Sift(), DenseSift())), "mirror").cacheable
    assert prediction_extractor(RECIPE) == RECIPE.extractor
