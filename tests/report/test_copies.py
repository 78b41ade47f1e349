"""The data follow their schema; the rows of the CSV file can be read back, and no spreadsheet runs them."""

import csv
import io
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest

from classicvision.copies.findings import LABELS, Findings, Incomplete, Undecided
from classicvision.extraction import Failure
from classicvision.matching.evidence import Difference, PixelEvidence
from classicvision.matching.result import Method
from classicvision.report.copies import copies_to_csv, copies_to_dict, in_words, title, write_copies_csv

SCHEMA = json.loads(files("classicvision.report").joinpath("copies.schema.json").read_text("utf-8"))
SAME = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
HALF = [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 1]]


@pytest.fixture
def findings(make_finding):
    """A half-size copy, a collage, equal files, a signature, a network; one undecided image, and one broken file."""
    return Findings.of(
        [
            make_finding("s/half.jpg", "l/1.jpg", HALF, score=20.0, share=0.5),
            make_finding("s/collage.jpg", "l/1.jpg", HALF, SAME, score=12.0),
            make_finding("s/equal.jpg", "l/2.jpg", method="bytes", score=0.0),
            make_finding("s/sky.jpg", "l/3.jpg", method="signature", score=4.0),
            make_finding("s/fog.jpg", "l/4.jpg", method="backbone", score=13.0, cosine=0.98765),
        ],
        related=[make_finding("s/form.png", "l/form.png", SAME, score=90.0)],
        undecided=[Undecided(Path("s/sky.jpg"), "3 keypoints; at least 16 are needed")],
        incomplete=[Incomplete(Path("s/half.jpg"), "it was compared with 4 images")],
        failures=[Failure(Path("s/broken.jpg"), "is an empty file")],
        n_queries=4,
        n_references=9,
        queries="s",
        scope="against",
        references="l",
        settings={"match": {"threshold": np.float64(6.0)}},
        seconds=1.5,
    )


def rows(findings):
    return list(csv.DictReader(io.StringIO(copies_to_csv(findings), newline="")))


def test_data_follow_the_schema_and_are_strict_json(findings):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    data = json.loads(json.dumps(copies_to_dict(findings), allow_nan=False))
    jsonschema.validate(data, SCHEMA, jsonschema.Draft202012Validator)
    jsonschema.validate(copies_to_dict(Findings.of([])), SCHEMA)


def test_the_schema_knows_every_label_and_method():
    assert SCHEMA["$defs"]["labels"]["items"]["enum"] == list(LABELS)
    assert set(SCHEMA["$defs"]["finding"]["properties"]["method"]["enum"]) == set(get_args(Method))


def test_related_pairs_are_listed_apart(findings):
    data = copies_to_dict(findings)
    assert [(pair["path_a"], pair["path_b"]) for pair in data["related"]] == [("s/form.png", "l/form.png")]
    assert "s/form.png" not in {finding["path_a"] for finding in data["findings"]}


def test_what_pixels_show_is_in_the_data(make_finding):
    square = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]])
    evidence = PixelEvidence("edited", 0.91234, 0.1, (Difference(square, square, 0.05),), ((1, 2, 3), (4, 5, 6)))
    finding = make_finding("a", "b", SAME)
    regions = (replace(finding.result.regions[0], pixels=evidence),)
    data = copies_to_dict(Findings.of([replace(finding, result=replace(finding.result, regions=regions))]))
    jsonschema.validate(data, SCHEMA)
    (region,) = data["findings"][0]["regions"]
    assert region["pixels"]["relation"] == "edited"
    assert region["pixels"]["differences"][0]["share_a"] == 0.05
    assert region["pixels"]["recoloured"] == [[1, 2, 3], [4, 5, 6]]
    assert region["words"].endswith("content differs in 1 part (5 % of a), recoloured from #010203 to #040506")


def test_schema_refuses_an_unknown_key_and_a_share_in_percent(findings):
    for key, value in (("extra", 1), ("share_a", 50)):
        data = copies_to_dict(findings)
        data["findings"][0][key] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, SCHEMA)


def test_data_name_paths_labels_score_and_group(findings):
    data = copies_to_dict(findings)
    assert [(f["path_a"], f["path_b"], f["labels"], f["score"], f["group"]) for f in data["findings"]] == [
        ("s/equal.jpg", "l/2.jpg", ["exact"], None, 0),
        ("s/half.jpg", "l/1.jpg", ["scaled", "cropped"], 20.0, 1),
        ("s/collage.jpg", "l/1.jpg", ["scaled", "several regions"], 12.0, 1),
        ("s/sky.jpg", "l/3.jpg", ["signature"], 4.0, 2),
        ("s/fog.jpg", "l/4.jpg", ["backbone"], 13.0, 3),
    ]
    assert data["groups"][1] == {"paths": ["l/1.jpg", "s/collage.jpg", "s/half.jpg"], "findings": [1, 2]}
    assert data["undecided"] == [{"path": "s/sky.jpg", "reason": "3 keypoints; at least 16 are needed"}]
    assert data["incomplete"] == [{"path": "s/half.jpg", "reason": "it was compared with 4 images"}]
    assert data["failures"] == [{"path": "s/broken.jpg", "reason": "is an empty file"}]


def test_data_tell_a_cosine_only_where_a_network_compared(findings):
    assert [f["cosine"] for f in copies_to_dict(findings)["findings"]] == [None, None, None, None, 0.9877]
    assert [row["cosine"] for row in rows(findings)] == ["", "", "", "", "0.9877"]


