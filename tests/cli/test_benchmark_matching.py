"""`classicvision benchmark-matching`: what it prints and how it ends."""

import json

import numpy as np
import pytest

from classicvision import cli
from classicvision.images import write_image
from classicvision.synthetic.warps import rotate


@pytest.fixture
def run(capsys):
    def run(*words):
        code = cli._run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def scene(tmp_path_factory, make_image):
    folder = tmp_path_factory.mktemp("scene")
    copy, b_from_a = rotate(make_image(0), np.random.default_rng(0), degrees=20)
    write_image(folder / "img1.png", make_image(0))
    write_image(folder / "img2.png", copy)
    np.savetxt(folder / "H1to2p", b_from_a)
    return folder


WORDS = ("--detector", "sift-opencv", "--detector", "orb", "--jobs", 1)


def test_the_table_has_one_row_per_detector_and_the_protocol_below(run, scene):
    code, output, _ = run("benchmark-matching", scene, *WORDS, "--set", "ratio=0.7", "--set", "max_side=200")
    assert code == 0
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["detector", "sift-opencv", "orb"]
    assert "Means over 1 image pair of 1 scene" in lines[-1]
    assert "images of at most 200 pixels" in lines[-1]
    assert "with ratio 0.7" in lines[-1]


def test_json_is_one_document(run, scene):
    code, output, _ = run("benchmark-matching", scene, *WORDS, "--json")
    assert code == 0
    assert set(json.loads(output)["summaries"]) == {"sift-opencv", "orb"}


def test_an_unknown_detector_is_a_usage_error(run, scene):
    code, _, message = run("benchmark-matching", scene, "--detector", "surf")
    assert code == 2
    assert "choose from sift-exact, sift-fast" in message


def test_a_wrong_protocol_is_a_usage_error(run, scene):
    code, _, message = run("benchmark-matching", scene, "--set", "ratio=2")
    assert code == 2
    assert "ratio is 2.0" in message


def test_an_unreadable_image_is_listed(run, scene, make_image, tmp_path):
    for path in scene.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "img3.png").write_bytes(b"not an image")
    (tmp_path / "H1to3p").write_bytes((scene / "H1to2p").read_bytes())
    code, _, message = run("benchmark-matching", tmp_path, *WORDS)
    assert code == 3
    assert "img3.png" in message


def test_a_folder_without_scenes_is_an_error(run, tmp_path):
    code, _, message = run("benchmark-matching", tmp_path)
    assert code == 1
    assert "no scene in" in message
