"""Findings are verified by the pixels of their files, if these are still what they were."""

import hashlib

import cv2
import numpy as np
import pytest

from classicvision import workflows
from classicvision.cache import FeatureCache
from classicvision.copies.verification import ImageFile, verify_files
from classicvision.images import read_image, write_image
from classicvision.matching.pair import match_features
from classicvision.matching.settings import MATCHING_SIFT


@pytest.fixture
def pair(tmp_path, make_image):
    """Return two files, a whole image and a crop of it, their keypoints, and the result of matching these."""
    image = make_image(0)
    for name, part in (("a", image), ("b", image[20:130, 30:190])):
        write_image(tmp_path / f"{name}.png", np.ascontiguousarray(part))
    files = [ImageFile(path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(tmp_path.iterdir())]
    a, b = (MATCHING_SIFT(read_image(file.path)) for file in files)
    return files, (a, b), match_features(a, b)


def test_pixels_of_the_files_verify_a_copy(pair):
    files, features, result = pair
    found = verify_files(*files, *features, result)
    assert result.regions[0].pixels is None
    assert found.verdict == "copy"
    assert found.regions[0].pixels.relation == "same"


def test_a_missing_file_leaves_the_result_and_says_so(pair):
    files, features, result = pair
    files[1].path.unlink()
    found = verify_files(*files, *features, result)
    assert found.verdict == "copy"
    assert found.regions == result.regions
    assert "not verified by pixels" in found.reason
    assert str(files[1].path) in found.reason


def test_a_file_that_has_changed_is_not_compared(pair, make_image):
    files, features, result = pair
    write_image(files[1].path, make_image(7))
    found = verify_files(*files, *features, result)
    assert found.verdict == "copy"
    assert "has changed" in found.reason


def test_files_are_read_only_for_copies(pair, make_image, tmp_path):
    _, (a, _), _ = pair
    other = MATCHING_SIFT(make_image(3))
    result = match_features(a, other)
    nowhere = ImageFile(tmp_path / "nowhere.png", "")
    assert verify_files(nowhere, nowhere, a, other, result) is result


@pytest.fixture
def forms(tmp_path):
    """Return a folder with two forms of one layout, filled in differently, and a copy of the first."""
    labels = ("REQUEST", "Name:", "Place:", "From:", "Until:", "Reason:", "Signed:")
    entries = {
        "one": ("Mary Smith", "London", "12 May", "19 June", "Holiday", "M. Smith"),
        "two": ("Qadir Zhou", "Kyoto", "30 Oct", "28 Dec", "Surgery", "Q. Zhou"),
    }
    for name, words in entries.items():
        page = np.full((600, 800, 3), 255, np.uint8)
        for row, label in enumerate(labels):
            cv2.putText(page, label, (30, 70 + 75 * row), cv2.FONT_HERSHEY_DUPLEX, 1.3, (20, 20, 20), 2, cv2.LINE_AA)
        for row, word in enumerate(words):
            for column in (280, 540):
                place = (column, 145 + 75 * row)
                cv2.putText(page, word, place, cv2.FONT_HERSHEY_DUPLEX, 1.3, (20, 20, 20), 3, cv2.LINE_AA)
        write_image(tmp_path / f"{name}.png", page)
    write_image(tmp_path / "copy.jpg", read_image(tmp_path / "one.png"))
    return tmp_path


def test_forms_of_one_layout_are_related_and_copies_are_found(forms):
    found = workflows.find_copies_among(forms, cache=FeatureCache.temporary())
    assert [{f.path_a.name, f.path_b.name} for f in found.findings] == [{"one.png", "copy.jpg"}]
    assert {frozenset((f.path_a.name, f.path_b.name)) for f in found.related} == {
        frozenset(("one.png", "two.png")),
        frozenset(("copy.jpg", "two.png")),
    }
    assert all("template" in f.labels for f in found.related)


def test_a_query_of_the_same_layout_is_related_to_the_reference(forms):
    found = workflows.find_copies(forms / "two.png", forms)
    assert found.findings == ()
    assert {f.path_b.name for f in found.related} == {"one.png", "copy.jpg"}


def test_the_number_of_processes_does_not_change_what_is_related(forms):
    alone, both = (workflows.find_copies_among(forms, n_jobs=n) for n in (1, 2))
    assert [(f.path_a, f.path_b, f.labels) for f in alone.related] == [
        (f.path_a, f.path_b, f.labels) for f in both.related
    ]
