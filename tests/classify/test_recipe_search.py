"""Choosing a recipe for a folder of drawn textures."""

import math
import sys
from dataclasses import replace

import pytest

from classicvision import Classifier, FeatureCache, load_recipe, workflows
from classicvision.classify import recipe_search, selection
from classicvision.classify.recipe_search import choose_recipe
from classicvision.classify.selection import Selection
from classicvision.folders import ImageFolder

SMALL = {
    "one word": load_recipe("sift-bovw", ["encoder.n_words=2", "extractor.max_features=1"]),
    "words": load_recipe("sift-bovw", ["encoder.n_words=30"]),
}


@pytest.fixture
def few_recipes(monkeypatch):
    """Let `candidates` return two small recipes."""
    monkeypatch.setattr(sys.modules["classicvision.workflows.fit"], "candidates", lambda: SMALL)


def test_the_better_recipe_is_chosen(texture_folder):
    chosen = choose_recipe(ImageFolder.open(texture_folder), SMALL)
    assert chosen.name == "words"
    assert chosen.recipe == SMALL["words"]
    assert [(trial.name, trial.n_images) for trial in chosen.trials] == [("one word", 24), ("words", 24)]
    assert chosen.trials[1].accuracy == chosen.trials[1].mean_per_class_accuracy == 1.0
    assert all(trial.seconds > 0 for trial in chosen.trials)


def test_fit_with_auto_stores_the_chosen_recipe_and_tells_how_it_was_chosen(few_recipes, texture_folder, tmp_path):
    fitted = workflows.fit(texture_folder, recipe="auto")
    assert isinstance(fitted.selection, Selection)
    fitted.classifier.save(tmp_path / "model.cvmodel")
    assert Classifier.load(tmp_path / "model.cvmodel").recipe == SMALL["words"]


def test_a_model_of_auto_is_that_of_the_chosen_recipe(few_recipes, texture_folder, tmp_path):
    for name, recipe in (("auto", "auto"), ("named", SMALL["words"])):
        fitted = workflows.fit(texture_folder, recipe=recipe, cache=FeatureCache(tmp_path / name))
        fitted.classifier.save(tmp_path / f"{name}.cvmodel")
    assert (tmp_path / "auto.cvmodel").read_bytes() == (tmp_path / "named.cvmodel").read_bytes()


def test_the_seed_is_that_of_the_chosen_recipe(texture_folder):
    assert choose_recipe(ImageFolder.open(texture_folder), SMALL, seed=5).recipe == replace(SMALL["words"], seed=5)


def test_a_large_folder_is_tried_on_few_images_first(texture_folder, monkeypatch):
    monkeypatch.setattr(recipe_search, "subsample", lambda labels, seed: selection.subsample(labels, seed, n_images=9))
    monkeypatch.setattr(selection, "FEWEST_OF_CLASS", 3)
    chosen = choose_recipe(ImageFolder.open(texture_folder), SMALL | {"more words": SMALL["words"]})
    assert [trial.n_images for trial in chosen.trials] == [9, 9, 9, 24, 24]
    assert chosen.name == "words"


def test_a_trial_ends_between_two_steps_when_its_time_is_up(texture_folder, monkeypatch):
    reported = []
    slow = SMALL | {"again": load_recipe("sift-bovw", ["encoder.n_words=20", "extractor.contrast=0.011"])}
    # The clock leaps when the first image of the last recipe is done.
    monkeypatch.setattr(
        recipe_search, "_now", lambda: math.inf if reported and reported[-1][0].startswith("again") else 0.0
    )
    chosen = choose_recipe(ImageFolder.open(texture_folder), slow, progress=lambda *step: reported.append(step))
    assert [step for step in reported if step[0].startswith("again")] == [("again: images", 1, 24)]
    assert "again" in chosen.skipped


def test_fit_chooses_among_recipes_by_name_and_replaces_their_seed(texture_folder):
    fitted = workflows.fit(texture_folder, recipe=SMALL, seed=4)
    assert fitted.selection.name == "words"
    assert fitted.classifier.recipe == replace(SMALL["words"], seed=4)


def test_fit_of_one_recipe_replaces_its_seed_and_selects_nothing(texture_folder):
    fitted = workflows.fit(texture_folder, recipe=SMALL["words"], seed=4)
    assert fitted.selection is None
    assert fitted.classifier.recipe == replace(SMALL["words"], seed=4)
