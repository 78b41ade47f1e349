"""Recipes against each other, on drawn textures."""

import shutil
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import BovwSettings, FeatureCache, Recipe, Sift, SvmSettings, extract, workflows
from classicvision.classify.training import train
from classicvision.errors import NotEnoughDataError
from classicvision.evaluation import split_run
from classicvision.evaluation.corruption import ROBUSTNESS_CARD
from classicvision.evaluation.plan import BenchmarkSettings
from classicvision.features.dense import DenseSift
from classicvision.images import write_image
from classicvision.synthetic import textures

WORDS = Recipe(Sift(), BovwSettings(n_words=12, n_samples=1000), SvmSettings(costs=(1.0,), folds=2))
ONE_WORD = replace(WORDS, encoder=BovwSettings(n_words=1, n_samples=1000))  # cannot tell anything apart
SETTINGS = BenchmarkSettings(n_splits=3, n_train=4, learning_curve=(2,), n_timed=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("benchmark") / "cache")


@pytest.fixture(scope="module")
def found(texture_folder, cache):
    recipes = {"words": WORDS, "again": WORDS, "blind": ONE_WORD}
    return workflows.benchmark(texture_folder, recipes, settings=SETTINGS, cache=cache)


def verdict(found, a, b):
    return next(one for one in found.comparison.verdicts if (one.a, one.b) == (a, b))


def test_the_same_recipe_under_two_names_shows_no_difference(found):
    assert verdict(found, "words", "again").better is None
    assert verdict(found, "words", "again").difference.value == 0


def test_a_recipe_that_sees_nothing_is_worse(found):
    assert verdict(found, "words", "blind").better == "words"
    assert found.comparison.accuracies["words"].mean.value > 0.9
    assert found.comparison.accuracies["blind"].mean.value < 0.5


def test_every_recipe_is_tested_on_the_same_images(found):
    assert {len(one.predicted) for result in found.results for one in result.split_results} == {12}
    assert len(found.splits) == len(found.results[0].split_results) == 3
    assert set(found.predicted(found.results[0])[0]) == set(found.images.classes)


def test_the_learning_curve_has_one_accuracy_a_split(found):
    curve = found.results[0].curve
    assert list(curve) == [2]
    assert len(curve[2]) == 3
    assert np.mean(curve[2]) <= found.comparison.accuracies["words"].mean.value + 0.05


def test_costs_are_measured_in_every_stage(found):
    for result in found.results:
        cost = result.cost
        assert min(cost.read, cost.extract, cost.encode, cost.predict) > 0
        assert cost.total == pytest.approx(cost.read + cost.extract + cost.encode + cost.predict)
        assert cost.peak_mb > 20  # an interpreter with NumPy has more


def test_a_cached_result_is_not_computed_again(found, texture_folder, cache, monkeypatch):
    monkeypatch.setattr(split_run, "predict_rows", lambda *_: pytest.fail("predicted again"))
    again = workflows.benchmark(texture_folder, {"words": WORDS}, settings=SETTINGS, cache=cache)
    assert_array_equal(again.results[0].split_results[2].predicted, found.results[0].split_results[2].predicted)
    assert again.results[0].split_results[0].seconds == found.results[0].split_results[0].seconds


def test_an_interrupted_benchmark_resumes(texture_folder, tmp_path, monkeypatch):
    settings = replace(SETTINGS, robustness=True, n_corrupted=3, learning_curve=())
    how = {"settings": settings, "cache": FeatureCache(tmp_path / "cache"), "leakage": False}
    trained = []

    def learn(*arguments, **options):
        trained.append(len(trained))
        return train(*arguments, **options)

    def stop(stage, done, total):
        if (stage, done) == ("words: splits", 2):
            raise KeyboardInterrupt

    monkeypatch.setattr(split_run, "train", learn)
    with pytest.raises(KeyboardInterrupt):
        workflows.benchmark(texture_folder, {"words": WORDS}, progress=stop, **how)
    assert len(trained) == 2
    found = workflows.benchmark(texture_folder, {"words": WORDS}, **how)
    assert len(trained) == 4  # the third split, and the first once more for corrupted images and costs
    again = workflows.benchmark(texture_folder, {"words": WORDS}, **how)
    assert len(trained) == 4
    assert again.results[0].corrupted == found.results[0].corrupted
    assert again.results[0].cost == found.results[0].cost


