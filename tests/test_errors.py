"""The exception tree is the one in the docstring, and errors survive the way back from a worker process."""

import copy
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from classicvision import errors

CLASSES = {name: value for name, value in vars(errors).items() if isinstance(value, type) and name in errors.__all__}


def drawn_tree():
    """Return, for each class in the docstring's drawing, the class above it and the built-in exception next to it."""
    drawn = {}
    above = []  # (column, name) of the classes on the way down to this line
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ([│├└─ ]*)(\w+(?:Error|Warning))\s*(?:\((?:also )?(\w+)\))?", line)
        if found:
            branch, name, built_in = found.groups()
            above = [item for item in above if item[0] < len(branch)]
            drawn[name] = (above[-1][1] if above else None, built_in)
            above.append((len(branch), name))
    return drawn


def test_the_drawing_names_every_public_class():
    assert set(drawn_tree()) == set(errors.__all__) == set(CLASSES)


def test_the_drawing_is_read_as_it_looks():
    assert drawn_tree()["UnsafeArchiveError"] == ("ArchiveError", None)
    assert drawn_tree()["ImageReadError"] == ("ClassicVisionError", "OSError")
    assert drawn_tree()["ClassicVisionWarning"] == (None, "UserWarning")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_class_has_the_parents_that_are_drawn(name):
    parent, built_in = drawn_tree()[name]
    if parent:
        assert issubclass(CLASSES[name], CLASSES[parent])
    if built_in:
        assert issubclass(CLASSES[name], getattr(__import__("builtins"), built_in))


def test_every_error_has_one_base_class_and_no_warning_has():
    for name, value in CLASSES.items():
        assert issubclass(value, errors.ClassicVisionError) == name.endswith("Error")


def test_the_list_of_names_is_sorted_and_complete():
    public = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__ and not name.startswith("_")
    }
    assert errors.__all__ == sorted(public)


@pytest.mark.parametrize("kind", [errors.ImageReadError, errors.ImageWriteError])
def test_an_image_error_has_the_file_and_the_reason_as_attributes(kind):
    error = kind("images/a.jpg", "the file is empty")
    assert str(error) == f"{Path('images/a.jpg')}: the file is empty"
    assert (error.path, error.reason) == (Path("images/a.jpg"), "the file is empty")


def test_a_copied_image_error_has_the_same_class_and_message():
    again = copy.copy(errors.ImageWriteError("a.png", "the disk is full"))
    assert type(again) is errors.ImageWriteError
    assert str(again) == "a.png: the disk is full"


def test_an_image_error_is_intact_after_another_process_raises_it():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(errors.ImageReadError, "a.jpg", "no").result(timeout=60)
        assert (type(error), str(error), error.path) == (errors.ImageReadError, "a.jpg: no", Path("a.jpg"))
