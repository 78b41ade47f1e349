"""A benchmark as data, as a page and as Markdown: its schema, its escaping, and how it looks in a browser."""

import base64
import json
import shlex
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from classicvision.classify.recipe import Recipe
from classicvision.evaluation.benchmark_result import Benchmark, RecipeResult, named_splits
from classicvision.evaluation.comparison import compare
from classicvision.evaluation.corruption import ROBUSTNESS_CARD
from classicvision.evaluation.cost import Cost
from classicvision.evaluation.leakage import Leak, Leakage
from classicvision.evaluation.plan import BenchmarkSettings, PlannedSplit
from classicvision.evaluation.split_run import SplitResult
from classicvision.extraction import Failure
from classicvision.folders import ImageFolder
from classicvision.images import write_image
from classicvision.report.benchmark import benchmark_to_dict
from classicvision.report.benchmark_page import benchmark_to_html, benchmark_to_markdown, write_benchmark
from classicvision.report.plots import Series, curves, points

SCHEMA = json.loads(files("classicvision.report").joinpath("benchmark.schema.json").read_text("utf-8"))
HOSTILE = "<img src=x onerror=\"document.title='run'\">|b"
N_CLASS = 20


@pytest.fixture(scope="module")
def make_benchmark(tmp_path_factory):
    """Return a function that makes a benchmark of a good recipe and of one that errs, on 2 x 20 small images."""
    root = tmp_path_factory.mktemp("images")
    classes = ("cat", HOSTILE)
    paths = [root / f"{k}" / f"{i:02}.png" for k in range(2) for i in range(N_CLASS)]
    for i, path in enumerate(paths[:: N_CLASS // 4]):
        path.parent.mkdir(exist_ok=True)
        write_image(path, np.full((30, 40, 3), 8 * i, np.uint8))
    labels = [classes[k] for k in range(2) for _ in range(N_CLASS)]
    images = ImageFolder(root, tuple(paths), tuple(labels), classes)

    def make(n_splits=3, *, n_wrong=30, lite=False, extras=True, names=("good", HOSTILE)):
        settings = BenchmarkSettings(n_splits=n_splits, n_train=4, learning_curve=(2,) if extras else ())
        splits = []
        for seed in range(n_splits):
            rng = np.random.default_rng(seed)
            train = np.stack([k * N_CLASS + rng.permutation(N_CLASS)[:4] for k in range(2)])
            splits.append(PlannedSplit(train, np.setdiff1d(np.arange(2 * N_CLASS), train)))
        true = [np.array([row // N_CLASS for row in split.test]) for split in splits]
        wrong = np.random.default_rng(9).permutation(2 * N_CLASS)[:n_wrong]
        bad = [np.where(np.isin(split.test, wrong), 1 - t, t) for split, t in zip(splits, true, strict=True)]
        results = [result(names[0], true, extras), result(names[1], bad, extras)]
        predictions = {e.name: [[classes[i] for i in split.predicted] for split in e.split_results] for e in results}
        leaks = (
            Leak(paths[0], paths[5], "exact", float("inf"), contradicts=True),
            Leak(paths[1], paths[6], "near", 33.0),
        )
        return Benchmark(
            images,
            (Failure(root / HOSTILE, "not an image"),) if extras else (),
            settings,
            tuple(splits),
            tuple(results),
            compare(named_splits(images, splits), predictions),
            tuple(Leakage(leaks, 32) for _ in splits) if extras else (),
            is_lite=lite,
        )

    def result(name, predicted, extras):
        of_splits = tuple(SplitResult(p.astype(np.intp), 1.0, (), 2.5, 1000, 123456) for p in predicted)
        corruptions = [one for row in ROBUSTNESS_CARD.values() for one in row]
        corrupted = {None: 0.9} | {one: 0.9 - 0.02 * i for i, one in enumerate(corruptions)}
        curve = {2: (0.5,) * len(of_splits)} if extras else {}
        return RecipeResult(
            name, Recipe(), of_splits, curve, corrupted if extras else {}, Cost(1, 2, 3, 0.5, float("nan"))
        )

    return make


@pytest.fixture(scope="module")
def benchmark(make_benchmark):
    return make_benchmark()


@pytest.fixture(scope="module")
def html(benchmark):
    return benchmark_to_html(benchmark)


@pytest.mark.parametrize("settings", [{}, {"n_splits": 1}, {"extras": False}, {"lite": True}, {"n_wrong": 0}])
def test_the_data_follow_the_schema(make_benchmark, settings):
    data = benchmark_to_dict(make_benchmark(**settings))
    jsonschema.validate(data, SCHEMA)
    json.dumps(data, allow_nan=False)


def test_the_schema_knows_every_key_and_refuses_others(benchmark):
    data = benchmark_to_dict(benchmark)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"more": 1}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({name: value for name, value in data.items() if name != "verdicts"}, SCHEMA)


def test_the_data_say_what_was_measured(benchmark):
    data = benchmark_to_dict(benchmark)
    good, bad = data["recipes"]
    assert good["accuracy"] == 1
    assert good["confusion"] == [[48, 0], [0, 48]]
    assert bad["recall"] == [bad["confusion"][0][0] / 48, bad["confusion"][1][1] / 48]
    assert good["milliseconds"]["total"] == 6.5
    assert good["peak_mb"] is None
    assert data["n_train"] == 8
    assert data["verdicts"][0]["better"] == "good"
    parting = data["disagreements"][0]
    assert (len(parting["only_a"]), len(parting["only_b"])) == (data["verdicts"][0]["n_only_a"], 0)


def test_the_page_begins_with_the_verdict(html, benchmark):
    answer = html[html.index('class="answer"') : html.index("</p>", html.index('class="answer"'))]
    assert "good has the highest mean per-class accuracy, 100.0\u00a0%" in answer


def test_names_from_strangers_are_escaped(html):
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_a_page_loads_nothing(html):
    assert "default-src 'none'" in html
    assert "<script" not in html
    assert "@import" not in html
    assert 'src="http' not in html


def test_identifiers_are_there_once(html):
    names = [part.partition('"')[0] for part in html.split(' id="')[1:]]
    assert len(names) == len(set(names)) > 100


def test_what_is_referred_to_is_there(html):
    names = {part.partition('"')[0] for part in html.split(' id="')[1:]}
    referred = {part.partition('"')[0] for part in html.split('href="#')[1:]}
    referred |= {part.partition(")")[0] for part in html.split("url(#")[1:]}
    assert len(referred) > 20
    assert referred <= names


def test_every_image_has_alternative_text(html):
    images = html.split("<img ")[1:]
    assert images
    assert all(' alt="' in image.partition(">")[0] and 'alt=""' not in image for image in images)


def test_a_toy_run_and_leaks_are_warned_of(make_benchmark, html):
    assert "toy size" in benchmark_to_html(make_benchmark(lite=True))
    assert "toy size" not in html
    assert "among the training images, up to 2 per split" in html
    assert "Different class." in html


def test_a_page_without_extras_has_no_empty_parts(make_benchmark):
    plain = benchmark_to_html(make_benchmark(extras=False, n_wrong=0))
    for words in ("Learning curve", "Robustness", "Leaks", "Skipped images", " differ</h2>"):
        assert words not in plain


def test_the_command_is_the_one_that_was_given(benchmark, html):
    command = html.partition("<pre><code>")[2].partition("</code>")[0]
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;")):
        command = command.replace(escaped, plain)
    words = shlex.split(command)
    assert words[:3] == ["classicvision", "benchmark", str(benchmark.images.root)]
    assert [words[i + 1] for i, word in enumerate(words) if word == "--recipe"] == ["good", HOSTILE]
    assert words[words.index("--splits") + 1] == "3"
    assert words[words.index("--train") + 1] == "4"


def test_the_command_has_what_was_given_in_place_of_names(make_benchmark):
    given = {"good": "cnn:my files/good.onnx@imagenet", "good (2)": "cnn:my files/good.onnx@imagenet"}
    text = benchmark_to_markdown(replace(make_benchmark(names=tuple(given)), arguments=given))
    assert text.count("my files") == 2
    assert "--recipe 'cnn:my files/good.onnx@imagenet' --recipe 'cnn:my files/good.onnx@imagenet' --splits" in text


def test_markdown_has_the_same_figures_and_no_element(make_benchmark, tmp_path):
    write_benchmark(tmp_path / "bench.md", make_benchmark())
    text = (tmp_path / "bench.md").read_text("utf-8")
    assert "| good | 100.0 | 100.0 to 100.0 | 0.0 | 1,000 | 6.5 | 2.5 |" in text
    assert "<img" not in text.partition("Reproduce")[0]
    assert "\\|b" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    assert benchmark_to_markdown(make_benchmark(extras=False)).count("## ") == 1


def test_plots_take_the_colours_of_the_page():
    line = [Series("a", [1, 2], [3, 4], [0.1, 0.1]), Series("b", [1, 2], [1, 2])]
    for plot in (curves(line, key="one"), points(line, key="two", labels=("x", "y"))):
        assert "var(--series-0)" in plot
        assert "var(--ink)" in plot
        assert "#0102" not in plot
        assert "font-family" not in plot
        assert "<style" not in plot
        assert "<metadata" not in plot


def test_one_plot_is_the_same_text_twice():
    line = [Series("a", [1, 2], [3, 4])]
    assert curves(line, key="one") == curves(line, key="one")


@pytest.fixture
def page(browser, html, tmp_path):
    path = tmp_path / "bench.html"
    path.write_text(html, "utf-8")
    browser.open(path)
    yield browser
    assert browser.faults == []
    assert browser.requests == [path.as_uri()]


def test_no_script_of_a_name_runs_and_nothing_is_refused(page):
    assert page.evaluate("document.title") == f"2 recipes on {Path(page.evaluate('document.title')[13:])}"
    assert page.evaluate("document.querySelectorAll('script').length") == 0


def test_plots_are_drawn(page):
    boxes = "Array.from(document.querySelectorAll('.plot > svg, .panels svg'), s => s.getBoundingClientRect().height)"
    heights = page.evaluate(boxes)
    assert len(heights) == 10
    assert min(heights) > 80


@pytest.mark.parametrize("width", [375, 1200])
def test_nothing_is_wider_than_the_window(page, width):
    page.resize(width, 800, mobile=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "is_dark"), [("dark", True), ("light", False)])
def test_page_and_plots_follow_the_scheme_of_the_system(page, scheme, is_dark):
    page.send("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
    red = "Number(getComputedStyle({}).{}.match(/[0-9]+/)[0])"
    assert (page.evaluate(red.format("document.body", "backgroundColor")) < 128) is is_dark
    assert (page.evaluate(red.format("document.querySelector('.plot text')", "fill")) > 128) is is_dark


def test_it_can_be_printed(page):
    pdf = base64.b64decode(page.send("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")
