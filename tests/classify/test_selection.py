"""Choosing a recipe by trials and a clock that are made up."""

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.classify import selection
from classicvision.classify.named_recipes import RECIPES
from classicvision.classify.recipe import Recipe
from classicvision.classify.selection import FEWEST_OF_CLASS, Trial, candidates, select_recipe, subsample
from classicvision.errors import NotEnoughDataError, SettingsError

N_FEW = 100


class Stage:
    """Plays trials: each takes its seconds off the clock, and ends with its accuracy on few and on all images."""

    def __init__(self, growth=1.0, **plays):
        self.plays, self.growth = plays, growth
        self.now = 0.0
        self.tried = []

    def clock(self):
        return self.now

    def try_recipe(self, name, recipe, on_all, end):
        seconds, *accuracies = self.plays[name]
        accuracy = accuracies[-1] if on_all else accuracies[0]
        if isinstance(accuracy, Exception):
            raise accuracy
        seconds *= self.growth if on_all else 1
        self.tried.append((name, on_all))
        if self.now + seconds > end:
            self.now = end
            return None
        self.now += seconds
        n_images = int(N_FEW * self.growth) if on_all else N_FEW
        return Trial(name, n_images, accuracy, 0.01, accuracy, seconds)

    def select(self, budget=1000.0):
        recipes = dict.fromkeys(self.plays, Recipe())
        return select_recipe(recipes, self.try_recipe, growth=self.growth, budget=budget, clock=self.clock)


def test_the_most_accurate_recipe_is_chosen():
    assert Stage(a=(1, 0.5), b=(2, 0.9), c=(3, 0.7)).select().name == "b"


def test_of_equally_accurate_recipes_the_first_is_chosen():
    assert Stage(a=(1, 0.5), b=(2, 0.9), c=(3, 0.9)).select().name == "b"


def test_a_small_folder_is_tried_once():
    stage = Stage(a=(1, 0.5), b=(2, 0.9))
    stage.select()
    assert stage.tried == [("a", True), ("b", True)]


def test_the_first_recipe_is_tried_whatever_the_budget():
    selection = Stage(a=(50, 0.5), b=(60, 0.9)).select(budget=10)
    assert selection.name == "a"
    assert set(selection.skipped) == {"b"}


def test_a_recipe_is_not_begun_without_the_time_that_the_one_before_took():
    stage = Stage(a=(10, 0.5), b=(30, 0.6), c=(40, 0.9))
    selection = stage.select(budget=69)  # 29 are left for c
    assert stage.tried == [("a", True), ("b", True)]
    assert selection.skipped["c"] == "29 seconds were left, fewer than b took"


def test_a_recipe_that_is_too_slow_for_the_time_left_has_no_figure():
    selection = Stage(a=(10, 0.5), b=(100, 0.9)).select(budget=60)
    assert selection.name == "a"
    assert [trial.name for trial in selection.trials] == ["a"]
    assert "time was up" in selection.skipped["b"]


def test_recipes_near_the_best_on_few_images_are_tried_on_all():
    # Two standard errors of 0.8 of 100 images: 0.08.
    stage = Stage(growth=4, a=(1, 0.5, 0.99), b=(2, 0.75, 0.9), c=(3, 0.8, 0.8))
    selection = stage.select()
    assert stage.tried[3:] == [("c", True), ("b", True)]
    assert selection.name == "b"
    assert [trial.n_images for trial in selection.decisive] == [400, 400]


def test_a_clear_winner_is_not_tried_again():
    stage = Stage(growth=4, a=(1, 0.71), b=(2, 0.8))  # more than 0.08 apart
    assert stage.select().name == "b"
    assert len(stage.tried) == 2


def test_without_time_for_two_finalists_the_few_images_decide():
    stage = Stage(growth=10, a=(1, 0.8, 0.9), b=(5, 0.81, 0.5))
    selection = stage.select(budget=50)  # of which 44 are left: b would take 50
    assert len(stage.tried) == 2
    assert selection.name == "b"
    assert selection.skipped == {"b": "there was no time for all images"}


def test_a_finalist_that_runs_out_of_time_leaves_the_decision_to_the_few_images():
    stage = Stage(growth=2, a=(10, 0.8, 0.9), b=(10, 0.81, 0.95))
    found = stage.try_recipe

    def slower_on_all(name, recipe, on_all, end):
        stage.now += 25 if on_all else 0
        return found(name, recipe, on_all, end)

    stage.try_recipe = slower_on_all
    selection = stage.select(budget=70)
    assert selection.name == "b"
    assert {trial.n_images for trial in selection.decisive} == {N_FEW}


