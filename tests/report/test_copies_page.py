"""The page of copies says everything in words, escapes all names, loads nothing, and keeps its size."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from classicvision.copies.findings import Finding, Findings, Incomplete, Undecided
from classicvision.extraction import Failure
from classicvision.images import write_image
from classicvision.matching.evidence import Difference, PixelEvidence
from classicvision.report import copies_page
from classicvision.report.copies_page import copies_to_html, pair_layout, write_copies

HOSTILE = "</script><script>alert('x')</script><!--\"&"
SAME = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


class Page(HTMLParser):
    """Every tag with its attributes, the visible text, and the content of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text, self.scripts = "", []
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        if tag not in {"meta", "img", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts.append(data)
        elif "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self):
        return json.loads(self.scripts[0])


@pytest.fixture
def image_files(tmp_path):
    """Return the paths of two images of 200 x 300 pixels."""
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, grey in zip(paths, (90, 160), strict=True):
        write_image(path, np.full((200, 300, 3), grey, np.uint8))
    return paths


def page_of(findings, **facts):
    return Page(copies_to_html(Findings.of(findings, **facts)))


def test_answer_of_a_search_in_a_library_comes_first(make_finding):
    found = [make_finding("a", "x", SAME), make_finding("a", "y", SAME), make_finding("b", "x", SAME)]
    text = page_of(found, n_queries=5, n_references=1234, queries="s", scope="against", references="l.cvindex").text
    assert "2 of 5 images are copies, completely or in part, of the 1,234 images they were compared with." in text
    assert "Copies in s of images in l.cvindex" in text


def test_answer_of_a_search_among_images_counts_groups(make_finding):
    found = [make_finding("a", "x", SAME), make_finding("a", "y", SAME), make_finding("c", "d", SAME)]
    assert "3 copies in 2 groups among 9 images." in page_of(found, n_queries=9).text


def test_answer_of_a_search_within_images_counts_those_with_a_copied_part(make_finding):
    found = [make_finding("a", "a", SAME, share=0.1)]
    assert "1 of 9 images contains duplicated regions." in page_of(found, scope="within", n_queries=9).text


def test_nothing_found_is_reported_and_needs_no_script():
    page = page_of([], n_queries=1, n_references=7, scope="against", references="l")
    assert "No copies were found when 1 image was compared with 7 images." in page.text
    assert page.all("script") == []
    assert "No copies were found among 2 images." in page_of([], n_queries=2).text


def test_undecided_and_failed_images_are_listed_up_to_a_limit():
    undecided = [Undecided(Path(f"u{n}.png"), "3 keypoints") for n in range(201)]
    text = page_of([], undecided=undecided, failures=[Failure(Path("broken.jpg"), "is an empty file")]).text
    assert "u199.png 3 keypoints" in text
    assert "u200.png" not in text
    assert "The first 200 of 201" in text
    assert "broken.jpg is an empty file" in text


def test_queries_of_which_more_copies_may_exist_are_announced_and_listed():
    text = page_of([], incomplete=[Incomplete(Path("q.png"), "it was compared with 4 images")]).text
    assert "Of 1 image more copies may exist than are listed" in text
    assert "q.png it was compared with 4 images" in text
    assert "more copies may exist" not in page_of([]).text


def test_each_finding_is_reported_in_words_without_the_script(make_finding):
    text = page_of([make_finding("a.jpg", "b.jpg", SAME, score=12.5, share=0.5)]).text
    assert "scale 1.00, 50 % of a, 50 % of b" in text
    assert "score 12.5, 4 matches, group 1 cropped" in text
    assert "a a.jpg b b.jpg" in text


def test_names_are_escaped_wherever_they_occur(make_finding):
    findings = Findings.of(
        [make_finding(f"{HOSTILE}.jpg", HOSTILE, SAME)],
        undecided=[Undecided(Path(HOSTILE), HOSTILE)],
        failures=[Failure(Path(HOSTILE), HOSTILE)],
        queries=HOSTILE,
        scope="against",
        references=HOSTILE,
        settings={HOSTILE: HOSTILE},
    )
    html = copies_to_html(findings)
    page = Page(html)
    assert len(page.all("script")) == 2
    assert HOSTILE not in html
    assert page.text.count(HOSTILE) == 11  # title, heading 2, finding 2, undecided 2, failure 2, setting 2
    assert page.data["findings"][0]["path_b"] == HOSTILE


def test_what_cannot_be_seen_in_a_name_is_spelled_out(make_finding):
    text = page_of([make_finding("line\nbreak\u202egpj.exe", "caf\udce9", SAME)]).text
    assert r"line\nbreak\u202egpj.exe" in text
    assert r"caf\udce9" in text


def test_a_name_that_is_not_utf8_gives_a_page_that_is(make_finding):
    copies_to_html(Findings.of([make_finding("caf\udce9", "b", SAME)])).encode("utf-8")


def test_page_loads_nothing_closes_every_tag_and_allows_its_own_script_only(make_finding, image_files):
    html = copies_to_html(Findings.of([make_finding(*image_files, SAME)]))
    page = Page(html)
    assert page.open == []
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)|url\(|@import", html)
    assert not [a for _, a in page.tags if {"src", "href"} & set(a)]
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "'unsafe-eval'" not in policy
    assert re.search(r"script-src 'sha256-[\w+/]{43}=';", policy)


def test_every_field_has_a_label_and_every_table_head_a_scope(make_finding):
    findings = Findings.of([make_finding("a", "b", SAME)], undecided=[Undecided(Path("u"), "r")], settings={"a": 1})
    html = copies_to_html(findings)
    page = Page(html)
    assert all(head.get("scope") in {"row", "col"} for head in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"
    labelled = re.findall(r"<label.*?</label>", html)
    assert sum("<input" in label or "<select" in label for label in labelled) == len(
        page.all("input") + page.all("select")
    )


def test_an_image_is_embedded_once_however_many_findings_show_it(make_finding, image_files):
    a, b = image_files
    page = page_of([make_finding(a, b, SAME), make_finding(a, "gone.png", SAME), make_finding(b, a, SAME)])
    assert set(page.data["images"]) == {str(a), str(b)}
    assert all(image.startswith("data:image/jpeg;base64,") for image in page.data["images"].values())


def test_many_images_are_smaller_and_beyond_a_number_skipped(make_finding, monkeypatch):
    requested = []
    monkeypatch.setattr(copies_page, "thumbnail", lambda path, side: requested.append(side) or "data:")
    for n, side, embedded in ((100, 480, 200), (101, 256, 202), (1001, 256, 2000)):
        requested.clear()
        page_of(make_finding(f"a{i}", f"b{i}", SAME) for i in range(n))
        assert (set(requested), len(requested)) == ({side}, embedded)


def test_page_shows_the_best_2000_findings(make_finding):
    page = page_of([make_finding("a", f"b{i}", method="bytes") for i in range(2001)])
    assert len(page.data["findings"]) == len([a for a in page.all("li") if a.get("class") == "finding"]) == 2000
    assert "The best 2,000 of 2,001 findings" in page.text


def test_at_most_40_matches_of_a_region_are_drawn_spread_over_all(make_finding):
    finding = make_finding("a", "b", SAME)
    points = np.zeros((2, 400, 2), np.float32)
    points[0, :, 0] = np.arange(400)
    page = page_of([Finding(Path("a"), Path("b"), finding.result, (points,))])
    (lines,) = page.data["findings"][0]["lines"]
    assert len(lines) == 40
    assert (lines[0][0], lines[-1][0]) == (0.0, 399.0)


def test_images_are_side_by_side_each_fitted_into_the_box():
    layout = pair_layout((200, 240), (400, 100))
    assert layout.a == (0.0, 0.0, 480.0, 400.0)
    assert layout.b == (496.0, 0.0, 100.0, 400.0)
    assert layout.size == (596.0, 400.0)


def test_images_are_one_above_the_other_in_a_narrow_window():
    layout = pair_layout((100, 240), (400, 100), stacked=True)
    assert layout.a == (0.0, 0.0, 480.0, 200.0)
    assert layout.b == (190.0, 216.0, 100.0, 400.0)
    assert layout.size == (480.0, 616.0)


def test_an_image_that_copies_itself_is_drawn_once(make_finding):
    (finding,) = page_of([make_finding("a", "a", SAME)]).data["findings"]
    assert finding["wide"][1] == finding["wide"][2] == [0.0, 0.0, 480.0, 320.0]


def test_progress_counts_the_images(make_finding, image_files):
    reported = []
    copies_to_html(Findings.of([make_finding(*image_files, SAME)]), progress=lambda *step: reported.append(step))
    assert reported == [(1, 2), (2, 2)]


def test_written_page_is_whole(tmp_path, make_finding):
    findings = Findings.of([make_finding("a", "b", SAME)])
    write_copies(tmp_path / "copies.html", findings)
    assert (tmp_path / "copies.html").read_text("utf-8") == copies_to_html(findings)
    assert [path.name for path in tmp_path.iterdir()] == ["copies.html"]


def _luminance(colour):
    linear = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("scheme", [0, 1])
def test_a_pressed_button_has_a_contrast_of_4_5(scheme):
    style = files("classicvision.report").joinpath("copies.css.j2").read_text("utf-8")
    colours = dict(re.findall(r"--(\S+): #(\w{6})", re.findall(r":root \{(.*?)\}", style)[scheme]))
    low, high = sorted((_luminance(colours["mark"]), _luminance(colours["mark-ink"])))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_what_differs_inside_a_copy_is_drawn_and_explained(make_finding):
    square = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]])
    finding = make_finding("a", "b", SAME)
    evidence = PixelEvidence("edited", 0.9, 0.1, (Difference(square, square + 1, 0.05),))
    regions = (replace(finding.result.regions[0], pixels=evidence),)
    edited = replace(finding, result=replace(finding.result, regions=regions))
    page = page_of([edited])
    assert page.data["findings"][0]["differences"] == [[square.tolist(), (square + 1).tolist()]]
    assert "Dashed outlines show what differs inside a copy." in page.text
    assert "Dashed outlines" not in page_of([finding]).text


def test_related_pairs_are_listed_with_the_reason(make_finding):
    page = page_of([make_finding("a", "b", SAME)], related=[make_finding("one.png", "two.png", SAME)])
    assert "Related, but not copies" in page.text
    assert "one.png and two.png found by keypoints" in page.text
    assert "Related, but not copies" not in page_of([make_finding("a", "b", SAME)]).text
