"""The page of copies as a person uses it, in a real browser: draw, move, mark, filter, export, print."""

import base64
import csv
import io
import json

import numpy as np
import pytest

from classicvision.copies.findings import Findings
from classicvision.images import write_image
from classicvision.report.copies_page import write_copies

SAME = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
MIRRORED = [[-1, 0, 299], [0, 1, 0], [0, 0, 1]]
HOSTILE = "=<b>&\"'\u00e9\nc.png"

STATUS = "document.getElementById('status').textContent"
CURRENT = "document.querySelector('.finding.current')?.id ?? null"
SHOWN = "Array.from(document.querySelectorAll('.finding'), card => card.id)"


@pytest.fixture(scope="module")
def image_files(tmp_path_factory):
    """Return the folder of images whose left half is red and whose right half is blue."""
    folder = tmp_path_factory.mktemp("images")
    image = np.zeros((200, 300, 3), np.uint8)
    image[:, :150, 0] = image[:, 150:, 2] = 255
    for name in ("a.png", "b.png", HOSTILE):
        write_image(folder / name, image)
    return folder


@pytest.fixture(scope="module")
def small(image_files, make_finding, tmp_path_factory):
    """Return a page of four findings: equal files, a mirrored copy, two regions, a part copied within an image."""
    a, b = image_files / "a.png", image_files / "b.png"
    findings = Findings.of(
        [
            make_finding(a, b, method="bytes"),
            make_finding(a, b, MIRRORED, score=30.0),
            make_finding(image_files / HOSTILE, image_files / "gone.png", SAME, SAME, score=20.0),
            make_finding(b, b, [[1, 0, 150], [0, 1, 50], [0, 0, 1]], score=10.0),
        ],
        n_queries=4,
    )
    path = tmp_path_factory.mktemp("small") / "copies.html"
    write_copies(path, findings)
    return path


@pytest.fixture(scope="module")
def thousand(make_finding, image_files, tmp_path_factory):
    """Return a page of 1,000 findings."""
    a = image_files / "a.png"
    findings = [make_finding(a, f"b{i:04}.png", MIRRORED if i % 2 else SAME, score=2000.0 - i) for i in range(1000)]
    path = tmp_path_factory.mktemp("thousand") / "copies.html"
    write_copies(path, Findings.of(findings, n_queries=1001))
    return path


@pytest.fixture
def page(browser, small):
    """Return the browser with the small page open and no marks from before."""
    browser.open(small)
    browser.evaluate("localStorage.clear()")
    browser.open(small)
    browser.wait("document.querySelectorAll('.pair > svg').length === 4")
    yield browser
    assert browser.faults == []
    assert browser.requests == [small.as_uri()]


def test_images_are_side_by_side_in_their_colours(page):
    page.evaluate("document.getElementById('f2').scrollIntoView()")
    page.wait("document.querySelectorAll('#f2 image').length === 2")
    place = page.evaluate(
        "Array.from(document.querySelectorAll('#f2 image'), i => { const r = i.getBoundingClientRect();"
        "return [r.left, r.top, r.right, r.bottom]; })"
    )
    (_, top_a, right_a, bottom_a), (left_b, top_b, _, bottom_b) = place
    assert right_a < left_b
    assert (top_a, bottom_a) == (top_b, bottom_b)


def test_outlines_and_match_lines_are_where_the_region_is(page):
    """Point (10, 10) of a lies at (289, 10) of its mirrored copy."""
    lines = page.evaluate(
        "Array.from(document.querySelectorAll('#f2 .match'), l =>"
        "['x1', 'y1', 'x2', 'y2'].map(k => Number(l.getAttribute(k))))"
    )
    scale = 480 / 300
    assert lines[0] == pytest.approx([10.5 * scale, 10.5 * scale, 496 + 289.5 * scale, 10.5 * scale])
    outlines = page.evaluate(
        "Array.from(document.querySelectorAll('#f2 .outline'), p => p.getAttribute('points').split(' ')[0])"
    )
    assert outlines == ["10,10", "289,10"]


def test_several_regions_are_numbered_in_both_images(page):
    numbers = "Array.from(document.querySelectorAll('#f3 .region-number'), t => t.textContent)"
    assert page.evaluate(numbers) == ["1", "1", "2", "2"]
    assert page.evaluate("document.querySelectorAll('#f2 .region-number').length") == 0


def test_an_image_that_is_gone_is_replaced_by_words(page):
    assert page.evaluate("document.querySelectorAll('#f3 image').length") == 1
    assert "not available" in page.evaluate("document.querySelector('#f3 .gone-words').textContent")


def test_a_part_copied_within_an_image_is_drawn_on_one_image(page):
    assert page.evaluate("document.querySelectorAll('#f4 image').length") == 1
    assert page.evaluate("document.querySelectorAll('#f4 .outline').length") == 2


