"""Networks on the command line: naming classes, and fitting by their features."""

import json
import shutil

import numpy as np
import pytest

from classicvision import cli
from classicvision.images import write_image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(capsys):
    """Return a function that runs a command line and returns exit code, output and messages."""

    def run(*words):
        code = cli._run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def network(make_network):
    """Return a network whose classes are red, green and blue."""
    return make_network(weights=np.eye(3), preprocessing="imagenet")


@pytest.fixture
def red(tmp_path):
    """Return an image that is mostly red, and then green."""
    write_image(tmp_path / "red.png", np.full((256, 256, 3), (250, 150, 5), np.uint8))
    return tmp_path / "red.png"


def test_classify_prints_the_best_classes_with_their_names(run, network, red, tmp_path):
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\n", "utf-8")
    code, output, _ = run("backbone", "classify", network, red, "--names", tmp_path / "names.txt", "--top", 2, "-j", 1)
    rows = [line.split() for line in output.splitlines()]
    assert code == 0
    assert rows[1][0] == str(red)
    assert [row[-1] for row in rows[1:]] == ["red", "green"]


def test_classify_as_json_has_every_image_and_failure(run, network, red):
    (red.parent / "broken.png").write_text("nothing")
    code, output, messages = run("backbone", "classify", network, red.parent, "--json", "-j", 1)
    found = json.loads(output)
    assert code == 3
    assert [image["classes"][0]["index"] for image in found["images"]] == [0]
    assert sum(answer["probability"] for answer in found["images"][0]["classes"]) == pytest.approx(1)
    assert [failure["path"] for failure in found["failures"]] == [str(red.parent / "broken.png")]
    assert "broken.png" in messages


def test_classify_without_preprocessing_lists_the_presets(run, make_network, red):
    code, _, messages = run("backbone", "classify", make_network(), red)
    assert code == 1
    assert "imagenet" in messages


def test_fit_with_a_network_prints_its_accuracy_and_predict_finds_the_file(run, network, texture_folder, tmp_path):
    moved = shutil.copy(network, tmp_path)
    model = tmp_path / "m.cvmodel"
    code, output, _ = run("fit", texture_folder, "-o", model, "--backbone", moved, "--stage", "pixels", "-j", 1)
    assert code == 0
    assert "Cross-validated accuracy" in output
    (tmp_path / "network.onnx").unlink()
    code, _, messages = run("predict", model, texture_folder, "-j", 1)
    assert code == 1
    assert "--backbone" in messages
    code, output, _ = run("predict", model, texture_folder, "--backbone", network, "-j", 1)
    assert code == 0
    assert len(output.splitlines()) == 25
    code, output, _ = run("inspect", model, "--backbone", network)
    assert 'stage = "pixels"' in output


def test_inspect_names_a_missing_network(run, network, texture_folder, tmp_path):
    moved = shutil.copy(network, tmp_path)
    model = tmp_path / "m.cvmodel"
    run("fit", texture_folder, "-o", model, "--backbone", moved, "--stage", "pixels", "-j", 1)
    (tmp_path / "network.onnx").unlink()
    code, output, messages = run("inspect", model)
    assert code == 0
    assert str(moved) in output
    assert "was not found" in messages
    assert json.loads(run("inspect", model, "--json")[1])["recipe"]["extractor"]["sha256"] in output
    assert run("inspect", model, "--backbone", tmp_path / "gone.onnx")[0] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "sift-bovw", "--backbone", "net.onnx"], "exclude each other"),
        (["--stage", "pixels"], "--backbone"),
        (["--preprocessing", "caffe"], "--backbone"),
    ],
)
def test_options_that_exclude_each_other_are_usage_errors(run, words, message, texture_folder, tmp_path):
    code, _, messages = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", *words)
    assert code == 2
    assert message in messages


def test_fit_with_all_stages_prints_one_row_per_stage_and_advice(run, network, texture_folder, tmp_path):
    words = ("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "--backbone", network, "--stages", "all", "-j", 1)
    code, output, _ = run(*words)
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()[4:7]] == ["stage", "stage1", "penultimate"]
    assert "Accuracy" in output.splitlines()[-1]
    facts = json.loads(run(*words, "--json")[1])["stages"]
    assert [score["stage"] for score in facts["stages"]] == ["stage1", "penultimate"]
    assert [point["n_images"] for point in facts["learning_curve"]] == [6, 12, 24]
    assert run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "--stages", "all")[0] == 2


@pytest.mark.parametrize("option", [("--augment", "mirror"), ("--tta", "mirror")])
def test_the_table_of_stages_refuses_options_it_does_not_support(option, run, network, texture_folder, tmp_path):
    words = ("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "--backbone", network, "--stages", "all", *option)
    code, _, messages = run(*words)
    assert code == 2
    assert "--stages does not support" in messages
    assert not (tmp_path / "m.cvmodel").exists()


def test_fit_with_few_images_has_distinct_points_in_the_learning_curve(run, network, texture_folder, tmp_path):
    for folder in texture_folder.iterdir():
        for file in sorted(folder.iterdir())[:2]:
            (tmp_path / "few" / folder.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "few" / folder.name)
    words = ("fit", tmp_path / "few", "-o", tmp_path / "m.cvmodel", "--backbone", network, "--stages", "all", "-j", 1)
    counts = [point["n_images"] for point in json.loads(run(*words, "--json")[1])["stages"]["learning_curve"]]
    assert counts == sorted(set(counts))
