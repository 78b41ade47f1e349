"""`classicvision benchmark`: what it prints and how it ends."""

import json
import shutil

import pytest

from classicvision import BovwSettings, Recipe, Sift, SvmSettings, cli, recipe_to_toml
from classicvision.report.benchmark import benchmark_to_dict


@pytest.fixture
def run(capsys):
    def run(*words):
        code = cli._run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Return a folder with two small recipes and a cache that all tests share, so that one of them pays."""
    folder = tmp_path_factory.mktemp("benchmark")
    for name, n_words in (("words", 12), ("blind", 1)):
        recipe = Recipe(Sift(), BovwSettings(n_words=n_words, n_samples=1000), SvmSettings(costs=(1.0,), folds=2))
        (folder / f"{name}.toml").write_text(recipe_to_toml(recipe), "utf-8")
    return folder


def words(places, *more):
    recipes = [word for name in ("words", "blind") for word in ("--recipe", places / f"{name}.toml")]
    plan = ("--splits", 3, "--train", 4, "--jobs", 1, "--cache", places / "cache")
    return ("benchmark", *more, *recipes, *plan)


def test_a_table_the_verdict_and_the_leaks_are_printed(run, places, texture_folder):
    code, output, _ = run(*words(places, texture_folder), "--learning-curve", "2")
    assert code == 0
    assert output.startswith("24 images of 3 classes, 3 splits: 4 training images per class, 12 test images.\n")
    assert "  words.toml is better than" in output
    assert "images per class" in output
    assert "training images; identical files" in output


def test_copies_of_training_images_among_the_test_images_are_reported(run, places, texture_folder, tmp_path):
    folder = shutil.copytree(texture_folder, tmp_path / "textures")
    for image in sorted(folder.glob("*/*"))[::2]:
        shutil.copy(image, image.with_stem(f"{image.stem}-again"))
    code, output, _ = run(*words(places, folder))
    assert code == 0
    assert "training images; identical files" in output


def test_json_page_and_markdown_are_written(run, places, texture_folder, tmp_path):
    page, markdown = tmp_path / "bench.html", tmp_path / "bench.md"
    code, output, message = run(*words(places, texture_folder), "--json", "--report", page, "--markdown", markdown)
    assert code == 0
    data = json.loads(output)
    assert data["format"] == "classicvision-benchmark"
    assert [recipe["accuracy"] > 0.9 for recipe in data["recipes"]] == [True, False]
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert markdown.read_text("utf-8").startswith("# 2 recipes on ")
    assert f"Wrote {page}." in message


def test_no_leakage_skips_the_search_for_leaks(run, places, texture_folder):
    code, output, _ = run(*words(places, texture_folder), "--no-leakage", "--json")
    assert code == 0
    assert json.loads(output)["leakage"] == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--recipe", "nonsense"), "no recipe is named 'nonsense'"),
        (("--learning-curve", "5,x"), "is not a list of numbers such as 5,10,25"),
        (("--learning-curve", "1,5"), "a number below 2"),
        (("--splits", "0"), "0 is not in the range"),
        (("--report", "page.txt"), "must end in .html"),
        (("--cache", "x", "--no-cache"), "exclude each other"),
    ],
)
def test_a_usage_error_is_reported_before_any_work(run, texture_folder, more, message):
    code, _, error = run("benchmark", texture_folder, *more)
    assert code == 2
    assert message in error


def test_too_few_images_are_an_error(run, places, texture_folder):
    code, _, error = run(*words(places, texture_folder), "--train", 8)
    assert code == 1
    assert "leaves none to test" in error


def test_an_unreadable_image_is_listed(run, places, texture_folder, tmp_path):
    import shutil

    folder = shutil.copytree(texture_folder, tmp_path / "own")
    (sorted(folder.iterdir())[0] / "broken.png").write_bytes(b"not an image")
    code, _, message = run(*words(places, folder), "--no-leakage")
    assert code == 3
    assert "broken.png" in message


def test_a_recipe_named_twice_is_compared_with_itself(texture_folder, places):
    from classicvision import FeatureCache, workflows
    from classicvision.evaluation.plan import BenchmarkSettings

    name = str(places / "words.toml")
    settings = BenchmarkSettings(n_splits=1, n_train=4, n_timed=1)
    found = workflows.benchmark(
        texture_folder, [name, name], settings=settings, leakage=False, cache=FeatureCache(places / "cache")
    )
    data = benchmark_to_dict(found)
    assert [(recipe["name"], recipe["argument"]) for recipe in data["recipes"]] == [
        ("words.toml", name),
        ("words.toml (2)", name),
    ]
    assert data["verdicts"][0]["better"] is None
