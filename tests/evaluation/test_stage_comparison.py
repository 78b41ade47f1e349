"""What the accuracies of a network's stages and its learning curve advise."""

import pytest

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.stage_comparison import CurvePoint, StageComparison, StageScore


def compared(stages, curve):
    scores = tuple(StageScore(f"stage{i}", 8, accuracy, 0.02, 4, 0.5) for i, accuracy in enumerate(stages, 1))
    return StageComparison(scores, tuple(CurvePoint(100 * i, accuracy) for i, accuracy in enumerate(curve, 1)))


@pytest.mark.parametrize(
    ("stages", "curve", "words"),
    [  # the standard error is 0.02 / sqrt(4) = 0.01
        ([0.5, 0.8], [0.7, 0.8], ["still grows", "last stage is best", "add images"]),
        ([0.5, 0.8], [0.795, 0.8], ["stopped growing", "last stage is best", "fine-tuning the last layers"]),
        ([0.9, 0.8], [0.7, 0.8], ["still grows", "unlike", "take stage stage1, and add"]),
        ([0.9, 0.8], [0.8, 0.8], ["stopped growing", "unlike", "take stage stage1, or fine-tune most"]),
    ],
)
def test_the_advice_follows_from_how_much_data_there_is_and_how_different_it_is(stages, curve, words):
    advice = compared(stages, curve).advice
    assert [word for word in words if word not in advice] == []


def test_accuracy_without_a_mistake_advises_no_change():
    advice = compared([0.5, 1.0], [0.7, 1.0]).advice
    assert "keep it" in advice
    assert "images" not in advice.partition("these images")[2]


def test_a_lead_within_the_standard_error_does_not_count():
    assert not compared([0.809, 0.8], [0.8]).is_different
    assert compared([0.811, 0.8], [0.8]).is_different
    assert not compared([0.8], [0.791, 0.8]).is_rising
    assert compared([0.8], [0.789, 0.8]).is_rising


def test_the_later_of_equal_stages_is_the_best():
    assert compared([0.8, 0.8, 0.7], [0.7]).best.stage == "stage2"


def test_one_point_does_not_make_a_rising_curve():
    assert not compared([0.8], [0.8]).is_rising


def test_nothing_cannot_be_compared():
    with pytest.raises(NotEnoughDataError):
        StageComparison((), ())
