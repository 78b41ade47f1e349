"""A network as the first half of a recipe: fit, predict and evaluate, and a model that finds its network again."""

import dataclasses
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import (
    BovwSettings,
    Classifier,
    FeatureCache,
    Recipe,
    Sift,
    config,
    load_recipe,
    recipe_to_toml,
    workflows,
)
from classicvision.archive import read_archive, write_archive
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import PRESETS
from classicvision.classify.canary import canary_features
from classicvision.classify.recipe import Several
from classicvision.encoding.fusion import FusionSettings
from classicvision.encoding.vector import VectorSettings
from classicvision.errors import ArchiveError, BackboneError, ExtractorDriftWarning, SettingsError


@pytest.fixture(scope="module")
def network(make_network):
    """Return a network that names its preprocessing."""
    return make_network(weights=((1.0,), (2.0,), (3.0,)), preprocessing="imagenet", name="colors.onnx")


@pytest.fixture(scope="module")
def model(network, texture_folder, tmp_path_factory):
    """Return the file of a classifier by that network."""
    recipe = load_recipe(f"cnn:{network}", ["extractor.stage=pixels", "extractor.pooling=max"])
    path = tmp_path_factory.mktemp("model") / "colors.cvmodel"
    workflows.fit(texture_folder, recipe=recipe, cache=FeatureCache.temporary()).classifier.save(path)
    return path


@pytest.fixture
def moved(model, network, tmp_path, monkeypatch):
    """Return a copy of the model whose network is no longer where it was, and a copy of that network elsewhere."""
    archive = read_archive(model)
    manifest = {
        key: value for key, value in archive.manifest.items() if key not in ("format", "format_version", "arrays")
    }
    manifest["recipe"]["extractor"]["path"] = str(tmp_path / "gone" / "colors.onnx")
    (tmp_path / "models").mkdir()
    (tmp_path / "elsewhere").mkdir()
    write_archive(tmp_path / "models" / "colors.cvmodel", manifest, archive.arrays)
    shutil.copy(network, tmp_path / "elsewhere")
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models" / "colors.cvmodel", tmp_path / "elsewhere" / "colors.onnx"


def test_a_recipe_names_a_network_by_its_file(network):
    recipe = load_recipe(f"cnn:{network}", ["extractor.views=mirror", "classifier.folds=3"], seed=4)
    assert recipe.extractor == OnnxBackbone(network, preprocessing=PRESETS["imagenet"], views="mirror")
    assert recipe.encoder == VectorSettings("l2")
    assert (recipe.classifier.folds, recipe.seed) == (3, 4)


def test_what_a_network_lacks_can_be_set_in_the_recipe(make_network):
    path = make_network()
    with pytest.raises(BackboneError, match="states the preprocessing of this network"):
        load_recipe(f"cnn:{path}")
    assert load_recipe(f"cnn:{path}", ["extractor.preprocessing=caffe"]).extractor.preprocessing == PRESETS["caffe"]


def test_a_recipe_with_a_network_comes_back_from_toml(network, tmp_path):
    recipe = load_recipe(f"cnn:{network}")
    (tmp_path / "mine.toml").write_text(recipe_to_toml(recipe), "utf-8")
    assert load_recipe(str(tmp_path / "mine.toml")) == recipe
    assert config.from_dict(Recipe, config.to_dict(recipe)) == recipe


def test_a_model_predicts_what_its_classifier_did_before_it_was_saved(model, texture_folder):
    answers = workflows.predict(model, texture_folder, n_jobs=2)
    loaded = Classifier.load(model)
    assert len(answers.paths) == 24
    assert not answers.failures
    assert all(answer.n_keypoints is None and answer.note == "" for answer in answers.predictions)
    scores = [answer.scores for answer in workflows.predict(model, texture_folder).predictions]
    assert [answer.scores for answer in answers.predictions] == scores
    assert loaded.head.weights.shape == (3, 3)


def test_evaluate_knows_the_images_that_the_model_was_fitted_on(model, texture_folder):
    evaluation = workflows.evaluate(model, texture_folder)
    assert evaluation.model["seen_in_training"] == 24
    assert evaluation.model["recipe"]["extractor"]["kind"] == "onnx"


