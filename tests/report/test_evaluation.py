"""The data follow their schema; the page loads nothing, escapes everything and can be read without eyes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from classicvision.evaluation.classifier_evaluation import Case, Evaluation
from classicvision.extraction import Failure
from classicvision.images import write_image
from classicvision.report.evaluation import evaluation_to_dict, evaluation_to_html, write_evaluation

HOSTILE = "<script>alert('x')</script>\"&"
SCHEMA = json.loads(files("classicvision.report").joinpath("evaluation.schema.json").read_text("utf-8"))


class Page(HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    write_image(path, np.full((300, 400, 3), 90, np.uint8))
    return path


def evaluate(cases, classes=("cat", "dog"), **rest):
    return Evaluation.from_cases(cases, classes, **rest)


def case(path, true, predicted, **scores):
    return Case(Path(path), true, predicted, scores or {"cat": 0.25, "dog": 1.0}, 12)


@pytest.fixture
def evaluation(image):
    """Two cats, of which one is classified as a dog; one dog; a class without images, eel; one failure."""
    return evaluate(
        [case("right.jpg", "cat", "cat"), case(image, "cat", "dog"), case("dog.jpg", "dog", "dog")],
        ("cat", "dog", "eel"),
        failures=[Failure(Path("broken.jpg"), "is an empty file")],
        model={"file": "my pets.cvmodel", "recipe": {"seed": 0, "extractor": {"contrast": 0.04, "max_side": None}}},
        source="held out",
    )


def test_data_follow_the_schema(evaluation):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(evaluation_to_dict(evaluation), SCHEMA, jsonschema.Draft202012Validator)


def test_schema_refuses_an_unknown_key_and_an_accuracy_in_percent(evaluation):
    data = evaluation_to_dict(evaluation)
    for wrong in ({**data, "extra": 1}, {**data, "accuracy": 66.7}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_data_are_strict_json_and_what_is_undefined_is_null(evaluation):
    data = json.loads(json.dumps(evaluation_to_dict(evaluation), allow_nan=False))
    assert data["classes"][2] == {
        "name": "eel",
        "support": 0,
        "n_predicted": 0,
        "precision": None,
        "recall": None,
        "f1": None,
    }


def test_data_have_the_accuracy_and_each_mistake(evaluation, image):
    data = evaluation_to_dict(evaluation)
    assert data["accuracy"] == pytest.approx(2 / 3)
    assert data["mean_per_class_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert data["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert data["mistakes"] == [
        {"path": str(image), "true": "cat", "predicted": "dog", "margin": 0.75, "n_keypoints": 12, "note": ""}
    ]
    assert data["failures"] == [{"path": "broken.jpg", "reason": "is an empty file"}]


def test_model_facts_become_plain_json():
    model = {"mean": np.float32(0.5), "sizes": (1, np.int64(2)), "bad": float("nan"), "file": Path("a.cvmodel")}
    data = evaluation_to_dict(evaluate([case("a", "cat", "cat")], model=model))
    assert data["model"] == {"mean": 0.5, "sizes": [1, 2], "bad": None, "file": "a.cvmodel"}


def test_file_name_that_is_not_utf8_can_be_encoded():
    page = evaluation_to_html(evaluate([case("caf\udce9.jpg", "cat", "dog")]))
    assert r"caf\udce9.jpg" in page.encode("utf-8").decode("utf-8")


def test_answer_comes_first(evaluation):
    text = " ".join(Page(evaluation_to_html(evaluation)).text.split()).replace("\xa0", " ")
    assert "66.7 % of 3 images in 2 classes were classified correctly (95 % interval 20.8 to 93.9 %)." in text
    assert "The most frequent confusion: 1 of 2 images of cat was classified as dog." in text


def test_a_perfect_result_shows_no_mistakes():
    page = evaluation_to_html(evaluate([case("a", "cat", "cat")]))
    assert "There are no confusions." in page
    assert "Worst mistakes" not in page
    assert "Run it again" not in page


def test_command_is_quoted_for_the_shell(evaluation):
    text = Page(evaluation_to_html(evaluation)).text
    assert "classicvision evaluate 'my pets.cvmodel' 'held out' --report report.html" in text


def test_command_takes_the_name_of_the_model_where_its_path_is_not_known():
    page = evaluation_to_html(evaluate([case("a", "cat", "cat")], model={"name": "a.cvmodel"}, source="b"))
    assert "classicvision evaluate a.cvmodel b --report report.html" in page


def test_nested_model_facts_are_rows_of_a_table(evaluation):
    assert "<td>0.04</td>" in evaluation_to_html(evaluation)
    assert "recipe · extractor · contrast" in evaluation_to_html(evaluation)


def test_training_images_raise_a_warning():
    page = evaluation_to_html(evaluate([case("a", "cat", "cat")], model={"seen_in_training": 1}))
    assert "1 of these 1 image is a training image of the model." in page


def test_names_are_escaped_everywhere():
    hostile = Case(Path(f"{HOSTILE}.jpg"), HOSTILE, "dog", {HOSTILE: 0.0, "dog": 1.0}, None, HOSTILE)
    for classes in ([HOSTILE, "dog"], [HOSTILE, "dog", *map(str, range(40))]):
        page = evaluation_to_html(
            evaluate(
                [hostile],
                classes,
                failures=[Failure(Path(HOSTILE), HOSTILE)],
                model={HOSTILE: HOSTILE, "file": HOSTILE},
                source=HOSTILE,
                title=HOSTILE,
            )
        )
        assert not Page(page).all("script")
        assert HOSTILE not in page
        assert HOSTILE in Page(page).text


@pytest.mark.parametrize("n_classes", [2, 40])
def test_page_loads_nothing_and_closes_every_tag(image, n_classes):
    page = evaluation_to_html(evaluate([case(image, "cat", "dog")], ["cat", "dog", *map(str, range(n_classes - 2))]))
    parsed = Page(page)
    assert parsed.open == []
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"url\(|@import", page)
    sources = [value for _, a in parsed.tags for key, value in a.items() if key in {"src", "href"}]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_every_image_has_alternative_text_and_every_table_head_a_scope(evaluation):
    parsed = Page(evaluation_to_html(evaluation))
    assert [image["alt"] for image in parsed.all("img")] == ["An image of cat, classified as dog"]
    assert all(head.get("scope") in {"row", "col"} for head in parsed.all("th"))
    assert parsed.all("html")[0]["lang"] == "en"


def test_a_missing_image_is_replaced_by_a_message():
    page = evaluation_to_html(evaluate([case("gone.jpg", "cat", "dog")]))
    assert "The image file can no longer be read." in page
    assert not Page(page).all("img")


def test_a_mistake_without_margin_has_a_reason():
    page = evaluation_to_html(evaluate([case("a.jpg", "eel", "cat", cat=1.0)], ["cat", "eel"]))
    assert "the model does not know the true class" in page


def test_a_thousand_mistakes_show_24_images_and_keep_the_page_small(image):
    page = evaluation_to_html(evaluate([case(image, "cat", "dog")] * 1000))
    assert len(Page(page).all("img")) == 24
    assert "The 24 worst of 1,000" in page
    assert len(page) < 100_000


def test_matrix_of_100_classes_draws_only_cells_that_are_not_zero():
    names = [f"class {i}" for i in range(100)]
    page = evaluation_to_html(evaluate([Case(Path("a"), names[3], names[5], {})], names))
    assert page.count('class="cell') == 1
    assert "<title>class 3 classified as class 5: 1 of 1</title>" in page


def test_diagonal_cells_are_marked_right(evaluation):
    page = evaluation_to_html(evaluation)
    assert '<td class="right" style="--s:0.71">1</td><td style="--s:0.71">1</td>' in page  # sqrt(1 / 2)


def test_the_page_is_written_whole_and_leaves_no_other_file(tmp_path, evaluation):
    write_evaluation(tmp_path / "report.html", evaluation)
    assert (tmp_path / "report.html").read_text("utf-8") == evaluation_to_html(evaluation)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.png", "report.html"]


def test_failed_write_keeps_the_earlier_page(tmp_path, evaluation, monkeypatch):
    (tmp_path / "report.html").write_text("earlier")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_evaluation(tmp_path / "report.html", evaluation)
    assert (tmp_path / "report.html").read_text() == "earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.png", "report.html"]


def _luminance(rgb):
    """Return the relative luminance of WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.divide(rgb, 255)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_a_contrast_of_4_5_on_every_background(scheme):
    style = files("classicvision.report").joinpath("page.css.j2").read_text("utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = {n: [int(v[i : i + 2], 16) for i in (0, 2, 4)] for n, v in re.findall(r"--(\w+): #(\w{6})", block)}
    colours |= {n: list(map(int, v.split())) for n, v in re.findall(r"--(\w+): (\d+ \d+ \d+)", block)}
    pairs = [("ink", b) for b in ("paper", "raised", "right", "wrong", "bar")]
    for front, back in [*pairs, ("quiet", "paper"), ("quiet", "raised")]:
        low, high = sorted((_luminance(colours[front]), _luminance(colours[back])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)
