"""The classifier: predicting, saving, loading, and noticing drift."""

import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import workflows
from classicvision.archive import read_archive, write_archive
from classicvision.classify.canary import share_changed
from classicvision.classify.classifier import Classifier
from classicvision.classify.prediction import NO_KEYPOINTS, Prediction
from classicvision.classify.recipe import Recipe, Several, SvmSettings
from classicvision.encoding.bovw import BovwCodebook, BovwSettings
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.errors import ArchiveError, ExtractorDriftWarning
from classicvision.extraction import extract
from classicvision.features.dense import DenseSift
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.folders import find_images


def one_keypoint(x, number=0):
    descriptor = 255 * np.eye(1, 128, number)
    return LocalFeatures(np.array([[x, 0.0]]), np.ones(1), np.zeros(1), np.ones(1), descriptor, (9, 9))


def test_the_margin_is_the_lead_over_the_second_best():
    assert Prediction("a", {"a": 1.0, "b": -0.5, "c": 0.25}, n_keypoints=3).margin == 0.75


def test_an_image_without_keypoints_gets_an_answer_that_says_so(fitted):
    (answer,) = fitted.classifier.predict([LocalFeatures.empty((10, 10))])
    assert answer.note == NO_KEYPOINTS
    assert answer.label in fitted.classifier.head.classes
    assert list(answer.scores.values()) == fitted.classifier.head.bias.tolist()


def test_the_label_is_the_class_of_the_largest_score(fitted, texture_folder):
    items = extract(find_images([texture_folder]), fitted.classifier.recipe.extractor).items
    for answer in fitted.classifier.predict(items):
        assert answer.label == max(answer.scores, key=answer.scores.get)
        assert answer.note == ""


def test_a_loaded_classifier_equals_the_saved_one(fitted, model_file, texture_folder):
    loaded = Classifier.load(model_file)
    items = extract(find_images([texture_folder])[:3], fitted.classifier.recipe.extractor).items
    for ours, theirs in zip(loaded.predict(items), fitted.classifier.predict(items), strict=True):
        assert ours.scores == theirs.scores
    assert loaded.recipe == fitted.classifier.recipe
    assert loaded.training == fitted.classifier.training
    assert loaded.versions == fitted.classifier.versions
    assert_array_equal(loaded.contents, fitted.classifier.contents)


def test_saving_twice_gives_the_same_bytes(fitted, model_file, tmp_path):
    fitted.classifier.save(tmp_path / "again.cvmodel")
    assert (tmp_path / "again.cvmodel").read_bytes() == model_file.read_bytes()


def test_training_images_are_recognised_by_their_content(fitted, texture_folder):
    paths = find_images([texture_folder])[:2]
    contents = extract(paths, Sift(contrast=0.3)).contents  # whatever the extractor
    assert_array_equal(fitted.classifier.trained_on([*contents, "0" * 64]), [True, True, False])


