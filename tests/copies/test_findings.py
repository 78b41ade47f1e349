"""Findings have labels for what was done to an image, are sorted by certainty, and form groups."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classicvision.copies.findings import LABELS, Finding, Findings, Undecided, region_points
from classicvision.features.local import LocalFeatures
from classicvision.matching.evidence import Difference, PixelEvidence
from classicvision.matching.result import MatchResult

SAME = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
HALF = [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 1]]
ROTATED = [[0, -1, 199], [1, 0, 0], [0, 0, 1]]
MIRRORED = [[-1, 0, 299], [0, 1, 0], [0, 0, 1]]
FLIPPED = [[1, 0, 0], [0, -1, 199], [0, 0, 1]]
TILTED = [[1, 0, 0], [0, 1, 0], [0.001, 0, 1]]


def labels(make_finding, *transforms, **rest):
    return make_finding("a", "b", *transforms, **rest).labels


@pytest.mark.parametrize(
    ("transforms", "expected"),
    [
        ([SAME], ()),
        ([HALF], ("scaled",)),
        ([ROTATED], ("rotated",)),
        ([MIRRORED], ("mirrored",)),
        ([FLIPPED], ("mirrored", "rotated")),  # top to bottom is left to right, then half a turn
        ([SAME, MIRRORED], ("mirrored", "several regions")),
    ],
)
def test_labels_name_what_the_transform_does(make_finding, transforms, expected):
    assert labels(make_finding, *transforms) == expected


def test_a_tilted_image_is_in_perspective(make_finding):
    assert "perspective" in labels(make_finding, TILTED)


def test_a_shift_by_jpeg_noise_has_no_name(make_finding):
    assert labels(make_finding, [[1.01, 0.005, 0.4], [-0.005, 1.01, -0.3], [0, 0, 1]]) == ()


def test_an_image_that_is_shared_in_part_is_cropped(make_finding):
    assert labels(make_finding, SAME, share=0.4) == ("cropped",)


def test_a_part_copied_within_one_image_is_not_cropped(make_finding):
    finding = make_finding("a", "a", SAME, share=0.1)
    assert finding.is_within
    assert finding.labels == ()


@pytest.mark.parametrize(
    ("method", "label"), [("bytes", "exact"), ("signature", "signature"), ("backbone", "backbone")]
)
def test_images_compared_as_a_whole_have_one_label_and_are_shared_wholly(make_finding, method, label):
    finding = make_finding("a", "b", method=method)
    assert finding.labels == (label,)
    assert (finding.share_a, finding.share_b) == (1.0, 1.0)


SQUARE = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]])
EVIDENCE = {
    "recoloured": PixelEvidence("same", 1.0, 0.1, recoloured=((0, 0, 200), (200, 0, 0))),
    "content differs": PixelEvidence("edited", 0.8, 0.1, differences=(Difference(SQUARE, SQUARE, 0.1),)),
    "template": PixelEvidence("template", 0.3, 0.1),
    "same scene": PixelEvidence("same scene", 0.9, 2.0),
    "unverified": None,
}


@pytest.mark.parametrize("label", EVIDENCE)
def test_what_pixels_show_is_a_label(make_finding, label):
    finding = make_finding("a", "b", SAME)
    (region,) = finding.result.regions
    regions = (replace(region, pixels=EVIDENCE[label]),)
    assert replace(finding, result=replace(finding.result, regions=regions)).labels == (label,)


def test_a_part_copied_within_an_image_is_not_unverified(make_finding):
    finding = make_finding("a", "a", SAME)
    regions = (replace(finding.result.regions[0], pixels=None),)
    assert "unverified" not in replace(finding, result=replace(finding.result, regions=regions)).labels


def test_every_label_is_in_the_list(make_finding):
    found = [*labels(make_finding, FLIPPED, TILTED, HALF, share=0.5), "exact", "same pixels", "signature", "backbone"]
    assert {*found, *EVIDENCE, "inverted"} == set(LABELS)


def test_an_inverted_region_is_a_label(make_finding):
    finding = make_finding("a", "b", SAME)
    regions = (replace(finding.result.regions[0], is_inverted=True),)
    assert replace(finding, result=replace(finding.result, regions=regions)).labels == ("inverted",)


def test_equal_files_come_first_then_significance_then_share_then_signatures_then_backbones(make_finding):
    findings = [
        make_finding("0", "x", method="backbone", score=199.0, cosine=0.99),
        make_finding("1", "x", method="signature", score=99.0),
        make_finding("2", "x", SAME, score=8.0, share=0.2),
        make_finding("3", "x", SAME, score=8.0, share=0.9),
        make_finding("4", "x", SAME, score=30.0, share=0.1),
        make_finding("5", "x", method="pixels", score=math.inf),
        make_finding("6", "x", method="bytes", score=math.inf),
    ]
    assert [str(f.path_a) for f in Findings.of(findings).findings] == ["5", "6", "4", "3", "2", "1", "0"]


def test_groups_connect_through_others_and_the_best_group_comes_first(make_finding):
    findings = Findings.of(
        [
            make_finding("c", "b", SAME, score=7.0),
            make_finding("a", "b", SAME, score=20.0),
            make_finding("z", "y", SAME, score=30.0),
        ]
    )
    assert [[str(path) for path in group.paths] for group in findings.groups] == [["y", "z"], ["a", "b", "c"]]
    assert [group.rows for group in findings.groups] == [(0,), (1, 2)]


def test_nothing_found_has_no_groups():
    assert Findings.of([]).groups == ()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30), st.randoms())
def test_groups_are_the_same_for_any_order_of_the_findings(pairs, random):
    def groups(edges):
        result = MatchResult("copy", "bytes", (), 0.0, (0, 0), 0, ((1, 1), (1, 1)), "")
        found = Findings.of(Finding(Path(str(a)), Path(str(b)), result) for a, b in edges)
        assert sorted(row for group in found.groups for row in group.rows) == list(range(len(edges)))
        return [group.paths for group in found.groups]

    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert groups(pairs) == groups(shuffled)
    members = [path for paths in groups(pairs) for path in paths]
    assert len(members) == len(set(members))


def test_points_of_a_region_are_the_positions_of_its_pairs(make_finding):
    def features(x):
        xy = np.full((4, 2), x) + np.arange(4)[:, None]
        return LocalFeatures(xy, np.ones(4), np.zeros(4), np.ones(4), np.zeros((4, 128)), (99, 99))

    result = make_finding("a", "b", SAME).result
    result.regions[0].pairs[:] = [[0, 3], [1, 2], [2, 1], [3, 0]]
    (points,) = region_points(result, features(10), features(20))
    assert points[0].tolist() == [[10, 10], [11, 11], [12, 12], [13, 13]]
    assert points[1].tolist() == [[23, 23], [22, 22], [21, 21], [20, 20]]


def test_findings_are_shown_by_their_numbers_and_their_scope(make_finding):
    found = Findings.of([make_finding("a", "b", SAME)], "against", n_queries=3, n_references=1200)
    assert repr(found) == "<Findings: 1 copy in 1 group, 3 images compared with 1,200>"
    undecided = (Undecided(Path("c"), "2 keypoints"),)
    alone = Findings.of([], "within", n_queries=3, undecided=undecided)
    assert repr(alone) == "<Findings: 0 copies in 0 groups, 3 images compared with themselves, 1 undecided>"


def test_findings_in_a_notebook_are_a_table_of_the_first_ten_with_escaped_names(make_finding):
    findings = [make_finding("<b>.jpg", f"{n}.jpg", HALF, score=12.25) for n in range(12)]
    table = Findings.of(findings, n_queries=13)._repr_html_()
    assert "<td>&lt;b&gt;.jpg</td><td>0.jpg</td><td>scaled</td><td>12.2</td>" in table
    assert table.count("scaled") == 10
    assert "... and 2 more" in table


def test_findings_that_cover_little_of_both_images_are_removed_and_counted(make_finding):
    logo = make_finding("a", "b", SAME, share=0.05)
    part = make_finding("c", "d", SAME, share=0.05)
    in_full = replace(part.result.regions[0], share_a=1.0)
    part = replace(part, result=replace(part.result, regions=(in_full,)))
    found = Findings.of([logo, part]).covering(0.1)
    assert [finding.path_a.name for finding in found.findings] == ["c"]
    assert (len(found.groups), found.n_small) == (1, 1)
    assert found.covering(0.0).n_small == 1
