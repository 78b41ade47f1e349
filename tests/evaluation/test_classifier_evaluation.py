"""The order of mistakes and what an evaluation refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.classifier_evaluation import Case, Evaluation


def case(name, true, predicted, **scores):
    return Case(Path(name), true, predicted, scores)


RIGHT = case("right.jpg", "cat", "cat", cat=2.0, dog=-1.0)
NEAR = case("near.jpg", "cat", "dog", cat=0.25, dog=0.5)
FAR = case("far.jpg", "dog", "cat", cat=1.5, dog=-1.0)
STRANGE = case("strange.jpg", "eel", "cat", cat=9.0, dog=0.0)
CLASSES = ("cat", "dog", "eel")


def test_margin_is_predicted_minus_true():
    assert FAR.margin == 2.5


def test_margin_of_a_right_answer_is_zero():
    assert RIGHT.margin == 0


def test_the_margin_is_undefined_if_the_model_lacks_the_true_class():
    assert STRANGE.margin is None


def test_worst_mistake_comes_first_and_the_one_without_margin_last():
    evaluation = Evaluation.from_cases([STRANGE, NEAR, RIGHT, FAR], CLASSES)
    assert evaluation.mistakes() == (FAR, NEAR, STRANGE)


def test_mistakes_are_limited_to_the_worst():
    assert Evaluation.from_cases([NEAR, FAR, RIGHT], CLASSES).mistakes(1) == (FAR,)


def test_equal_margins_keep_the_order_of_the_images():
    first, second = case("1.jpg", "cat", "dog", cat=0.0, dog=1.0), case("2.jpg", "cat", "dog", cat=1.0, dog=2.0)
    assert Evaluation.from_cases([first, second], CLASSES).mistakes() == (first, second)


def test_cases_are_scored_in_the_order_of_the_classes():
    scores = Evaluation.from_cases([RIGHT, NEAR, FAR], ("dog", "cat")).scores
    assert scores.classes == ("dog", "cat")
    assert scores.confusion.tolist() == [[0, 1], [1, 1]]


def test_unlisted_class_is_refused_by_name():
    with pytest.raises(ValueError, match=r"\['eel'\]"):
        Evaluation.from_cases([STRANGE], ("cat", "dog"))


def test_no_case_is_not_enough_data_and_says_how_many_failed():
    with pytest.raises(NotEnoughDataError, match=r"held-out.*1 failed"):
        Evaluation.from_cases([], CLASSES, failures=[object()], source="held-out")
