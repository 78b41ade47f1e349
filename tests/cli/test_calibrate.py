"""``classicvision calibrate``: what it prints and writes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from classicvision import cli
from classicvision.images import write_image
from classicvision.synthetic import blobs


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Return a function that runs the command in one process and returns exit code, output and messages."""
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))

    def run(*words):
        code = cli._run(["calibrate", "--jobs", "1", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory):
    """Return a folder of 21 images (210 pairs) of which no two share anything."""
    folder = tmp_path_factory.mktemp("calibrate") / "unrelated"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(21):
        spots = blobs(rng.uniform(5, 91, (40, 2)), rng.uniform(1.5, 3, 40), np.full(40, 0.4), image_size=(96, 96))
        write_image(folder / f"{number:02}.png", spots)
    return folder


def test_it_tells_the_pairs_and_the_thresholds(run, unrelated):
    code, output, _ = run(unrelated)
    assert code == 0
    assert output.startswith("210 pairs of 21 images; highest score ")
    rows = [line.split() for line in output.splitlines() if line.strip().startswith("1e-")]
    assert [row[0] for row in rows] == ["1e-03", "1e-04", "1e-05", "1e-06", "1e-07", "1e-08"]
    assert {row[2] for row in rows} == {"extrapolated"}
    thresholds = [float(row[1]) for row in rows]
    assert thresholds == sorted(thresholds)


def test_images_without_a_tail_are_warned_of(run, unrelated):
    assert run(unrelated)[2].startswith("Warning: nearly all pairs have a score of 0")


def test_the_file_holds_what_json_prints(run, unrelated, tmp_path):
    output = tmp_path / "mine.json"
    code, text, messages = run(unrelated, "--json", "-o", output)
    assert code == 0
    assert json.loads(output.read_text("utf-8")) == json.loads(text)
    assert f"Wrote {output}." in messages
    assert json.loads(text)["calibration"]["n_pairs"] == 210


def test_too_few_images_are_an_error_that_says_how_many(run, unrelated):
    code, _, messages = run(unrelated / "00.png", unrelated / "01.png")
    assert code == 1
    assert "Error: too few pairs of images to fit a tail: 1; at least 200 are needed" in messages


def test_a_broken_image_gives_exit_code_3_and_its_name(run, unrelated, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("nothing")
    code, output, messages = run(unrelated, broken)
    assert code == 3
    assert output.startswith("210 pairs")
    assert "broken.jpg" in messages


def test_a_network_is_measured_with_backbone_and_its_file_can_be_used(run, make_image, make_network, tmp_path):
    from classicvision import OnnxBackbone, workflows

    (tmp_path / "soft").mkdir()
    for number in range(24):
        write_image(tmp_path / "soft" / f"{number:02}.png", make_image(100 + number))
    network, output = make_network(preprocessing="imagenet"), tmp_path / "network.json"
    code, text, messages = run(tmp_path / "soft", "--backbone", network, "-o", output)
    assert code == 0
    assert "highest significance with the perceptual hash" in text
    assert "a pair is called a copy." in text
    assert f"Wrote {output}." in messages
    assert workflows.read_fallback(OnnxBackbone(network), output).threshold < 100
    assert json.loads(run(tmp_path / "soft", "--backbone", network, "--json")[1]) == json.loads(
        output.read_text("utf-8")
    )


def test_a_folder_without_images_is_an_error_that_names_it(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, messages = run(tmp_path / "empty")
    assert code == 1
    assert messages.startswith(f"Error: no image files in {tmp_path / 'empty'}")
