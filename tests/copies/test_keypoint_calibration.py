"""Calibrating on a folder: which pairs are compared, and that a calibration is only used for what it measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from classicvision import workflows
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.sift import Sift
from classicvision.images import write_image
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings
from classicvision.synthetic import blobs

N_IMAGES = 22  # 231 pairs


def scattered(rng):
    """Draw an image of 60 random blobs, unlike any other."""
    return blobs(
        rng.uniform(5, 123, (60, 2)), rng.uniform(1.5, 4, 60), rng.choice([-0.4, 0.4], 60), image_size=(128, 128)
    )


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory):
    """Return a folder of images of which no two share anything."""
    folder = tmp_path_factory.mktemp("calibrate") / "unrelated"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(N_IMAGES):
        write_image(folder / f"{number:02}.png", scattered(rng))
    return folder


@pytest.fixture(scope="module")
def run(unrelated):
    return workflows.calibrate(unrelated)


def test_every_pair_of_a_small_folder_is_compared(run):
    assert run.calibration.n_images == N_IMAGES
    assert run.calibration.n_pairs == N_IMAGES * (N_IMAGES - 1) // 2


def test_workers_change_nothing(run, unrelated):
    assert workflows.calibrate(unrelated, n_jobs=2).calibration == run.calibration


def test_progress_is_reported_of_every_pair(unrelated):
    reported = []
    workflows.calibrate(unrelated, n_pairs=210, progress=lambda *step: reported.append(step))
    assert reported[-1] == ("pairs", 210, 210)


def test_a_copy_among_the_images_is_the_worst_pair(unrelated, tmp_path):
    for path in unrelated.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_image(tmp_path / "copy.png", np.ascontiguousarray(scattered(np.random.default_rng(0))[8:, 8:]))
    worst = workflows.calibrate(tmp_path).worst[0]
    assert {worst.path_a.name, worst.path_b.name} == {"00.png", "copy.png"}
    assert worst.score > 20


def test_files_of_equal_bytes_are_not_compared(unrelated, tmp_path):
    for path in unrelated.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "again.png").write_bytes((unrelated / "00.png").read_bytes())
    measured = workflows.calibrate(tmp_path)
    assert measured.calibration.n_pairs == (N_IMAGES + 1) * N_IMAGES // 2 - 1
    assert measured.calibration.highest < 20


def test_images_without_keypoints_are_skipped_and_counted(unrelated, tmp_path):
    for path in unrelated.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_image(tmp_path / "plain.png", np.full((50, 50, 3), 90, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    measured = workflows.calibrate(tmp_path)
    assert measured.n_undecided == 1
    assert measured.calibration.n_images == N_IMAGES
    assert [failure.path.name for failure in measured.failures] == ["broken.png"]


def test_across_folders_images_of_one_folder_are_not_compared(unrelated, tmp_path):
    for number, path in enumerate(sorted(unrelated.iterdir())):
        folder = tmp_path / ("a" if number < 12 else "b")
        folder.mkdir(exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    # 12 x 10 pairs are too few to see a tail; the message counts them.
    with pytest.raises(NotEnoughDataError, match=r"fit a tail: 120;"):
        workflows.calibrate(tmp_path, across_folders=True)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(NotEnoughDataError, match=f"no image files in {tmp_path}"):
        workflows.calibrate(tmp_path)


def test_a_calibration_file_is_read_back(run, tmp_path):
    path = tmp_path / "mine.json"
    workflows.write_calibration(path, run)
    assert workflows.read_calibration(path, extractor=run.extractor, matching=run.matching) == run.calibration


def test_the_threshold_and_the_engine_do_not_make_another_matcher(run, tmp_path):
    path = tmp_path / "mine.json"
    workflows.write_calibration(path, run)
    matching = replace(MatchSettings(), threshold=50.0)
    assert workflows.read_calibration(path, extractor=replace(MATCHING_SIFT, engine="opencv"), matching=matching)


@pytest.mark.parametrize("other", [{"matching": MatchSettings(ratio=0.7)}, {"extractor": Sift(max_features=7)}])
def test_a_calibration_of_another_matcher_is_refused(run, tmp_path, other):
    path = tmp_path / "mine.json"
    workflows.write_calibration(path, run)
    with pytest.raises(SettingsError, match="measured with other settings"):
        workflows.read_calibration(path, **{"extractor": MATCHING_SIFT, "matching": MatchSettings()} | other)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": "classicvision-calibration", "format_version": 2}'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match="is not a calibration file"):
        workflows.read_calibration(path, extractor=MATCHING_SIFT, matching=MatchSettings())


def test_a_damaged_calibration_says_what_it_lacks(run, tmp_path):
    path = tmp_path / "mine.json"
    workflows.write_calibration(path, run)
    data = json.loads(path.read_text("utf-8"))
    del data["calibration"]["tail_rate"]
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(SettingsError, match="calibration lacks tail_rate"):
        workflows.read_calibration(path, extractor=MATCHING_SIFT, matching=MatchSettings())
