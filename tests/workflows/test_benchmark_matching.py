"""The benchmark of matching on scenes made here, in both layouts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from classicvision import workflows
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.evaluation import detectors
from classicvision.evaluation.keypoints import MatchingProtocol
from classicvision.images import write_image
from classicvision.report.keypoint_benchmark import matching_to_dict
from classicvision.synthetic.warps import rescale, rotate

DETECTORS = ("sift-opencv", "orb")


def write_scene(folder, image, *, layout):
    """Write an image, the same rotated by 20 degrees, and at 70 %."""
    name, homography = {"oxford": ("img{}.png", "H1to{}p"), "hpatches": ("{}.ppm", "H_1_{}")}[layout]
    folder.mkdir(parents=True)
    write_image(folder / name.format(1), image)
    rng = np.random.default_rng(0)
    for number, (copy, b_from_a) in enumerate([rotate(image, rng, degrees=20), rescale(image, rng, factor=0.7)], 2):
        write_image(folder / name.format(number), copy)
        np.savetxt(folder / homography.format(number), b_from_a)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, make_image):
    folder = tmp_path_factory.mktemp("scenes")
    write_scene(folder / "one", make_image(0), layout="oxford")
    write_scene(folder / "two", make_image(1), layout="hpatches")
    return folder


@pytest.fixture(scope="module")
def measured(scenes):
    return workflows.benchmark_matching(scenes, detectors=DETECTORS)


def test_every_detector_is_scored_on_every_pair_of_both_layouts(measured):
    found = [(pair.detector, pair.scene, pair.b.name) for pair in measured.pairs]
    pairs = [("one", "img2.png"), ("one", "img3.png"), ("two", "2.ppm"), ("two", "3.ppm")]
    assert found == [(name, *pair) for name in DETECTORS for pair in pairs]
    assert [summary.n_pairs for summary in measured.summaries.values()] == [4, 4]
    assert measured.summaries["sift-opencv"].homographies[1] == 1


def test_one_scene_is_a_folder_too(scenes, measured):
    alone = workflows.benchmark_matching(scenes / "two", detectors=["orb"])
    assert [pair.scores for pair in alone.pairs] == [p.scores for p in measured.pairs if p.detector == "orb"][2:]


def test_two_processes_measure_what_one_measures(scenes, measured):
    same = workflows.benchmark_matching(scenes, detectors=DETECTORS, n_jobs=2)
    assert [pair.scores for pair in same.pairs] == [pair.scores for pair in measured.pairs]


def test_errors_are_in_pixels_of_the_shrunk_images(scenes):
    small = workflows.benchmark_matching(scenes, detectors=["orb"], protocol=MatchingProtocol(max_side=104))
    assert small.summaries["orb"].n_keypoints < 100
    assert small.summaries["orb"].homographies[2] > 0


def test_the_whole_is_json_with_its_protocol(measured):
    data = json.loads(json.dumps(matching_to_dict(measured), allow_nan=False))
    assert data["protocol"] == {
        "kind": "matching-protocol", "n_keypoints": 2000, "ratio": 0.8, "mutual": True, "threshold": 3.0,
        "scale_factor": 1.29, "n_hypotheses": 2000, "seed": 0,
    }  # fmt: skip
    assert data["detectors"]["sift-opencv"]["engine"] == "opencv"
    assert len(data["pairs"]) == 8
    assert data["versions"]["numpy"] == np.__version__


def test_a_pair_without_homography_is_null_in_json(tmp_path):
    write_scene(tmp_path / "flat", np.full((60, 80, 3), 9, np.uint8), layout="oxford")
    data = matching_to_dict(workflows.benchmark_matching(tmp_path, detectors=["orb"]))
    assert data["pairs"][0]["corner_error"] is None
    assert data["summaries"]["orb"]["median_corner_error"] is None
    json.dumps(data, allow_nan=False)


def test_a_missing_detector_is_listed_and_the_others_run(scenes, monkeypatch):
    monkeypatch.setattr(detectors.Akaze, "is_available", staticmethod(lambda: False))
    found = workflows.benchmark_matching(scenes / "one", detectors=["akaze", "orb"])
    assert dict(found.absent) == {"akaze": "the installed OpenCV has no AKAZE"}
    assert list(found.summaries) == ["orb"]
    with pytest.raises(NotEnoughDataError, match="no detector to compare: akaze: the installed OpenCV"):
        workflows.benchmark_matching(scenes, detectors=["akaze"])


def test_an_image_that_cannot_be_read_costs_its_pair_for_all_detectors(scenes, tmp_path):
    folder = shutil.copytree(scenes / "one", tmp_path / "one")
    (folder / "img2.png").write_bytes(b"not an image")
    found = workflows.benchmark_matching(folder, detectors=DETECTORS)
    assert [pair.b.name for pair in found.pairs] == ["img3.png"] * 2
    assert [failure.path.name for failure in found.failures] == ["img2.png"]


def test_without_a_first_image_nothing_is_left(scenes, tmp_path):
    folder = shutil.copytree(scenes / "one", tmp_path / "one")
    (folder / "img1.png").write_bytes(b"not an image")
    with pytest.raises(NotEnoughDataError, match="no pair of images"):
        workflows.benchmark_matching(folder, detectors=["orb"])


def test_a_missing_image_is_named(scenes, tmp_path):
    folder = shutil.copytree(scenes / "one", tmp_path / "one")
    (folder / "img3.png").unlink()
    with pytest.raises(NotEnoughDataError, match="has a homography for img3, but no image"):
        workflows.benchmark_matching(folder)


@pytest.mark.parametrize("text", ["1 2 3", "1 0 0 0 1 0 0 0 word", "1 0 0 0 1 0 0 0 nan", "1 1 1 1 1 1 1 1 1", ""])
def test_a_file_without_homography_is_named(scenes, tmp_path, text):
    folder = shutil.copytree(scenes / "one", tmp_path / "one")
    (folder / "H1to2p").write_text(text)
    with pytest.raises(SettingsError, match="H1to2p does not contain a homography"):
        workflows.benchmark_matching(folder)


def test_an_unknown_detector_is_refused(scenes):
    with pytest.raises(SettingsError, match="detector is 'surf'; choose from sift-exact"):
        workflows.benchmark_matching(scenes, detectors=["surf"])


@pytest.mark.parametrize(("name", "message"), [("", "no scene in"), ("gone", "does not exist"), ("a.txt", "is a file")])
def test_a_folder_without_scenes_is_an_error(tmp_path, name, message):
    (tmp_path / "a.txt").touch()
    with pytest.raises(NotEnoughDataError, match=message):
        workflows.benchmark_matching(tmp_path / name)