def test_a_failed_recipe_has_its_reason_and_the_others_continue():
    selection = Stage(a=(1, NotEnoughDataError("no keypoints")), b=(2, 0.9)).select()
    assert selection.name == "b"
    assert selection.skipped == {"a": "no keypoints"}


def test_where_few_images_are_too_few_for_every_recipe_all_are_taken():
    few = NotEnoughDataError("one image of a class")
    stage = Stage(growth=4, a=(1, few, 0.8), b=(2, few, 0.7))
    selection = stage.select()
    assert stage.tried == [("a", True), ("b", True)]
    assert selection.name == "a"
    assert selection.skipped == {}


def test_the_error_of_the_first_recipe_is_raised_if_none_works():
    stage = Stage(a=(1, NotEnoughDataError("first")), b=(2, NotEnoughDataError("second")))
    with pytest.raises(NotEnoughDataError, match="first"):
        stage.select()


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_must_be_positive(budget):
    with pytest.raises(SettingsError, match=r"a budget of .* seconds"):
        Stage(a=(1, 0.5)).select(budget)


def test_the_reason_names_the_lead():
    reason = Stage(a=(1, 0.5), b=(2, 0.9)).select().reason
    assert reason == "b has the highest mean per-class accuracy, 90.0 % of 100 images, 40.0 points more than a."


def test_the_reason_names_a_cheaper_recipe_that_may_be_as_good():
    reason = Stage(a=(1, 0.5), b=(2, 0.88), c=(9, 0.9)).select().reason
    assert reason.endswith("b may be as good: it is within two standard errors, and took 2 seconds instead of 9.")


def test_the_reason_says_that_there_was_nothing_to_compare():
    assert "no other recipe" in Stage(a=(1, 0.5)).select().reason


def test_thinning_keeps_as_many_of_each_class():
    labels = ["a"] * 1000 + ["b"] * 500 + ["c"] * 30
    rows = subsample(labels, n_images=120)
    assert Counter(labels[row] for row in rows) == {"a": 40, "b": 40, "c": 30}
    assert_array_equal(rows, np.unique(rows))


def test_thinning_keeps_some_of_each_of_many_classes():
    labels = [f"{i}" for i in range(200)] * 50
    assert set(Counter(labels[row] for row in subsample(labels)).values()) == {FEWEST_OF_CLASS}


def test_a_small_folder_is_not_thinned():
    assert_array_equal(subsample(["a", "b"] * 250), np.arange(500))


def test_thinning_follows_the_seed():
    labels = ["a", "b"] * 1000
    assert_array_equal(subsample(labels, 1), subsample(labels, 1))
    assert not np.array_equal(subsample(labels, 1), subsample(labels, 2))


def test_without_a_network_no_candidate_needs_one():
    assert all(recipe == RECIPES[name] for name, recipe in candidates().items())


def test_a_network_is_tried_alone_and_with_fisher_vectors(make_network):
    from classicvision import load_recipe

    file = make_network(weights=np.eye(3), preprocessing="imagenet")
    network = load_recipe(f"cnn:{file}")
    found = candidates(network)
    assert found["cnn"] == network
    assert found["fusion"] == load_recipe(f"fusion:{file}")
    assert [name for name in found if name not in candidates()] == ["cnn", "fusion"]
    assert list(found).index("fusion") == list(found).index("fisher-best") + 1


def test_a_recipe_without_a_network_is_not_a_network_recipe():
    with pytest.raises(SettingsError, match="the extractor is sift"):
        candidates(RECIPES["sift-bovw"])


def test_the_command_says_the_same_budget_and_name():
    from classicvision.cli import fit  # which says them without loading what chooses

    assert (fit.AUTO, fit.DEFAULT_BUDGET) == (selection.AUTO, selection.BUDGET)


def test_the_standard_error_adds_two_correct_and_two_wrong_images():
    """Of 96 images half are correct; of 96 all are, which 98 of 100 stand for."""
    half, all_of_them = (Trial("a", 96, share, 0.01, share, 1.0) for share in (0.5, 1.0))
    assert half.standard_error == pytest.approx(0.05)
    assert all_of_them.standard_error == pytest.approx((0.98 * 0.02 / 100) ** 0.5)


def test_a_recipe_is_begun_with_just_the_time_that_the_one_before_took():
    stage = Stage(a=(10, 0.5), b=(10, 0.6), c=(10, 0.9))
    assert stage.select(budget=30).name == "c"


def test_no_recipes_are_an_error():
    with pytest.raises(SettingsError, match=r"0 recipe\(s\)"):
        Stage().select()
