"""What a comparison says in two sentences, and where two recipes part: by hand."""

import pytest

from classicvision.evaluation.comparison import Split, compare
from classicvision.evaluation.conclusion import Disagreement, best_of, conclude, find_disagreements

N = 40
SPLIT = Split(tuple(map(str, range(N))), ("cat",) * (N // 2) + ("dog",) * (N // 2), n_train=20)
RIGHT = list(SPLIT.true)


def with_mistakes(n):
    """Return predictions of which every second of the first 2 n is wrong."""
    return ["eel" if i % 2 == 0 and i < 2 * n else true for i, true in enumerate(RIGHT)]


def test_one_recipe_has_an_accuracy_and_no_verdict():
    text = conclude(compare([SPLIT], {"a": [RIGHT]}))
    assert text == "The mean per-class accuracy of a is 100.0 % (95 % interval 100.0 to 100.0 %)."


def test_the_best_is_better_where_it_is_shown():
    comparison = compare([SPLIT], {"bad": [with_mistakes(15)], "good": [RIGHT]})
    assert best_of(comparison) == "good"
    assert conclude(comparison).endswith("It is better than bad, by every test.")


def test_the_highest_accuracy_does_not_win_without_a_significant_difference():
    text = conclude(compare([SPLIT], {"a": [RIGHT], "b": [with_mistakes(2)], "c": [with_mistakes(3)]}))
    assert text.startswith("a has the highest mean per-class accuracy, 100.0 %")
    assert text.endswith("That does not make it the winner: no difference from b and c is shown.")


def test_beaten_recipes_and_others_are_named_separately():
    text = conclude(compare([SPLIT], {"a": [RIGHT], "b": [with_mistakes(2)], "c": [with_mistakes(20)]}))
    assert text.endswith("It is better than c, by every test; no difference from b is shown.")


def test_of_equal_recipes_the_first_is_named():
    assert best_of(compare([SPLIT], {"x": [RIGHT], "y": [RIGHT]})) == "x"


def test_images_on_which_two_part_by_hand():
    splits = [Split(("1", "2", "3"), ("cat", "cat", "dog"), 5), Split(("1", "3", "4"), ("cat", "dog", "dog"), 5)]
    a = [["cat", "dog", "dog"], ["cat", "cat", "cat"]]
    b = [["dog", "dog", "cat"], ["eel", "dog", "cat"]]
    # 1: only a, twice. 2: both wrong. 3: a in the first split, b in the second. 4: both wrong.
    assert find_disagreements(splits, a, b) == [Disagreement("1", "cat", "cat", "dog", is_a_right=True, n_splits=2)]


def test_what_parts_in_more_splits_comes_first():
    splits = [Split(("1", "2"), ("cat", "cat"), 5), Split(("2",), ("cat",), 5)]
    found = find_disagreements(splits, [["eel", "eel"], ["eel"]], [["cat", "cat"], ["cat"]])
    assert [(one.image, one.is_a_right, one.n_splits) for one in found] == [("2", False, 2), ("1", False, 1)]


@pytest.mark.parametrize("answers", [RIGHT, with_mistakes(5)])
def test_a_recipe_does_not_part_from_itself(answers):
    assert find_disagreements([SPLIT], [answers], [answers]) == []
