"""Testing a model file on images of known class."""

import shutil

import numpy as np
import pytest

from classicvision import workflows
from classicvision.errors import SettingsError
from classicvision.images import write_image


@pytest.fixture
def folder(texture_folder, tmp_path):
    """Return a copy of the texture folder that a test may spoil."""
    return shutil.copytree(texture_folder, tmp_path / "images")


def spoil_the_first(folder):
    """Break the first image of all, so that every later one moves up."""
    (folder / "texture-0" / "00.png").write_bytes(b"")


def test_behind_a_broken_image_cases_stay_with_their_classes(model_file, folder):
    spoil_the_first(folder)
    evaluation = workflows.evaluate(model_file, folder)
    assert [case.true for case in evaluation.cases] == [case.path.parent.name for case in evaluation.cases]
    assert evaluation.scores.accuracy == 1.0


def test_evaluate_scores_each_image_and_counts_those_it_was_fitted_on(model_file, folder):
    write_image(folder / "texture-0" / "new.png", np.full((60, 60, 3), 77, np.uint8))
    evaluation = workflows.evaluate(model_file, folder)
    assert evaluation.scores.n_images == 25
    assert evaluation.model["seen_in_training"] == 24
    assert sum(case.correct for case in evaluation.cases) / 25 == evaluation.scores.accuracy


def test_evaluate_accepts_some_of_the_classes(model_file, folder):
    shutil.rmtree(folder / "texture-0")
    shutil.rmtree(folder / "texture-1")
    evaluation = workflows.evaluate(model_file, folder)
    assert evaluation.scores.classes == ("texture-0", "texture-1", "texture-2")
    assert evaluation.scores.mean_per_class_accuracy == 1.0


def test_evaluate_refuses_a_class_that_the_model_does_not_know(model_file, folder):
    (folder / "texture-2").rename(folder / "bricks")
    with pytest.raises(SettingsError, match=r"bricks.*It knows texture-0"):
        workflows.evaluate(model_file, folder)