def test_data_of_a_region_have_transform_and_both_outlines(findings):
    (region,) = copies_to_dict(findings)["findings"][1]["regions"]
    assert region["b_from_a"] == HALF
    assert region["polygon_a"][2] == [110.0, 110.0]
    assert region["polygon_b"][2] == [55.0, 55.0]
    assert (region["kind"], region["is_mirrored"], region["n_inliers"]) == ("similarity", False, 4)


@pytest.mark.parametrize(
    ("transforms", "method", "words"),
    [
        ([], "bytes", "the same file, byte for byte"),
        ([], "pixels", "the same pixels in another file"),
        ([], "signature", "found by signature"),
        ([], "backbone", "found by backbone"),
        ([HALF], "keypoints", "scale 0.50"),
        ([HALF, SAME], "keypoints", "scale 0.50; scale 1.00"),
    ],
)
def test_words_say_what_the_finding_rests_on(make_finding, transforms, method, words):
    assert in_words(make_finding("a", "b", *transforms, method=method)) == words


@pytest.mark.parametrize(
    ("a", "b", "how", "expected"),
    [
        ("q/crop.jpg", "l/all.jpg", {"share": 0.3}, "crop.jpg and all.jpg share a part"),
        ("q/a.jpg", "l/b.jpg", {}, "a.jpg is the same image as b.jpg"),
        ("q/a.jpg", "l/a.jpg", {}, "q/a.jpg is the same image as l/a.jpg"),
        ("q/a.jpg", "q/a.jpg", {}, "a.jpg contains duplicated regions"),
        ("q/a.jpg", "l/b.jpg", {"method": "bytes"}, "a.jpg and b.jpg are identical files"),
        ("q/a.jpg", "l/b.jpg", {"method": "pixels"}, "a.jpg and b.jpg are identical images"),
        ("q/a.jpg", "l/b.jpg", {"method": "signature"}, "a.jpg is the same image as b.jpg"),
    ],
)
def test_a_title_relates_the_two_images_by_the_shortest_names_that_differ(make_finding, a, b, how, expected):
    assert title(make_finding(a, b, *([] if "method" in how else [SAME]), **how)) == expected


@pytest.mark.parametrize(
    ("share_a", "share_b", "expected"), [(1.0, 0.3, "a.jpg is part of b.jpg"), (0.3, 1.0, "a.jpg contains b.jpg")]
)
def test_a_title_states_which_image_is_part_of_the_other(make_finding, share_a, share_b, expected):
    finding = make_finding("a.jpg", "b.jpg", SAME)
    region = replace(finding.result.regions[0], share_a=share_a, share_b=share_b)
    assert title(replace(finding, result=replace(finding.result, regions=(region,)))) == expected


def test_csv_has_one_row_per_finding_counted_from_1(findings):
    found = rows(findings)
    assert [(row["finding"], row["group"], row["path_a"]) for row in found] == [
        ("1", "1", "s/equal.jpg"),
        ("2", "2", "s/half.jpg"),
        ("3", "2", "s/collage.jpg"),
        ("4", "3", "s/sky.jpg"),
        ("5", "4", "s/fog.jpg"),
    ]
    assert [row["score"] for row in found] == ["", "20.0", "12.0", "4.0", "13.0"]
    assert found[2]["labels"] == "scaled several-regions"


def test_csv_of_nothing_has_the_names_of_the_columns_only():
    assert copies_to_csv(Findings.of([])).count("\r\n") == 1


@pytest.mark.parametrize("name", ['a,b".jpg', "line\nbreak.jpg", "caf\u00e9 \u2713.jpg", "two\r\nbreaks.jpg"])
def test_any_name_can_be_read_back_from_csv(make_finding, name):
    assert rows(Findings.of([make_finding(name, "b", SAME)]))[0]["path_a"] == name


@pytest.mark.parametrize("name", ["=1+1.jpg", "+1.jpg", "-1.jpg", "@sum.jpg", "\t=1.jpg", "\r=1.jpg", "\n=1.jpg"])
def test_a_name_that_looks_like_a_formula_is_made_text(make_finding, name):
    assert rows(Findings.of([make_finding(name, "b", SAME)]))[0]["path_a"] == f"'{name}"


def test_a_name_that_is_not_utf8_is_spelled_out_in_data_and_csv(make_finding):
    found = Findings.of([make_finding("caf\udce9.jpg", "b", SAME)])
    assert json.loads(json.dumps(copies_to_dict(found)).encode())["findings"][0]["path_a"] == r"caf\udce9.jpg"
    assert rows(found)[0]["path_a"] == r"caf\udce9.jpg"
    copies_to_csv(found).encode()


def test_csv_file_is_replaced_whole(tmp_path, findings):
    (tmp_path / "c.csv").write_text("earlier")
    write_copies_csv(tmp_path / "c.csv", findings)
    assert (tmp_path / "c.csv").read_bytes() == copies_to_csv(findings).encode()


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (PixelEvidence("same", 1.0, 0.1), "the same image as"),
        (PixelEvidence("same", 1.0, 0.1, (), ((1, 2, 3), (4, 5, 6))), "a recoloured version of"),
        (PixelEvidence("edited", 0.9, 0.1), "an edited version of"),
    ],
)
def test_the_title_says_which_version_an_image_is(make_finding, evidence, words):
    finding = make_finding("a.png", "b.png", SAME)
    regions = (replace(finding.result.regions[0], pixels=evidence),)
    assert title(replace(finding, result=replace(finding.result, regions=regions))) == f"a.png is {words} b.png"
