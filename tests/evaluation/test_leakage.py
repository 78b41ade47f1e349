"""Duplicates across a split: each pair that it tears apart, and no other."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classicvision import workflows
from classicvision.copies.findings import Findings
from classicvision.evaluation import leakage
from classicvision.evaluation.leakage import Duplicate, Duplicates, find_leaks
from classicvision.images import write_image
from classicvision.matching.evidence import PixelEvidence

HALF = np.diag([0.5, 0.5, 1])
A, B, C, D = (Path(name) for name in "abcd")


def leaks_of(findings, train, test, **more):
    found = find_leaks(Duplicates.of(Findings.of(findings)), train, test, **more)
    return [(str(leak.train), str(leak.test), leak.kind) for leak in found.leaks]


def exact(make_finding, a, b):
    return make_finding(a, b, method="bytes", score=math.inf)


def test_a_copy_on_the_other_side_is_a_leak_whichever_was_the_query(make_finding):
    findings = [make_finding("a", "b", HALF), make_finding("d", "c", HALF)]
    assert leaks_of(findings, [A, C], [B, D]) == [("a", "b", "near"), ("c", "d", "near")]


def test_a_copy_on_the_same_side_is_not_a_leak(make_finding):
    findings = [make_finding("a", "b", HALF), exact(make_finding, "c", "d")]
    assert leaks_of(findings, [A, B], [C, D]) == []


def test_images_outside_of_the_split_do_not_count(make_finding):
    assert leaks_of([make_finding("a", "b", HALF)], [A], [C]) == []


def test_of_three_equal_files_each_pair_is_exact(make_finding):
    findings = [exact(make_finding, "b", "a"), exact(make_finding, "c", "a")]
    assert leaks_of(findings, [B], [C]) == [("b", "c", "exact")]
    assert {(a, b) for a, b, _ in leaks_of(findings, [A], [B, C])} == {("a", "b"), ("a", "c")}


def test_a_near_copy_of_one_file_is_one_of_all_its_equals(make_finding):
    findings = [exact(make_finding, "b", "a"), make_finding("a", "c", HALF)]
    assert leaks_of(findings, [B], [C]) == [("b", "c", "near")]


def test_a_near_copy_that_was_found_of_several_equals_is_reported_once(make_finding):
    near = [make_finding("a", "c", HALF, score=9.0), make_finding("d", "b", HALF, score=8.0)]
    findings = [exact(make_finding, "b", "a"), exact(make_finding, "d", "c"), *near]
    pairs = Duplicates.of(Findings.of(findings)).pairs
    assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == len(pairs) == 2 + 4
    assert {pair.score for pair in pairs if pair.kind == "near"} == {9.0}


def test_files_that_are_equal_by_way_of_others_are_one_group(make_finding):
    findings = [exact(make_finding, *pair) for pair in ("ab", "cd", "ef", "bc", "fa", "ac")]
    pairs = Duplicates.of(Findings.of(findings)).pairs
    assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == len(pairs) == 15


def test_each_pair_of_many_equal_files_is_made_once(make_finding, monkeypatch):
    made = []
    monkeypatch.setattr(leakage, "Duplicate", lambda *of_pair: made.append(of_pair) or Duplicate(*of_pair))
    findings = [exact(make_finding, f"{number}", "a") for number in range(29)] + [make_finding("a", "z", HALF)]
    assert len(Duplicates.of(Findings.of(findings)).pairs) == len(made) == 30 * 29 // 2 + 30


@pytest.mark.parametrize("chained", [False, True])
def test_many_equal_files_are_put_together_in_few_steps(make_finding, monkeypatch, chained):
    findings = [exact(make_finding, f"{n}", f"{n - 1 if chained else 0}") for n in range(1, 200)]
    ready, hashed = Findings.of(findings), []
    monkeypatch.setattr(Path, "__hash__", lambda path: hashed.append(path) or hash(str(path)))
    assert len(leakage._equals(ready)) == 200
    assert len(hashed) <= 10 * 200


def test_a_part_copied_within_one_image_is_not_a_leak(make_finding):
    assert leaks_of([make_finding("a", "a", HALF)], [A], [B]) == []


def test_a_leak_between_classes_contradicts_and_one_within_does_not(make_finding):
    duplicates = Duplicates.of(Findings.of([exact(make_finding, "a", "b"), exact(make_finding, "c", "d")]))
    found = find_leaks(duplicates, [A, C], [B, D], labels={A: "city", B: "street", C: "city", D: "city"})
    assert {leak.train: leak.contradicts for leak in found.leaks} == {A: True, C: False}
    assert found.sentence == (
        "2 of 2 test images (100.0 %) are copies, in full or in part, of training images; "
        "identical files: 2, copies with a different class: 1."
    )


def test_a_test_image_with_two_copies_is_one_image(make_finding):
    duplicates = Duplicates.of(Findings.of([make_finding("a", "c", HALF), make_finding("b", "c", HALF)]))
    found = find_leaks(duplicates, [A, B], [C, D])
    assert (len(found.leaks), found.test_images) == (2, (C,))
    assert found.sentence.startswith("1 of 2 test images (50.0 %) is a copy")
    assert found.sentence.endswith("identical files: 0.")


def test_a_clean_split_is_reported_as_clean():
    assert find_leaks(Duplicates(()), [A], [B]).sentence == "None of 1 test images is a copy of a training image."


def test_an_image_on_both_sides_is_refused():
    with pytest.raises(ValueError, match="b is a training and a test image"):
        find_leaks(Duplicates(()), [A, B], [B])


def test_planted_copies_are_found_in_real_files(make_image, tmp_path):
    for name, seed in (("train-0", 0), ("train-1", 1), ("test-2", 2), ("test-3", 3)):
        write_image(tmp_path / f"{name}.png", make_image(seed))
    for name in ("test-equal", "train-equal"):
        shutil.copy(tmp_path / "train-0.png", tmp_path / f"{name}.png")
    write_image(tmp_path / "test-crop.png", make_image(0)[30:140, 40:160])
    duplicates = Duplicates.of(workflows.find_copies_among(tmp_path))
    train, test = (sorted(tmp_path.glob(f"{side}-*.png")) for side in ("train", "test"))
    found = {(leak.train.stem, leak.test.stem, leak.kind) for leak in find_leaks(duplicates, train, test).leaks}
    assert found == {
        ("train-0", "test-equal", "exact"),
        ("train-equal", "test-equal", "exact"),
        ("train-0", "test-crop", "near"),
        ("train-equal", "test-crop", "near"),
    }


def test_the_image_that_scene_15_has_in_two_classes_is_a_leak_that_contradicts(shared):
    scenes = shared / "data" / "scene15"
    train = [scenes / "inside_city" / f"image_{number:04}.jpg" for number in (304, 305, 306)]
    test = [scenes / "tall_building" / f"image_{number:04}.jpg" for number in (299, 300, 301)]
    labels = {path: path.parent.name for path in (*train, *test)}
    duplicates = Duplicates.of(workflows.find_copies_among([*train, *test]))
    (leak,) = find_leaks(duplicates, train, test, labels=labels).leaks
    assert (leak.train, leak.test) == (train[1], test[1])
    assert (leak.kind, leak.contradicts) == ("exact", True)


def test_two_photographs_of_one_scene_are_duplicates_and_templates_are_not(make_finding):
    def related(a, b, relation):
        finding = make_finding(a, b, HALF)
        regions = (replace(finding.result.regions[0], pixels=PixelEvidence(relation, 0.8, 1.5)),)
        return replace(finding, result=replace(finding.result, verdict="related", regions=regions))

    pairs = [related("a", "b", "same scene"), related("c", "d", "template")]
    duplicates = Duplicates.of(Findings.of([], related=pairs))
    assert [(pair.a.name, pair.b.name, pair.kind) for pair in duplicates.pairs] == [("a", "b", "near")]
