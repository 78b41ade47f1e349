"""Predicting images by a model file."""

import shutil

import pytest
from numpy.testing import assert_array_equal

from classicvision import workflows
from classicvision.errors import ImageReadError, NotEnoughDataError


@pytest.fixture
def folder(texture_folder, tmp_path):
    """Return a copy of the texture folder that a test may spoil."""
    return shutil.copytree(texture_folder, tmp_path / "images")


def spoil_the_first(folder):
    """Break the first image of all, so that every later one moves up."""
    (folder / "texture-0" / "00.png").write_bytes(b"")


def test_behind_a_broken_image_predictions_stay_with_their_paths(model_file, folder):
    spoil_the_first(folder)
    answers = workflows.predict(model_file, folder)
    assert [failure.path.name for failure in answers.failures] == ["00.png"]
    assert [path.name for path in answers.paths] == [f"{n:02}.png" for n in range(1, 24)]
    assert [answer.label for answer in answers.predictions] == [path.parent.name for path in answers.paths]


def test_predict_answers_files_and_folders(model_file, texture_folder):
    answers = workflows.predict(model_file, [texture_folder / "texture-2", texture_folder / "texture-0" / "00.png"])
    assert_array_equal([path.parent.name for path in answers.paths], [answer.label for answer in answers.predictions])
    assert len(answers.paths) == 9


def test_predict_lists_what_it_cannot_read(model_file, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    answers = workflows.predict(model_file, [tmp_path / "broken.png"])
    assert answers.paths == answers.predictions == ()
    assert answers.failures[0].path == tmp_path / "broken.png"


def test_predict_of_a_folder_without_images_is_an_error_that_names_it(model_file, tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NotEnoughDataError, match=r"nothing.*\.jpg"):
        workflows.predict(model_file, [tmp_path / "nothing"])


def test_predict_refuses_a_path_that_does_not_exist(model_file, tmp_path):
    with pytest.raises(ImageReadError, match="nowhere"):
        workflows.predict(model_file, [tmp_path / "nowhere"])
