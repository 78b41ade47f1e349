"""From the output of a network to its most probable classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from classicvision.backbone.class_scores import ClassScore, read_class_names, top_classes
from classicvision.errors import SettingsError


def test_the_highest_scores_come_first_and_logits_become_probabilities():
    best = top_classes(np.log(np.array([1, 4, 3, 2], np.float32)), 3)
    assert [answer.index for answer in best] == [1, 2, 3]
    assert_allclose([answer.probability for answer in best], [0.4, 0.3, 0.2], rtol=1e-6)


def test_probabilities_stay_as_they_are():
    assert top_classes(np.array([0.25, 0.75], np.float32), 1) == [ClassScore(1, 0.75)]


def test_ties_are_in_the_order_of_the_classes():
    assert [answer.index for answer in top_classes(np.zeros(4, np.float32))] == [0, 1, 2, 3]


def test_a_background_before_imagenet_is_not_counted():
    output = np.zeros(1001, np.float32)
    output[[286, 0]] = 9, 8
    names = [f"name {number}" for number in range(1000)]
    best = top_classes(output, 2, names)
    assert [(answer.index, answer.name) for answer in best] == [(285, "name 285"), (-1, "")]
    best = top_classes(output, 2, ["background", *names])
    assert [(answer.index, answer.name) for answer in best] == [(285, "name 285"), (-1, "background")]


def test_a_wrong_number_of_names_is_refused():
    with pytest.raises(SettingsError, match="got 2 class names for 3 outputs"):
        top_classes(np.zeros(3, np.float32), names=["a", "b"])


def test_names_are_the_lines_of_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("tench\nyoung fish, fry\n\n", "utf-8")
    assert read_class_names(tmp_path / "names.txt") == ["tench", "young fish, fry"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_of_names_that_cannot_be_read_is_named(tmp_path, content):
    if content:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(SettingsError, match=r"names\.txt"):
        read_class_names(tmp_path / "names.txt")
