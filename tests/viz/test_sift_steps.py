"""The sheet of SIFT's steps: counts in its panels, complete files, and unusual images."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image as PillowImage
from skimage import data

from classicvision.errors import ImageWriteError
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift, trace
from classicvision.viz.sift_steps import representative_keypoint, sift_steps_sheet, write_sift_steps


@pytest.fixture(scope="module")
def image():
    return np.ascontiguousarray(data.astronaut()[0:120, 160:320])


@pytest.fixture(scope="module")
def steps(image):
    return trace(image)


@pytest.fixture(scope="module")
def sheet(image, steps):
    return sift_steps_sheet(image, steps)


@pytest.fixture
def empty_sheet(monkeypatch):
    """Skip the drawing in tests of the file."""
    monkeypatch.setattr("classicvision.viz.sift_steps.sift_steps_sheet", lambda *_: Figure())


def titles(sheet):
    return [axes.get_title() for part in sheet.subfigs for axes in part.axes]


def test_titles_count_the_extrema_left_after_each_step(sheet, steps):
    for name, blobs in (
        ("extrema among 26 neighbours", steps.candidates),
        ("interpolated between samples", steps.refined),
        ("enough contrast", steps.strong),
        ("not on an edge", steps.kept),
        ("keypoints and their angles", steps.features),
    ):
        assert f"{name}: {len(blobs):,}" in titles(sheet)


def test_every_level_of_the_octave_at_image_resolution_is_shown(sheet, steps):
    shown = [title for title in titles(sheet) if title.startswith("σ = ")]
    assert shown == [f"σ = {1.6 * 2 ** (layer / 3):.2f} pixels" for layer in range(5)]


def test_one_circle_is_drawn_for_each_blob(sheet, steps):
    panels = sheet.subfigs[3].axes
    drawn = [len(axes.collections[0].get_offsets()) for axes in panels]
    assert drawn == [len(blobs) for blobs in (steps.candidates, steps.refined, steps.strong, steps.kept)]


def test_the_histogram_has_the_128_bins_of_one_keypoint(sheet, steps):
    heights = [bar.get_height() for bar in sheet.subfigs[4].axes[2].patches]
    assert heights == steps.features[representative_keypoint(steps.features)].descriptors[0].tolist()


def test_no_text_leaves_the_sheet_or_overlaps_another(sheet):
    sheet.draw_without_rendering()
    texts = [axes.title for part in sheet.subfigs for axes in part.axes] + [part._suptitle for part in sheet.subfigs]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
    assert all(box.x1 <= sheet.bbox.x1 and box.y1 <= sheet.bbox.y1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_keypoint_shown_is_a_large_one_inside_the_image():
    features = LocalFeatures(
        xy=np.array([[100, 100], [2, 2], [100, 100]]),
        scale=np.array([0.8, 5, 5]),
        angle=np.zeros(3),
        response=np.array([0.2, 0.1, 0.05]),
        descriptors=np.zeros((3, 128)),
        image_size=(200, 200),
    )
    assert representative_keypoint(features) == slice(2, 3)


@pytest.mark.parametrize("shape", [(1, 1), (40, 60)])
def test_the_sheet_of_an_image_without_keypoints_says_so(tmp_path, shape):
    blank = np.full((*shape, 3), 128, np.uint8)
    assert "no keypoints" in titles(sift_steps_sheet(blank, trace(blank)))


def test_the_png_is_complete_and_reproducible(tmp_path, image, steps):
    written = []
    for name in ("a.png", "b.PNG"):
        assert write_sift_steps(tmp_path / name, image) == len(steps.features)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert PillowImage.open(io.BytesIO(written[0])).format == "PNG"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.PNG"]


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
@pytest.mark.usefixtures("empty_sheet")
def test_the_suffix_selects_a_vector_format(tmp_path, ending, start):
    write_sift_steps(tmp_path / f"a.{ending}", np.zeros((16, 16, 3), np.uint8))
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(start)


def test_a_large_image_is_shrunk_unless_max_side_is_set(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        "classicvision.viz.sift_steps.sift_steps_sheet", lambda _, steps: sizes.append(steps.gray.shape)
    )
    monkeypatch.setattr("classicvision.viz.sift_steps._encode", lambda *_: b"")
    large = np.zeros((350, 700, 3), np.uint8)
    write_sift_steps(tmp_path / "a.png", large)
    write_sift_steps(tmp_path / "a.png", large, Sift(max_side=100))
    assert sizes == [(320, 640), (50, 100)]


def test_an_unknown_suffix_is_refused_before_any_work(tmp_path, image):
    with pytest.raises(ImageWriteError, match=r"'\.docx' is not a format"):
        write_sift_steps(tmp_path / "a.docx", image)


@pytest.mark.usefixtures("empty_sheet")
def test_a_failed_write_keeps_the_previous_sheet(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"earlier")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ImageWriteError, match="disk full"):
        write_sift_steps(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"earlier"


@pytest.mark.usefixtures("empty_sheet")
def test_the_settings_of_matplotlib_do_not_change(tmp_path):
    before = dict(matplotlib.rcParams)
    write_sift_steps(tmp_path / "a.svg", np.zeros((8, 8, 3), np.uint8))
    assert dict(matplotlib.rcParams) == before