def test_every_drawing_has_words_for_those_who_cannot_see_it(page):
    label = page.evaluate("document.querySelector('#f2 .pair > svg').getAttribute('aria-label')")
    assert page.evaluate("document.querySelector('#f2 .pair > svg').getAttribute('role')") == "img"
    assert "a.png and " in label
    assert "mirrored" in label


def test_keys_go_to_the_next_and_the_previous_finding(page):
    places = []
    for key in ("j", "ArrowRight", "j", "j", "k", "ArrowLeft"):
        page.press(key)
        places.append(page.evaluate(CURRENT))
    assert places == ["f1", "f2", "f3", "f4", "f3", "f2"]
    assert page.evaluate("document.activeElement.id") == "f2"
    assert page.evaluate(STATUS).startswith("2 of 4 findings")


def test_the_ends_of_the_list_hold(page):
    page.press("k")
    for _ in range(6):
        page.press("j")
    assert page.evaluate(CURRENT) == "f4"


def test_the_current_finding_is_not_covered_by_the_bar(page):
    page.press("j")
    page.press("j")
    bar = page.evaluate("document.getElementById('moving').getBoundingClientRect().bottom")
    assert page.evaluate("document.querySelector('#f2 h3').getBoundingClientRect().top") >= bar


def test_buttons_go_to_the_next_and_the_previous_finding(page):
    page.click("#next")
    page.click("#next")
    page.click("#previous")
    assert page.evaluate(CURRENT) == "f1"


def test_keys_are_letters_while_writing_a_name(page):
    page.evaluate("document.getElementById('name').focus()")
    page.press("j")
    assert page.evaluate(CURRENT) is None
    assert page.evaluate("document.getElementById('name').value") == "j"


def test_filter_by_kind_shows_findings_of_any_chosen_kind(page):
    page.click("input[value=mirrored]")
    assert page.evaluate(SHOWN) == ["f2"]
    page.click("input[value=exact]")
    assert page.evaluate(SHOWN) == ["f1", "f2"]
    assert page.evaluate(STATUS).startswith("2 findings (4 in total)")


def test_filter_by_score_keeps_equal_files_which_have_none(page):
    page.write("#score", "20")
    assert page.evaluate(SHOWN) == ["f1", "f2", "f3"]


def test_filter_by_name_considers_both_images_in_any_case(page):
    page.write("#name", "GONE")
    assert page.evaluate(SHOWN) == ["f3"]


def test_filter_that_nothing_passes_says_so_and_can_be_taken_back(page):
    page.write("#name", "no such name")
    assert page.evaluate(SHOWN) == []
    assert page.evaluate("document.getElementById('nothing').checkVisibility()")
    page.click("#tools [type=reset]")
    page.wait(f"{SHOWN}.length === 4")
    assert not page.evaluate("document.getElementById('nothing').checkVisibility()")


def test_a_group_can_be_shown_alone(page):
    page.click("#f3 .group")
    assert page.evaluate(SHOWN) == ["f3"]


def test_moving_skips_what_is_filtered_out(page):
    page.press("j")
    page.write("#score", "15")
    page.click("input[value='several regions']")
    page.press("j")
    assert page.evaluate(CURRENT) == "f3"


def test_match_lines_can_be_skipped(page):
    line = "document.querySelector('#f2 .match').checkVisibility()"
    assert page.evaluate(line)
    page.click("#lines")
    assert not page.evaluate(line)


def test_marks_are_made_by_key_and_by_button_and_taken_back(page):
    marks = "Array.from(document.querySelectorAll('.finding'), card => card.dataset.marked ?? null)"
    page.press("j")
    page.press("c")
    page.click("#f2 [data-mark='not a copy']")
    page.click("#f3 [data-mark='copy']")
    page.click("#f3 [data-mark='copy']")
    page.click("#f4 [data-mark='copy']")
    page.press("u")
    assert page.evaluate(marks) == ["copy", "not a copy", None, None]
    assert page.evaluate("document.querySelector('#f1 [data-mark=copy]').getAttribute('aria-pressed')") == "true"
    assert page.evaluate(STATUS).endswith("2 marked")


def test_marks_can_be_filtered(page):
    page.press("j")
    page.press("n")
    for mark, shown in (("none", ["f2", "f3", "f4"]), ("not a copy", ["f1"]), ("copy", [])):
        page.evaluate(
            f"(s => {{ s.value = {json.dumps(mark)}; s.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
            "(document.getElementById('marked'))"
        )
        assert page.evaluate(SHOWN) == shown


def test_marks_are_there_when_the_page_is_opened_again(page, small):
    page.press("j")
    page.press("c")
    page.open(small)
    assert page.evaluate("document.getElementById('f1').dataset.marked") == "copy"


def test_marks_of_another_page_are_not_taken_for_ours(page, thousand, small):
    page.press("j")
    page.press("c")
    page.open(thousand)
    assert page.evaluate("document.querySelectorAll('[data-marked]').length") == 0
    page.open(small)


def test_without_marks_there_is_nothing_to_export(page):
    assert page.evaluate("document.getElementById('export-json').disabled")
    assert page.evaluate("document.getElementById('export-csv').disabled")