def test_predicting_loads_no_scikit_learn(model_file, texture_folder):
    code = (
        "import sys; from classicvision import workflows;"
        f"workflows.predict({str(model_file)!r}, [{str(texture_folder / 'texture-0')!r}]);"
        "sys.exit('sklearn' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_extractor_that_sees_the_same_raises_no_warning(model_file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classifier.load(model_file)


@pytest.mark.parametrize(
    ("name", "change"),
    [("canary/xy", lambda xy: xy + np.float32(0.5)), ("canary/descriptors", lambda descriptors: 255 - descriptors)],
)
def test_an_extractor_that_sees_otherwise_is_warned_of_and_stays_so(name, change, model_file, tmp_path):
    archive = read_archive(model_file)
    arrays = {**archive.arrays, name: change(archive.arrays[name])}
    write_archive(tmp_path / "drifted.cvmodel", own_part(archive.manifest), arrays)
    with pytest.warns(ExtractorDriftWarning, match=r"100%.*fit again"):
        loaded = Classifier.load(tmp_path / "drifted.cvmodel")
    loaded.save(tmp_path / "saved again.cvmodel")
    with pytest.warns(ExtractorDriftWarning):
        Classifier.load(tmp_path / "saved again.cvmodel")


def test_a_model_fitted_with_kernels_works_without_kernels(model_file, texture_folder, tmp_path, monkeypatch):
    archive = read_archive(model_file)
    manifest = own_part(archive.manifest)
    manifest["recipe"]["extractor"]["engine"] = "native"
    write_archive(tmp_path / "native.cvmodel", manifest, archive.arrays)
    monkeypatch.setattr("classicvision._native.native_available", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtractorDriftWarning)
        classifier = Classifier.load(tmp_path / "native.cvmodel")
    assert classifier.recipe.extractor.engine == "opencv"
    path = find_images([texture_folder / "texture-1"])[0]
    (answer,) = classifier.predict(extract([path], classifier.recipe.extractor).items)
    assert answer.label == "texture-1"


def test_a_few_changed_keypoints_are_enough_for_a_warning(model_file, tmp_path):
    archive = read_archive(model_file)
    xy = archive.arrays["canary/xy"].copy()
    xy[: len(xy) // 20] += 0.5
    write_archive(tmp_path / "drifted.cvmodel", own_part(archive.manifest), {**archive.arrays, "canary/xy": xy})
    with pytest.warns(ExtractorDriftWarning):
        Classifier.load(tmp_path / "drifted.cvmodel")


def test_the_share_of_changed_keypoints_is_that_of_the_worse_side():
    none = LocalFeatures.empty((9, 9))
    two = dataclasses.replace(
        none, **{name: np.concatenate([getattr(one_keypoint(x), name) for x in (1, 5)]) for name in none._COLUMNS}
    )
    assert share_changed(one_keypoint(1.0), one_keypoint(1.001)) == 0
    assert share_changed(one_keypoint(1.0), one_keypoint(1.1)) == 1
    assert share_changed(one_keypoint(1.0), one_keypoint(1.0, number=1)) == 1
    assert share_changed(one_keypoint(1.0), two) == 0.5
    assert share_changed(none, none) == 0
    assert share_changed(none, two) == 1


def own_part(manifest):
    """Return what the classifier wrote into the manifest, without what the archive adds."""
    return {key: manifest[key] for key in ("kind", "recipe", "classes", "cost", "training", "versions")}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "index"}, "kind is 'index'"),
        ({"recipe": {"extractor": {"kind": "surf"}}}, "surf"),
        ({"recipe": {"encoder": {"kind": "bovw", "n_word": 3}}}, "n_word"),
        ({"classes": ["a", "b"]}, "do not fit 2 classes"),
        ({"cost": "much"}, "not a classifier"),
        ({"training": 5}, "training is 5"),
        ({"training": {"folder": "x"}}, "training lacks n_images"),
        ({"classes": [1, 2, 3]}, "not all texts"),
        ({"classes": [["a"], "b", "c"]}, "not all texts"),
        ({"versions": {"numpy": 2}}, "not all texts"),
        ({"versions": None}, "not a classifier"),
    ],
)
def test_a_well_formed_archive_of_another_kind_is_refused(change, words, model_file, tmp_path):
    archive = read_archive(model_file)
    write_archive(tmp_path / "other.cvmodel", own_part(archive.manifest) | change, archive.arrays)
    with pytest.raises(ArchiveError, match=words) as caught:
        Classifier.load(tmp_path / "other.cvmodel")
    assert "other.cvmodel" in str(caught.value)


@pytest.mark.parametrize("name", ["head/weights", "codebook/words", "training/contents", "canary/xy"])
def test_an_archive_that_lacks_an_array_is_refused(name, model_file, tmp_path):
    archive = read_archive(model_file)
    arrays = {key: array for key, array in archive.arrays.items() if key != name}
    write_archive(tmp_path / "other.cvmodel", own_part(archive.manifest), arrays)
    with pytest.raises(ArchiveError, match="not a classifier"):
        Classifier.load(tmp_path / "other.cvmodel")


def test_a_head_of_another_width_than_the_codebook_is_refused(model_file, tmp_path):
    archive = read_archive(model_file)
    arrays = {**archive.arrays, "head/weights": archive.arrays["head/weights"][:, :-1]}
    write_archive(tmp_path / "other.cvmodel", own_part(archive.manifest), arrays)
    with pytest.raises(ArchiveError, match="29 numbers, the codebook gives 30"):
        Classifier.load(tmp_path / "other.cvmodel")


@pytest.mark.parametrize("name", ["0/basis", "0/mean", "0/means", "0/xy_scale", "1/words"])
@pytest.mark.parametrize("damage", [lambda a: a[:0], lambda a: a * np.nan, lambda a: np.full_like(a, 3e38)])
def test_a_fusion_with_a_damaged_array_is_refused(name, damage, fused, tmp_path):
    archive = read_archive(fused)
    arrays = {**archive.arrays, f"codebook/{name}": damage(archive.arrays[f"codebook/{name}"])}
    write_archive(tmp_path / "other.cvmodel", own_part(archive.manifest), arrays)
    with pytest.raises(ArchiveError, match=r"other\.cvmodel"):
        Classifier.load(tmp_path / "other.cvmodel")


def test_a_codebook_that_fails_on_the_canary_image_is_refused(model_file, tmp_path):
    archive = read_archive(model_file)
    huge = np.full_like(archive.arrays["codebook/words"], 1e17)  # as squared distances they overflow
    write_archive(tmp_path / "other.cvmodel", own_part(archive.manifest), {**archive.arrays, "codebook/words": huge})
    with pytest.raises(ArchiveError, match=r"other\.cvmodel: its codebook fails on a test image: words hold numbers"):
        Classifier.load(tmp_path / "other.cvmodel")


