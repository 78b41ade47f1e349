"""Images with too few keypoints and a network: what it finds beyond signatures, what it only tells, what it needs."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from classicvision import FeatureCache, OnnxBackbone, workflows
from classicvision.copies.backbone_calibration import fit_backbone_calibration, soften
from classicvision.errors import BackboneError, NotEnoughDataError, SettingsError
from classicvision.images import write_image
from classicvision.matching.calibration import Calibration
from classicvision.matching.likeness import BackboneCalibration, BackboneFallback
from classicvision.matching.settings import MATCHING_SIFT, MatchSettings

N_IMAGES = 24  # 276 pairs


@pytest.fixture(scope="module")
def backbone(make_network):
    """Return a network whose features are the mean of each colour."""
    return OnnxBackbone(make_network(), preprocessing="imagenet")


@pytest.fixture(scope="module")
def fallback(backbone):
    """Return that network, by which images of one colour are worth 10, and more than 10 is needed."""
    close = Calibration(100, 5000, 5.0, 1e-3, 0.5, 6.0, BackboneFallback(backbone).matcher)
    return BackboneFallback(backbone, BackboneCalibration(close, Calibration(100, 5000, 10.0, 1e-7, 0.5, 8.0)))


@pytest.fixture(scope="module")
def soft(make_image):
    """Return a function that makes an image of a colour with too few keypoints."""

    def make(seed, colour=(50, -40, 0)):
        return np.clip(soften(make_image(seed)).astype(int) + colour, 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def folder(tmp_path, soft):
    """Return a folder with a soft image, a crop of it that its signature does not show, and another one."""
    folder = tmp_path / "images"
    folder.mkdir()
    write_image(folder / "soft.png", soft(2))
    write_image(folder / "crop.png", np.ascontiguousarray(soft(2)[14:-7, 14:-14]))
    write_image(folder / "other.png", soft(4, (-50, 40, 20)))
    return folder


def names(findings):
    return [({f.path_a.name, f.path_b.name}, f.labels) for f in findings.findings]


def test_soft_images_have_too_few_keypoints(make_image):
    assert len(MATCHING_SIFT(make_image(0))) >= MatchSettings().min_keypoints
    assert len(MATCHING_SIFT(soften(make_image(0)))) < MatchSettings().min_keypoints


def test_a_pair_that_signatures_leave_open_is_decided_by_both_together(folder, fallback):
    a, b = folder / "soft.png", folder / "crop.png"
    alone = workflows.match(a, b)
    assert (alone.verdict, alone.method, alone.cosine) == ("cannot decide", "signature", None)
    result = workflows.match(a, b, fallback=fallback)
    assert (result.verdict, result.method, result.regions) == ("copy", "backbone", ())
    assert result.score > fallback.threshold
    assert result.cosine > 0.999


def test_images_of_another_colour_stay_undecided(folder, fallback):
    result = workflows.match(folder / "soft.png", folder / "other.png", fallback=fallback)
    assert (result.verdict, result.method) == ("cannot decide", "backbone")


def test_images_with_keypoints_are_never_shown_to_the_network(copies_folder, fallback, monkeypatch):
    monkeypatch.setattr(OnnxBackbone, "__call__", lambda *_: pytest.fail("the network was requested"))
    a, b = copies_folder / "library" / "0.png", copies_folder / "library" / "1.png"
    assert workflows.match(a, b, fallback=fallback).method == "keypoints"
    assert len(workflows.find_copies_among(copies_folder, fallback=fallback).findings) == 3


def test_plain_images_are_not_copies_however_alike_they_are_to_the_network(tmp_path, fallback):
    for name, level in (("light", 200), ("lighter", 201)):
        write_image(tmp_path / f"{name}.png", np.full((100, 100, 3), level, np.uint8))
    result = workflows.match(tmp_path / "light.png", tmp_path / "lighter.png", fallback=fallback)
    assert (result.verdict, result.method) == ("cannot decide", "signature")
    assert workflows.find_copies_among(tmp_path, fallback=fallback).findings == ()


def test_the_network_finds_a_pair_within_a_folder_only_once(folder, fallback):
    assert workflows.find_copies_among(folder).findings == ()
    assert names(workflows.find_copies_among(folder, fallback=fallback)) == [({"soft.png", "crop.png"}, ("backbone",))]


def test_what_signatures_find_needs_no_network(folder, fallback, soft):
    write_image(folder / "small.png", cv2.resize(soft(2), (104, 80), interpolation=cv2.INTER_AREA))
    found = names(workflows.find_copies_among(folder, fallback=fallback))
    assert ({"soft.png", "small.png"}, ("signature",)) in found
    assert ({"soft.png", "crop.png"}, ("backbone",)) in found


def test_images_with_keypoints_are_left_to_them_even_next_to_one_without(folder, make_image, fallback):
    for seed in (5, 6):
        write_image(folder / f"sharp{seed}.png", np.full_like(make_image(seed), 40) + make_image(seed) // 4)
    close = replace(fallback.calibration.closeness, tail_start=0.0, tail_rate=1e-12)  # all images are close
    eager = BackboneFallback(fallback.backbone, replace(fallback.calibration, closeness=close))
    found = {frozenset(pair) for pair, _ in names(workflows.find_copies_among(folder, fallback=eager))}
    assert frozenset({"sharp5.png", "other.png"}) in found
    assert frozenset({"sharp5.png", "sharp6.png"}) not in found


def test_without_a_calibration_the_most_alike_image_is_reported_and_no_finding_is_made(folder, backbone):
    found = workflows.find_copies(folder / "crop.png", folder / "soft.png", fallback=BackboneFallback(backbone))
    assert found.findings == ()
    (undecided,) = found.undecided
    assert f"by the network it is most like {folder / 'soft.png'}, cosine 0.99" in undecided.reason
    assert found.settings["fallback"]["calibration"] is None


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_index_is_searched_by_its_files_where_they_lie(folder, fallback, tmp_path, n_jobs):
    workflows.build_index(folder / "soft.png", tmp_path / "l.cvindex")
    found = workflows.find_copies(folder / "crop.png", tmp_path / "l.cvindex", fallback=fallback, n_jobs=n_jobs)
    assert names(found) == [({"soft.png", "crop.png"}, ("backbone",))]


def test_files_of_an_index_that_are_gone_or_changed_are_failures(folder, fallback, tmp_path, soft):
    workflows.build_index([folder / "soft.png", folder / "other.png"], tmp_path / "l.cvindex")
    (folder / "soft.png").unlink()
    write_image(folder / "other.png", soft(1))
    found = workflows.find_copies(folder / "crop.png", tmp_path / "l.cvindex", fallback=fallback)
    reasons = {failure.path.name: failure.reason for failure in found.failures}
    assert set(reasons) == {"soft.png", "other.png"}
    assert "it has changed since its keypoints were extracted" in reasons["other.png"]


def test_features_of_a_network_are_kept(folder, fallback, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    first = workflows.find_copies_among(folder, fallback=fallback, cache=cache)
    monkeypatch.setattr(OnnxBackbone, "__call__", lambda *_: pytest.fail("requested again"))
    assert names(workflows.find_copies_among(folder, fallback=fallback, cache=cache)) == names(first)


def test_a_network_that_is_gone_is_an_error_and_no_failure_of_each_image(folder, make_network):
    file = make_network(name="gone.onnx", weights=((1.0,), (2.0,), (3.0,)))
    fallback = BackboneFallback(OnnxBackbone(file, preprocessing="imagenet"))
    file.unlink()
    with pytest.raises(BackboneError, match=r"gone\.onnx"):
        workflows.find_copies_among(folder, fallback=fallback)


@pytest.fixture(scope="module")
def unrelated(tmp_path_factory, soft):
    """Return a folder of images of which no two share anything."""
    folder = tmp_path_factory.mktemp("unrelated") / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(N_IMAGES):
        write_image(folder / f"{number:02}.png", soft(100 + number, rng.integers(-60, 60, 3)))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def run(unrelated, backbone, cache):
    return workflows.calibrate_backbone(unrelated, backbone, cache=cache)


def test_a_calibration_compares_every_pair_of_what_can_be_compared(run):
    n = N_IMAGES - run.n_undecided
    assert run.fallback.calibration.together.n_pairs == n * (n - 1) // 2 == len(run.cosines)
    assert run.worst[0].score == run.cosines.max()


def test_what_both_are_worth_together_is_fitted_to_the_largest_sum_over_the_symmetries():
    rng = np.random.default_rng(0)
    cosines, waves = rng.uniform(0, 0.9, (1000, 8)).astype(np.float32), rng.uniform(0, 2, (1000, 8))
    waves[7, 3], cosines[7, 4] = 6, 0.95  # in different symmetries: not added
    known = fit_backbone_calibration(cosines, waves, n_images=46, matcher="")
    together = waves + known.significance(cosines)
    assert known.together.highest == pytest.approx(together.max())
    assert known.closeness.highest == pytest.approx(-np.log(0.05), rel=1e-5)


def test_no_pair_that_was_measured_is_a_copy_by_the_calibration(run, unrelated):
    assert workflows.find_copies_among(unrelated, fallback=run.fallback).findings == ()


def test_workers_change_no_calibration(run, unrelated, backbone):
    assert workflows.calibrate_backbone(unrelated, backbone, n_jobs=2).fallback == run.fallback


def test_plain_images_are_skipped_and_broken_ones_listed(run, unrelated, backbone, cache, tmp_path):
    write_image(tmp_path / "plain.png", np.full((50, 50, 3), 90, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    measured = workflows.calibrate_backbone([unrelated, tmp_path], backbone, cache=cache)
    assert measured.n_undecided == run.n_undecided + 1
    assert [failure.path.name for failure in measured.failures] == ["broken.png"]
    assert measured.fallback.calibration == run.fallback.calibration


def test_too_few_images_to_calibrate_are_an_error(unrelated, backbone, cache):
    files = sorted(unrelated.iterdir())
    with pytest.raises(NotEnoughDataError, match=r"too few pairs of images to fit a tail: \d+; at least 200"):
        workflows.calibrate_backbone(files[:5], backbone, cache=cache)
    with pytest.raises(NotEnoughDataError, match=r"too few pairs of images to fit a tail: \d+; at least 200"):
        workflows.calibrate_backbone(files[:1], backbone, cache=cache)


def test_a_calibration_file_is_read_back(run, backbone, tmp_path):
    workflows.write_calibration(tmp_path / "c.json", run)
    assert workflows.read_fallback(backbone, tmp_path / "c.json") == run.fallback


def test_a_calibration_file_of_another_network_is_refused(run, make_network, tmp_path):
    workflows.write_calibration(tmp_path / "c.json", run)
    other = OnnxBackbone(make_network(weights=((1.0,), (2.0,), (3.0,))), preprocessing="imagenet")
    with pytest.raises(SettingsError, match="measured with another network"):
        workflows.read_fallback(other, tmp_path / "c.json")


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"kind": "classicvision-calibration", "format_version": 1})])
def test_another_file_is_not_a_calibration_of_a_network(backbone, tmp_path, content):
    (tmp_path / "c.json").write_text(content, "utf-8")
    with pytest.raises(SettingsError, match="not a calibration of a network"):
        workflows.read_fallback(backbone, tmp_path / "c.json")
