"""`classicvision match`: what it prints and how it ends."""

import json

import numpy as np
import pytest
from skimage import data

from classicvision import cli
from classicvision.images import write_image


@pytest.fixture
def run(capsys):
    def run(*words):
        code = cli._run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    write_image(folder / "a.png", data.astronaut())
    write_image(folder / "b.png", np.ascontiguousarray(data.astronaut()[:, ::-1]))
    write_image(folder / "c.png", data.coffee())
    return folder


def test_a_copy_is_reported_in_words(run, files):
    code, output, _ = run("match", files / "a.png", files / "b.png")
    assert code == 0
    assert output.startswith("Copy: ")
    assert "scale 1.00, mirrored (similarity, " in output


def test_a_copy_is_exit_code_11_if_requested(run, files):
    assert run("match", files / "a.png", files / "b.png", "--exit-code")[0] == 11
    assert run("match", files / "a.png", files / "c.png", "--exit-code")[0] == 0


def test_unrelated_images_give_no_evidence(run, files):
    code, output, _ = run("match", files / "a.png", files / "c.png")
    assert code == 0
    assert output.startswith("No evidence of a copy: ")


def test_json_is_one_document_with_the_transform(run, files):
    code, output, _ = run("match", files / "a.png", files / "b.png", "--json")
    facts = json.loads(output)
    assert (code, facts["verdict"], facts["regions"][0]["mirrored"]) == (0, "copy", True)
    np.testing.assert_allclose(facts["regions"][0]["b_from_a"], [[-1, 0, 511], [0, 1, 0], [0, 0, 1]], atol=0.3)


def test_the_drawing_is_written(run, files, tmp_path):
    code, output, _ = run("match", files / "a.png", files / "b.png", "--draw", tmp_path / "m.png")
    assert code == 0
    assert "Drawn to" in output
    assert (tmp_path / "m.png").is_file()


def test_settings_can_be_changed(run, files):
    code, output, _ = run("match", files / "a.png", files / "b.png", "--set", "mirrored=false")
    assert (code, output[:11]) == (0, "No evidence")
    code, output, _ = run("match", files / "a.png", files / "b.png", "--set", "sift.max_features=5")
    assert code == 0
    assert "as a whole b is a mirrored" in output  # five keypoints are too few


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.png", "missing.png"], 1, "missing.png"),
        (["a.png"], 2, "Missing argument"),
        (["a.png", "b.png", "--set", "rato=0.5"], 2, "did you mean 'ratio'"),
        (["a.png", "b.png", "--set", "ratio=2"], 2, "ratio is 2"),
        (["a.png", "b.png", "--draw", "a.png"], 2, "one of the images; choose"),
        (["a.png", "b.png", "--draw", "m.txt"], 2, "must end in"),
        (["a.png", "b.png", "--preprocessing", "imagenet"], 2, "need a network: add --backbone FILE"),
        (["a.png", "b.png", "--stage", "pixels"], 2, "need a network: add --backbone FILE"),
        (["a.png", "b.png", "--backbone-calibration", "a.png"], 2, "need a network: add --backbone FILE"),
        (["a.png", "b.png", "--backbone", "missing.onnx"], 1, "missing.onnx"),
    ],
)
def test_what_goes_wrong_is_reported(words, code, message, run, files, monkeypatch):
    monkeypatch.chdir(files)
    found, output, messages = run("match", *words)
    assert (found, output) == (code, "")
    assert message in messages


@pytest.fixture
def soft(files, make_image):
    """Return two images with too few keypoints; the second is a crop of the first that its signature misses."""
    from classicvision.copies.backbone_calibration import soften

    write_image(files / "soft.png", soften(make_image(2)))
    write_image(files / "crop.png", np.ascontiguousarray(soften(make_image(2))[14:-7, 14:-14]))
    return files / "soft.png", files / "crop.png"


def test_a_network_that_was_not_calibrated_tells_its_cosine_and_decides_nothing(run, soft, make_network):
    network = make_network()
    code, output, _ = run("match", *soft, "--backbone", network, "--preprocessing", "imagenet", "--exit-code")
    assert code == 0
    assert output.startswith("Cannot decide: too few keypoints (7 and 6)")
    assert "by the network, which decides nothing until this network is calibrated" in output
    facts = json.loads(run("match", *soft, "--backbone", network, "--preprocessing", "imagenet", "--json")[1])
    assert (facts["method"], facts["verdict"]) == ("backbone", "cannot decide")
    assert facts["cosine"] > 0.9
    assert json.loads(run("match", *soft, "--json")[1])["cosine"] is None


def test_how_images_are_prepared_for_a_network_is_never_guessed(run, soft, make_network):
    code, _, messages = run("match", *soft, "--backbone", make_network())
    assert code == 1
    assert "neither the file nor the registry states the preprocessing of this network" in messages
    assert run("match", *soft, "--backbone", make_network(), "--preprocessing", "nonsense")[0] == 2


def test_a_file_that_is_not_a_calibration_of_a_network_is_an_error(run, soft, make_network):
    network = make_network(preprocessing="imagenet")
    code, output, messages = run("match", *soft, "--backbone", network, "--backbone-calibration", soft[0])
    assert (code, output) == (1, "")
    assert "is not a calibration of a network" in messages
    assert "classicvision calibrate --backbone" in messages