def test_the_model_holds_the_digest_of_the_network_and_not_its_weights(model, network):
    facts = workflows.inspect(model)
    assert facts["recipe"]["extractor"]["sha256"] == OnnxBackbone(network).sha256
    assert facts["recipe"]["extractor"]["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert {name.split("/")[0] for name in facts["arrays"]} == {"canary", "codebook", "head", "training"}
    assert "onnxruntime" in facts["versions"]


def test_the_canary_is_a_vector_and_what_the_network_sees_there(model):
    classifier = Classifier.load(model)
    assert_array_equal(classifier.canary, canary_features(classifier.recipe.extractor))


def test_a_network_that_sees_something_else_is_warned_of(model, tmp_path):
    archive = read_archive(model)
    arrays = dict(archive.arrays) | {"canary/vector": np.array([1.0, -1.0, 1.0], np.float32)}
    manifest = {
        key: value for key, value in archive.manifest.items() if key not in ("format", "format_version", "arrays")
    }
    write_archive(tmp_path / "other.cvmodel", manifest, arrays)
    with pytest.warns(ExtractorDriftWarning):
        Classifier.load(tmp_path / "other.cvmodel")


def test_a_network_is_found_in_the_folder_of_the_model(moved):
    model, network = moved
    with pytest.raises(BackboneError, match=r"gone.*models.*cache.*--backbone"):
        Classifier.load(model)
    shutil.copy(network, model.parent)
    assert Classifier.load(model).recipe.extractor.path == str(model.parent / "colors.onnx")


def test_a_network_is_found_among_those_that_were_pulled(moved, tmp_path):
    model, network = moved
    (tmp_path / "cache" / "backbones").mkdir(parents=True)
    shutil.copy(network, tmp_path / "cache" / "backbones")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Classifier.load(model).recipe.extractor.path == str(tmp_path / "cache" / "backbones" / "colors.onnx")


def test_a_network_is_found_at_the_given_path(moved, texture_folder):
    model, network = moved
    renamed = network.rename(network.with_name("renamed.onnx"))
    assert len(workflows.predict(model, texture_folder, backbone=renamed).predictions) == 24
    assert workflows.evaluate(model, texture_folder, backbone=renamed).scores is not None
    assert workflows.inspect(model, backbone=renamed)["classes"] == ["texture-0", "texture-1", "texture-2"]


def test_another_network_is_refused_wherever_it_is(moved, make_network):
    model, _ = moved
    other = make_network()
    with pytest.raises(BackboneError, match="another network"):
        Classifier.load(model, backbone=other)
    shutil.copy(other, model.parent / "colors.onnx")
    with pytest.raises(BackboneError, match="is another network"):
        Classifier.load(model)


def test_a_model_without_a_network_takes_none(model_file, network):
    with pytest.raises(SettingsError, match="uses no network"):
        Classifier.load(model_file, backbone=network)


def test_a_manifest_without_preprocessing_is_refused(model, tmp_path):
    archive = read_archive(model)
    manifest = {
        key: value for key, value in archive.manifest.items() if key not in ("format", "format_version", "arrays")
    }
    manifest["recipe"]["extractor"]["preprocessing"]["white"] = 0
    write_archive(tmp_path / "other.cvmodel", manifest, archive.arrays)
    with pytest.raises(ArchiveError, match="white"):
        Classifier.load(tmp_path / "other.cvmodel")


def test_predicting_with_a_network_loads_no_scikit_learn(model, texture_folder):
    code = (
        "import sys; from classicvision import workflows;"
        f"workflows.predict({str(model)!r}, [{str(texture_folder / 'texture-0')!r}]);"
        "sys.exit('sklearn' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_network_and_keypoints_are_fused(network, texture_folder, tmp_path):
    recipe = Recipe(
        Several((Sift(), OnnxBackbone(network, "pixels", pooling="max"))),
        FusionSettings((BovwSettings(n_words=20, n_samples=2000), VectorSettings())),
    )
    fitted = workflows.fit(texture_folder, recipe=recipe, cache=FeatureCache.temporary())
    fitted.classifier.save(tmp_path / "both.cvmodel")
    shutil.copy(network, tmp_path)
    answers = workflows.predict(tmp_path / "both.cvmodel", texture_folder, backbone=tmp_path / "colors.onnx")
    assert len(answers.predictions) == 24
    assert fitted.classifier.training.accuracy > 0.9


def test_every_stage_is_tried_on_the_same_images(network, texture_folder):
    recipe = load_recipe(f"cnn:{network}", ["extractor.pooling=max"])
    compared = workflows.compare_stages(texture_folder, recipe, cache=FeatureCache.temporary())
    # The map and its mean are the only tensors through which everything flows.
    assert [(score.stage, score.n_outputs) for score in compared.stages] == [("stage1", 3), ("penultimate", 3)]
    assert [point.n_images for point in compared.curve] == [6, 12, 24]
    assert all(0 <= score.nearest <= 1 for score in compared.stages)
    fitted = workflows.fit(texture_folder, recipe=recipe, cache=FeatureCache.temporary())
    assert compared.stages[-1].accuracy == fitted.classifier.training.accuracy == compared.curve[-1].accuracy


def test_stages_are_those_of_a_network(texture_folder):
    with pytest.raises(SettingsError, match="sift"):
        workflows.compare_stages(texture_folder, Recipe())


def test_a_fusion_is_named_by_its_network_and_its_preprocessing(network, tmp_path):
    recipe = load_recipe(f"fusion:{network}@caffe", ["encoder.weights=[[2, 1, 3, 2]]"], seed=5)
    assert recipe.extractor.parts[0].preprocessing == PRESETS["caffe"]
    assert recipe.extractor.parts[0].views == "whole"
    assert recipe.extractor.parts[1:] == load_recipe("fisher-best").extractor.parts
    assert [part.kind for part in recipe.encoder.parts] == ["vector", "fisher", "fisher", "llc"]
    assert recipe.encoder.shares() == ((0.25, 0.125, 0.375, 0.25),)
    assert recipe.seed == 5
    assert load_recipe(f"cnn:{network}@caffe").extractor.preprocessing == PRESETS["caffe"]


def test_one_value_of_a_preprocessing_is_replaced_wherever_it_was_stated(network):
    plain = load_recipe(f"cnn:{network}").extractor.preprocessing
    for name in (f"cnn:{network}", f"cnn:{network}@caffe"):
        before = load_recipe(name).extractor.preprocessing
        after = load_recipe(name, ["extractor.preprocessing.crop=64"]).extractor.preprocessing
        assert after == dataclasses.replace(before, crop=64)
    assert plain != PRESETS["caffe"]


def test_a_preprocessing_that_no_one_knows_is_named_and_not_taken_for_a_file(network):
    with pytest.raises(SettingsError, match="unknown preprocessing 'kaffe'"):
        load_recipe(f"cnn:{network}@kaffe")