def test_a_codebook_whose_code_of_the_canary_image_is_not_finite_is_refused(model_file, monkeypatch):
    monkeypatch.setattr(BovwCodebook, "encode", lambda self, item: np.array([0.0, np.nan], np.float32))
    with pytest.raises(ArchiveError, match=r"\.cvmodel: its codebook encodes .* not finite"):
        Classifier.load(model_file)


def test_a_classifier_is_shown_by_its_recipe_and_its_accuracy(fitted):
    text = repr(fitted.classifier)
    assert text.startswith("<Classifier: sift, bovw, linear-svm (C = ")
    assert text.endswith("3 classes, 24 training images; cross-validated accuracy 100.0 % (5 folds)>")


def test_a_notebook_shows_the_classes_with_their_images_escaped(fitted):
    head = dataclasses.replace(fitted.classifier.head, classes=("<b>a</b>", "b & c", "d"))
    page = dataclasses.replace(fitted.classifier, head=head)._repr_html_()
    assert "<tr><td>&lt;b&gt;a&lt;/b&gt;</td><td>8</td></tr><tr><td>b &amp; c</td><td>8</td></tr>" in page
    assert "cross-validated accuracy 100.0 %" in page
    assert "<b>" not in page


def test_a_prediction_is_shown_by_label_and_margin():
    assert repr(Prediction("a", {"a": 0.5, "b": -1.0}, 7)) == "Prediction('a', margin=1.50, n_keypoints=7)"
    assert repr(Prediction("a", {"a": 0, "b": 0}, 0, "none")).endswith("n_keypoints=0, note='none')")


def test_a_notebook_shows_the_best_classes_of_a_prediction_escaped():
    scores = {f"<{i}>": float(i) for i in range(7)}
    page = Prediction("<6>", scores, 7, "a & b")._repr_html_()
    assert page.startswith("<table><caption>a &amp; b</caption>")
    assert page.count("<tr><td>") == 5
    assert "<tr><td>&lt;6&gt;</td><td>6.00</td></tr><tr><td>&lt;5&gt;</td><td>5.00</td></tr>" in page


def test_the_views_of_a_loaded_model_can_be_replaced(model_file):
    assert Classifier.load(model_file).recipe.tta == "none"
    assert Classifier.load(model_file, tta="mirror").recipe.tta == "mirror"


@pytest.fixture(scope="module")
def fused(texture_folder, tmp_path_factory):
    """Return the file of a fusion of Fisher vectors and words."""
    grid = DenseSift(step=12, bin_sizes=(4,))
    parts = (FisherSettings(n_components=3, n_dims=4, n_samples=500), BovwSettings(n_words=5, n_samples=500))
    recipe = Recipe(Several((grid, grid)), FusionSettings(parts), SvmSettings(costs=(1.0,), folds=2))
    path = tmp_path_factory.mktemp("fused") / "fused.cvmodel"
    workflows.fit(texture_folder, recipe=recipe).classifier.save(path)
    return path


def test_a_whole_fusion_loads(fused):
    assert Classifier.load(fused).codebook.n_outputs == 2 * 3 * 6 + 5


def test_the_default_recipe_needs_no_arguments():
    assert Recipe().encoder.n_words == 1000


def test_vectors_on_the_canary_are_compared_by_their_direction():
    east, north, none = (np.array(vector, np.float32) for vector in ([2, 0], [0, 1], [0, 0]))
    assert share_changed(east, east / 3) == 0
    assert share_changed(east, north) == 1
    assert share_changed(none, none) == 0
    assert share_changed(none, east) == 1
    assert share_changed(east, np.ones(3, np.float32)) == 1
    assert share_changed(east, one_keypoint(1.0)) == 1


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (np.zeros((9, 9, 3), np.uint8), r"an array of shape \(9, 9, 3\)"),
        ("a.jpg", "a str"),
        ((np.zeros((2, 2)),), r"an array of shape \(2, 2\)"),
    ],
)
def test_an_item_that_is_not_what_an_extractor_returns_is_refused(fitted, item, found):
    with pytest.raises(TypeError, match=f"the item is {found}; expected the features of an image"):
        fitted.classifier.predict_item(item)


def test_with_several_views_an_item_is_a_tuple(fitted):
    recipe = dataclasses.replace(fitted.classifier.recipe, tta="mirror")
    classifier = dataclasses.replace(fitted.classifier, recipe=recipe)
    with pytest.raises(TypeError, match="an item is a tuple of views; found an array of shape"):
        classifier.predict_item(np.zeros((9, 9, 3), np.uint8))
