"""Fitting a folder of images."""

import shutil

import numpy as np
import pytest

from classicvision import RECIPES, load_recipe, workflows
from classicvision.cache import FeatureCache
from classicvision.classify import training_images
from classicvision.errors import NotEnoughDataError
from classicvision.images import write_image

RECIPE = load_recipe("sift-bovw", ["encoder.n_words=30"])


@pytest.fixture
def folder(texture_folder, tmp_path):
    """Return a copy of the texture folder that a test may spoil."""
    return shutil.copytree(texture_folder, tmp_path / "images")


def spoil_the_first(folder):
    """Break the first image of all, so that every later one moves up."""
    (folder / "texture-0" / "00.png").write_bytes(b"")


def test_fit_learns_easy_textures(fitted):
    assert fitted.validation.mean_per_class_accuracy == 1.0
    assert fitted.failures == ()
    assert fitted.classifier.training.images_per_class == (8, 8, 8)
    assert fitted.classifier.training.folder == "images"


def test_images_without_any_keypoint_are_an_error_that_says_so(tmp_path):
    for label, level in (("a", 10), ("b", 200)):
        (tmp_path / label).mkdir()
        for number in range(3):
            write_image(tmp_path / label / f"{number}.png", np.full((40, 40, 3), level + number, np.uint8))
    with pytest.raises(NotEnoughDataError, match="no keypoints"):
        workflows.fit(tmp_path, recipe=RECIPE)


def test_any_number_of_workers_gives_the_same_file(texture_folder, model_file, tmp_path):
    workflows.fit(texture_folder, recipe=RECIPE, n_jobs=2).classifier.save(tmp_path / "two.cvmodel")
    assert (tmp_path / "two.cvmodel").read_bytes() == model_file.read_bytes()


def test_a_warm_fit_equals_a_cold_one_and_extracts_nothing(texture_folder, model_file, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    cold = workflows.fit(texture_folder, recipe=RECIPE, cache=cache)
    warm = workflows.fit(texture_folder, recipe=RECIPE, cache=cache)
    assert (cold.n_cached, warm.n_cached) == (0, 24)
    warm.classifier.save(tmp_path / "warm.cvmodel")
    assert (tmp_path / "warm.cvmodel").read_bytes() == model_file.read_bytes()


def test_a_broken_image_is_skipped_and_listed(folder):
    (folder / "texture-1" / "broken.jpg").write_text("not an image")
    fitted = workflows.fit(folder, recipe=RECIPE)
    (failure,) = fitted.failures
    assert failure.path.name == "broken.jpg"
    assert fitted.classifier.training.n_unreadable == 1
    assert fitted.classifier.training.n_images == 24


def test_behind_a_broken_image_every_label_stays_with_its_own_image(folder, monkeypatch):
    spoil_the_first(folder)
    seen = []
    train = training_images.train
    monkeypatch.setattr(
        training_images, "train", lambda items, labels, *a, **k: seen.extend(labels) or train(items, labels, *a, **k)
    )
    fitted = workflows.fit(folder, recipe=RECIPE)
    assert seen == ["texture-0"] * 7 + ["texture-1"] * 8 + ["texture-2"] * 8
    assert fitted.classifier.training.images_per_class == (7, 8, 8)


def test_behind_a_broken_image_contradictions_are_still_those_files(folder):
    spoil_the_first(folder)
    shutil.copy(folder / "texture-1" / "08.png", folder / "texture-2" / "copy.png")
    (group,) = workflows.fit(folder, recipe=RECIPE).contradictions
    assert {path.name for path in group} == {"08.png", "copy.png"}


def test_a_class_of_broken_images_is_an_error_that_names_one(folder):
    spoil_the_first(folder)
    (folder / "texture-9").mkdir()
    (folder / "texture-9" / "broken.jpg").write_text("not an image")
    with pytest.raises(NotEnoughDataError, match=r"'texture-9'.*broken\.jpg"):
        workflows.fit(folder, recipe=RECIPE)


def test_one_image_under_two_labels_is_pointed_out(folder):
    first, second = folder / "texture-0" / "00.png", folder / "texture-1" / "copy.png"
    shutil.copy(first, second)
    shutil.copy(first, folder / "texture-0" / "same label.png")
    (group,) = workflows.fit(folder, recipe=RECIPE).contradictions
    assert {path.name for path in group} == {"00.png", "copy.png", "same label.png"}


def test_copies_under_one_label_contradict_nothing(folder):
    shutil.copy(folder / "texture-0" / "00.png", folder / "texture-0" / "copy.png")
    assert workflows.fit(folder, recipe=RECIPE).contradictions == ()


def test_images_without_keypoints_take_part(folder):
    for label in ("texture-0", "texture-1"):
        write_image(folder / label / "blank.png", np.full((50, 50, 3), 128 + len(label), np.uint8))
    assert workflows.fit(folder, recipe=RECIPE).classifier.training.n_images == 26


def test_too_few_keypoints_for_the_words_is_an_error_with_the_remedy(texture_folder):
    recipe = load_recipe("sift-bovw", ["encoder.n_words=100000"])
    with pytest.raises(NotEnoughDataError, match=r"100000.*n_words"):
        workflows.fit(texture_folder, recipe=recipe)


def test_progress_names_both_stages(texture_folder):
    reported = set()
    workflows.fit(texture_folder, recipe=RECIPE, progress=lambda stage, done, total: reported.add((stage, total)))
    assert reported == {("images", 24), ("folds", 6)}


def test_a_recipe_may_be_named(texture_folder, monkeypatch):
    monkeypatch.setitem(RECIPES, "small", RECIPE)
    assert workflows.fit(texture_folder, recipe="small").classifier.recipe == RECIPE