def test_each_split_is_learned_once_by_each_recipe(texture_folder, monkeypatch):
    seeds = []

    def learn(items, labels, recipe, **options):
        seeds.append((recipe.encoder.n_words, len(items), recipe.seed))
        return train(items, labels, recipe, **options)

    monkeypatch.setattr(split_run, "train", learn)
    settings = replace(SETTINGS, n_splits=2, robustness=True, n_corrupted=3)
    workflows.benchmark(texture_folder, {"words": WORDS, "blind": ONE_WORD}, settings=settings, leakage=False)
    # Each split has its own seed, which the smaller training set of the learning curve shares.
    assert sorted(seeds) == [
        (n_words, n_images, seed) for n_words in (1, 12) for n_images in (6, 12) for seed in (0, 1)
    ]


def test_other_labels_are_another_question(texture_folder):
    items = extract(sorted(texture_folder.glob("*/*.png")), WORDS.extractor).items
    candidate = split_run.Candidate("words", WORDS, items, (), items)
    questions = {
        split_run.TrainingRun(candidate, labels, np.arange(4), seed, items.cache, 1).cache_key(*facts)
        for labels, seed, facts in (
            (["a"] * 12 + ["b"] * 12, 0, ()),
            (["b"] * 12 + ["a"] * 12, 0, ()),
            (["a"] * 12 + ["b"] * 12, 1, ()),
            (["a"] * 12 + ["b"] * 12, 0, ("split",)),
        )
    }
    assert len(questions) == 4


def test_costs_belong_to_their_recipes_in_any_order(texture_folder, tmp_path, monkeypatch):
    how = {
        "settings": replace(SETTINGS, n_splits=1, learning_curve=()),
        "cache": FeatureCache(tmp_path),
        "leakage": False,
    }
    found = workflows.benchmark(texture_folder, {"words": WORDS, "blind": ONE_WORD}, **how)
    costs = {result.name: result.cost for result in found.results}
    assert len(set(costs.values())) == 2
    other = workflows.benchmark(texture_folder, {"blind": ONE_WORD, "words": WORDS}, **how)
    assert {result.name: result.cost for result in other.results} == costs


def test_workers_change_no_answer(found, texture_folder):
    other = workflows.benchmark(texture_folder, {"words": WORDS}, settings=SETTINGS, n_jobs=2)
    for one, two in zip(other.results[0].split_results, found.results[0].split_results, strict=True):
        assert_array_equal(one.predicted, two.predicted)
        assert (one.cost, one.n_outputs, one.n_bytes) == (two.cost, two.n_outputs, two.n_bytes)


def test_corrupted_test_images_are_tried_at_every_strength(texture_folder):
    settings = replace(SETTINGS, n_splits=1, learning_curve=(), robustness=True, n_corrupted=6)
    found = workflows.benchmark(texture_folder, {"words": WORDS}, settings=settings, leakage=False)
    corrupted = found.results[0].corrupted
    assert set(corrupted) == {None, *(one for strengths in ROBUSTNESS_CARD.values() for one in strengths)}
    assert corrupted[None] > 0.9
    assert min(corrupted.values()) < corrupted[None]
    assert found.leakage == ()


@pytest.fixture
def own_folder(texture_folder, tmp_path):
    return shutil.copytree(texture_folder, tmp_path / "own")


