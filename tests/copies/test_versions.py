"""Versions of one image are compared with the best of them and reported once; what is only a part is never dropped."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from classicvision import workflows
from classicvision.copies import search
from classicvision.copies.settings import SearchSettings
from classicvision.copies.versions import best_first, is_whole_copy, one_finding_per_version, representatives
from classicvision.images import write_image

SAME = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
MOVED = [[1, 0, 60], [0, 1, 0], [0, 0, 1]]
A, B, C, D = (Path(f"{name}.png") for name in "abcd")


@pytest.fixture
def counted(monkeypatch):
    """Return a list that grows by one with each comparison of keypoints."""
    calls, match_features = [], search.match_features
    monkeypatch.setattr(search, "match_features", lambda *a, **k: calls.append(1) or match_features(*a, **k))
    return calls


@pytest.fixture
def versions(tmp_path, make_image):
    """Write 12 versions of one image, and return their folder; the largest is not the first."""
    image = cv2.resize(make_image(0), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    write_image(tmp_path / "full.png", image)
    for number in range(1, 12):
        height, width = (int(side * (1 - 0.03 * number)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        write_image(tmp_path / f"{number:02}.png", small)
    return tmp_path


def names(findings):
    return sorted((f.path_a.name, f.path_b.name) for f in findings)


@pytest.mark.parametrize("n_candidates", [100, 4])  # all are compared, and by words
def test_n_versions_are_n_minus_1_comparisons_and_findings_with_the_best(versions, counted, n_candidates):
    found = workflows.find_copies_among(versions, settings=SearchSettings(n_candidates=n_candidates))
    assert names(found.findings) == [("full.png", f"{number:02}.png") for number in range(1, 12)]
    assert len(counted) == 11
    assert [len(group.paths) for group in found.groups] == [12]


@pytest.mark.parametrize("n_candidates", [100, 4])
def test_a_part_is_found_with_every_version_that_has_it(versions, make_image, n_candidates):
    write_image(versions / "part.png", np.ascontiguousarray(make_image(0)[:90, :120]))
    settings = SearchSettings(n_candidates=n_candidates)
    found = workflows.find_copies_among(versions, settings=settings)
    with_part = [pair for pair in names(found.findings) if "part.png" in pair]
    assert len(with_part) == 12
    assert len(found.findings) == 11 + 12


def test_versions_do_not_depend_on_jobs_or_the_order_of_files(versions):
    files = sorted(versions.iterdir())
    expected = names(workflows.find_copies_among(files).findings)
    assert names(workflows.find_copies_among(files[::-1], n_jobs=2).findings) == expected


def test_the_image_with_most_pixels_represents_and_then_the_first_path():
    assert best_first({B: (10, 10), A: (10, 10), C: (5, 30)}) == [C, A, B]


def test_a_copy_of_a_version_that_the_best_does_not_show_stays_for_itself():
    assert representatives([A, B, C, D], [(A, B), (B, C), (C, D)]) == {A: A, B: A, C: C, D: C}


def test_only_findings_between_versions_of_one_image_are_dropped(make_finding):
    whole = [make_finding(a, b, SAME, share=1.0) for a, b in [("a", "b"), ("c", "a"), ("b", "c")]]
    parts = [make_finding("b", "d", SAME, share=0.5), make_finding("c", "d", SAME, share=0.5)]
    assert names(one_finding_per_version([*whole, *parts])) == [("a", "b"), ("b", "d"), ("c", "a"), ("c", "d")]


def test_a_whole_copy_covers_both_images_with_one_transform(make_finding):
    assert is_whole_copy(make_finding("a", "b", SAME, share=0.8))
    assert not is_whole_copy(make_finding("a", "b", SAME, share=0.7))
    assert is_whole_copy(make_finding("a", "b", SAME, SAME, share=0.4))  # around a caption
    assert not is_whole_copy(make_finding("a", "b", SAME, MOVED, share=0.4))  # two parts in other places
    assert is_whole_copy(make_finding("a", "b", method="signature"))
    assert not is_whole_copy(make_finding("a", "a", SAME, share=0.8))