def test_marks_are_exported_as_json(page, image_files):
    for key in ("j", "j", "c", "j", "n"):
        page.press(key)
    page.click("#export-json")
    document = json.loads(page.downloaded("marks.json"))
    assert (document["format"], document["version"]) == ("classicvision-copy-marks", 1)
    mirrored, hostile = document["marks"]
    assert (mirrored["finding"], mirrored["mark"], mirrored["labels"]) == (2, "copy", ["mirrored"])
    assert (hostile["path_a"], hostile["mark"]) == (str(image_files / HOSTILE), "not a copy")
    assert (hostile["score"], hostile["group"]) == (20, 2)


def test_marks_are_exported_as_csv_that_any_name_survives(page, image_files):
    for key in ("j", "c", "j", "j", "n"):
        page.press(key)
    page.click("#export-csv")
    rows = list(csv.DictReader(io.StringIO(page.downloaded("marks.csv").decode(), newline="")))
    assert [(row["finding"], row["mark"], row["score"]) for row in rows] == [
        ("1", "copy", ""),
        ("3", "not a copy", "20"),
    ]
    assert rows[1]["path_a"] == str(image_files / HOSTILE)
    assert rows[1]["labels"] == "several-regions"


def test_exported_names_that_look_like_formulas_are_made_text(browser, make_finding, tmp_path):
    write_copies(tmp_path / "copies.html", Findings.of([make_finding("=1+1.jpg", '-"2",.jpg', SAME)]))
    browser.open(tmp_path / "copies.html")
    browser.press("j")
    browser.press("c")
    browser.click("#export-csv")
    (row,) = csv.DictReader(io.StringIO(browser.downloaded("marks.csv").decode(), newline=""))
    assert (row["path_a"], row["path_b"]) == ("'=1+1.jpg", '\'-"2",.jpg')


def test_a_page_opened_by_a_stranger_runs_no_script_of_a_name(browser, make_finding, tmp_path):
    name = "<img src=x onerror=\"document.title='run'\">"
    page = tmp_path / "copies.html"
    write_copies(page, Findings.of([make_finding(name, f"</script><script>document.title='run'</script>{name}", SAME)]))
    browser.open(page)
    browser.wait("document.querySelector('.pair > svg') !== null")
    assert browser.evaluate("document.title") != "run"
    assert name in browser.evaluate("document.querySelector('.names').textContent")
    assert browser.faults == []


def test_a_name_that_opens_a_script_in_a_comment_does_not_swallow_the_page(browser, make_finding, tmp_path):
    write_copies(tmp_path / "copies.html", Findings.of([make_finding("<!-- <script ", "b", SAME)]))
    browser.open(tmp_path / "copies.html")
    browser.wait("document.querySelector('.pair > svg') !== null")


def test_a_narrow_window_has_the_images_one_above_the_other_and_nothing_wider_than_itself(page):
    page.resize(375, 800, mobile=True)
    page.wait("document.querySelector('#f2 .pair > svg')?.getAttribute('viewBox') === '0 0 480 656'")
    assert page.evaluate("document.documentElement.scrollWidth") == 375


@pytest.mark.parametrize(("scheme", "is_dark"), [("dark", True), ("light", False)])
def test_colours_follow_the_scheme_of_the_system(page, scheme, is_dark):
    page.send("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
    red = "Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])"
    assert (page.evaluate(red) < 128) is is_dark


def test_print_has_all_images_and_no_buttons(page):
    page.evaluate("document.getElementById('f4').scrollIntoView()")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.send("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("document.querySelectorAll('.pair > svg').length") == 4
    assert not page.evaluate("document.getElementById('moving').checkVisibility()")
    assert not page.evaluate("document.querySelector('.marks').checkVisibility()")
    pdf = base64.b64decode(page.send("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")


def test_of_a_thousand_findings_only_those_near_the_window_are_drawn(browser, thousand):
    browser.open(thousand)
    browser.wait("document.querySelector('#f1 .pair > svg') !== null")
    assert browser.evaluate("document.querySelectorAll('.finding').length") == 1000
    assert browser.evaluate("document.querySelectorAll('.pair > svg').length") < 20
    browser.evaluate("document.getElementById('f900').scrollIntoView()")
    browser.wait("document.querySelector('#f900 .pair > svg') !== null")
    browser.wait("document.querySelector('#f1 .pair > svg') === null")
    assert browser.evaluate("document.querySelectorAll('.pair > svg').length") < 20
    assert browser.faults == []


def test_a_thousand_findings_are_filtered_and_moved_through(browser, thousand):
    browser.open(thousand)
    browser.click("input[value=mirrored]")
    assert browser.evaluate(STATUS).startswith("500 findings (1,000 in total)")
    for _ in range(30):
        browser.press("j")
    browser.wait("document.querySelector('#f60 .pair > svg') !== null")
    assert browser.evaluate(CURRENT) == "f60"