def test_a_copy_across_a_split_and_a_broken_image_are_reported(own_folder):
    first, second = sorted(path for path in own_folder.iterdir() if path.is_dir())[:2]
    original = sorted(first.iterdir())[0]
    for number in range(3):  # so that at least one lies on the other side of every split
        shutil.copy(original, first / f"copy{number}.png")
    (second / "broken.png").write_bytes(b"no image")
    found = workflows.benchmark(own_folder, {"words": WORDS}, settings=replace(SETTINGS, learning_curve=()))
    assert [failure.path.name for failure in found.failures] == ["broken.png"]
    assert len(found.leakage) == 3
    leaks = [leak for split in found.leakage for leak in split.leaks if leak.kind == "exact"]
    names = {path.name for leak in leaks for path in (leak.train, leak.test)}
    assert names <= {original.name, "copy0.png", "copy1.png", "copy2.png"}
    assert len(names) > 1


def test_copies_are_not_looked_for_twice_among_the_same_images(own_folder, tmp_path, monkeypatch):
    first_class = sorted(path for path in own_folder.iterdir() if path.is_dir())[0]
    original = sorted(first_class.iterdir())[0]
    for number in range(3):
        shutil.copy(original, first_class / f"copy{number}.png")
    how = {"settings": replace(SETTINGS, learning_curve=()), "cache": FeatureCache(tmp_path / "cache")}
    found = workflows.benchmark(own_folder, {"words": WORDS}, **how)
    with monkeypatch.context() as patch:
        module = import_module("classicvision.workflows.benchmark")
        patch.setattr(module, "find_copies_among", lambda *_, **__: pytest.fail("searched again"))
        assert workflows.benchmark(own_folder, {"words": WORDS}, **how).leakage == found.leakage
    (first_class / "copy0.png").unlink()
    changed = workflows.benchmark(own_folder, {"words": WORDS}, **how)
    exact = [leak for split in changed.leakage for leak in split.leaks if leak.kind == "exact"]
    names = {path.name for leak in exact for path in (leak.train, leak.test)}
    assert len(names) > 1
    assert names <= {original.name, "copy1.png", "copy2.png"}


def test_dense_recipes_augmentation_and_views_are_compared_like_others(texture_folder):
    dense = Recipe(DenseSift(step=12, bin_sizes=(4,)), WORDS.encoder, WORDS.classifier, augment=("mirror",))
    recipes = {"dense": dense, "twice": replace(dense, augment=(), tta="mirror")}
    settings = replace(SETTINGS, n_splits=1, learning_curve=())
    found = workflows.benchmark(texture_folder, recipes, settings=settings, leakage=False, n_jobs=2)
    assert all(accuracy.mean.value > 0.8 for accuracy in found.comparison.accuracies.values())


def test_the_toy_size_makes_recipes_small_and_takes_names(tmp_path):
    images, labels = textures(2, 14, size=64, rng=np.random.default_rng(1))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (tmp_path / label).mkdir(exist_ok=True)
        write_image(tmp_path / label / f"{number}.png", image)
    found = workflows.benchmark(tmp_path, ["sift-bovw"], is_lite=True, leakage=False)
    assert (len(found.splits), found.results[0].name) == (2, "sift-bovw")
    assert found.results[0].recipe.encoder.n_words == 50
    assert found.splits[0].train.shape == (2, 7)


def test_a_class_without_a_readable_image_is_an_error(own_folder):
    first = sorted(path for path in own_folder.iterdir() if path.is_dir())[0]
    for path in first.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(NotEnoughDataError, match=f"no image of class '{first.name}' can be read"):
        workflows.benchmark(own_folder, {"words": WORDS}, settings=SETTINGS)


def test_no_recipe_is_an_error(texture_folder):
    with pytest.raises(NotEnoughDataError, match="at least one"):
        workflows.benchmark(texture_folder, [])


def test_other_test_images_are_another_question(texture_folder):
    items = extract(sorted(texture_folder.glob("*/*.png")), WORDS.extractor).items
    labels = [name for name in "abc" for _ in range(8)]
    candidate = split_run.Candidate("words", WORDS, items, (), items)
    run = split_run.TrainingRun(candidate, labels, np.array([0, 1, 2, 8, 9, 10, 16, 17, 18]), 0, items.cache, 1)
    assert len(split_run.run_split(run, np.array([4, 5])).predicted) == 2
    assert_array_equal(split_run.run_split(run, np.array([4, 12, 20])).predicted, [0, 1, 2])
