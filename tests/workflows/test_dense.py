"""Dense SIFT as the first half of a recipe: from a TOML file to a saved classifier."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import (
    Classifier,
    DenseSift,
    FeatureCache,
    Recipe,
    Sift,
    config,
    load_recipe,
    recipe_to_toml,
    workflows,
)
from classicvision.archive import read_archive
from classicvision.classify.canary import N_CANARY_KEYPOINTS, canary_features
from classicvision.classify.recipe import Several
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.errors import SettingsError

TOML = """
[extractor]
kind = "dense-sift"
step = 6
bin_sizes = [4, 8]
max_side = 90

[encoder]
kind = "bovw"
n_words = 20
n_samples = 2000
"""


@pytest.fixture
def recipe_file(tmp_path):
    """Return a recipe of dense SIFT."""
    path = tmp_path / "dense.toml"
    path.write_text(TOML, "utf-8")
    return path


def test_a_recipe_names_dense_sift_by_its_kind(recipe_file):
    recipe = load_recipe(str(recipe_file), ["extractor.contrast=0.02", "extractor.bin_sizes=[6]"])
    assert recipe.extractor == DenseSift(step=6, bin_sizes=(6,), max_side=90, contrast=0.02)
    assert config.from_dict(Recipe, config.to_dict(recipe)) == recipe


def test_a_recipe_of_dense_sift_comes_back_from_toml(recipe_file, tmp_path):
    recipe = load_recipe(str(recipe_file))
    (tmp_path / "again.toml").write_text(recipe_to_toml(recipe), "utf-8")
    assert load_recipe(str(tmp_path / "again.toml")) == recipe


def test_an_extractor_without_a_kind_is_an_error_that_lists_the_kinds(tmp_path):
    (tmp_path / "mine.toml").write_text("[extractor]\nstep = 6\n", "utf-8")
    with pytest.raises(SettingsError, match=r"extractor has no kind; choose from dense-sift, onnx, several, sift"):
        load_recipe(str(tmp_path / "mine.toml"))


def test_a_classifier_on_dense_sift_learns_is_cached_and_comes_back_from_its_file(
    recipe_file, texture_folder, tmp_path
):
    cache = FeatureCache(tmp_path / "cache")
    recipe = load_recipe(str(recipe_file))
    cold, warm = (workflows.fit(texture_folder, recipe=recipe, cache=cache) for _ in range(2))
    assert (cold.n_cached, warm.n_cached) == (0, 24)
    assert cold.validation.mean_per_class_accuracy > 0.9  # of three classes
    cold.classifier.save(tmp_path / "dense.cvmodel")
    warm.classifier.save(tmp_path / "warm.cvmodel")
    assert (tmp_path / "dense.cvmodel").read_bytes() == (tmp_path / "warm.cvmodel").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the canary looks as it did
        loaded = Classifier.load(tmp_path / "dense.cvmodel")
    assert loaded.recipe == recipe


def test_patches_are_recomputed_and_not_cached(recipe_file, texture_folder, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    workflows.fit(texture_folder, recipe=load_recipe(str(recipe_file)), cache=cache)
    n_entries, n_bytes = cache.size()
    assert n_entries > 24
    assert n_bytes < 24 * 10_000  # one image has 100 kB of patches


def test_sparse_and_dense_items_have_separate_keys(texture_folder, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    sparse = Recipe(Sift(), load_recipe("sift-bovw", ["encoder.n_words=20"]).encoder)
    dense = Recipe(DenseSift(step=8), sparse.encoder)
    assert [workflows.fit(texture_folder, recipe=recipe, cache=cache).n_cached for recipe in (sparse, dense)] == [0, 0]


def test_of_a_fine_grid_on_the_canary_only_the_strongest_are_kept(texture_folder, tmp_path):
    extractor = DenseSift(step=1, bin_sizes=(4,))
    features = canary_features(extractor)
    assert len(features) == N_CANARY_KEYPOINTS
    assert np.all(np.diff(features.response) <= 0)
    recipe = Recipe(DenseSift(step=3, bin_sizes=(4,)), load_recipe("sift-bovw", ["encoder.n_words=20"]).encoder)
    workflows.fit(texture_folder, recipe=recipe).classifier.save(tmp_path / "fine.cvmodel")
    assert_array_equal(read_archive(tmp_path / "fine.cvmodel").arrays["canary/xy"].shape, (N_CANARY_KEYPOINTS, 2))


def test_a_fusion_of_two_extractors_is_fitted_saved_and_predicts_the_same_with_several_processes(
    recipe_file, texture_folder, tmp_path
):
    dense = load_recipe(str(recipe_file))
    recipe = Recipe(
        Several(parts=(dense.extractor, Sift())),
        FusionSettings(parts=(dense.encoder, BovwSettings(n_words=20, n_samples=1000))),
    )
    (tmp_path / "fusion.toml").write_text(recipe_to_toml(recipe), "utf-8")
    assert load_recipe(str(tmp_path / "fusion.toml")) == recipe
    broken = next(path for path in texture_folder.iterdir() if path.is_dir()) / "broken.png"
    broken.write_bytes(b"no image")
    try:
        fitted = workflows.fit(texture_folder, recipe=recipe)
    finally:
        broken.unlink()
    assert [failure.path for failure in fitted.failures] == [broken]
    assert fitted.classifier.training.weights in recipe.encoder.shares()
    fitted.classifier.save(tmp_path / "fusion.cvmodel")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, two = (workflows.predict(tmp_path / "fusion.cvmodel", texture_folder, n_jobs=n) for n in (1, 2))
    assert [answer.scores for answer in one.predictions] == [answer.scores for answer in two.predictions]
    assert (
        np.mean([answer.label == path.parent.name for answer, path in zip(one.predictions, one.paths, strict=True)])
        > 0.9
    )


def test_extractors_and_encoders_that_do_not_pair_up_are_refused():
    with pytest.raises(SettingsError, match=r"2 extractor\(s\) and 1 encoder\(s\)"):
        Recipe(Several(parts=(Sift(), DenseSift())), BovwSettings())
