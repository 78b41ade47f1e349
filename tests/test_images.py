"""Image files: reading, writing, and the reason given for each file that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as PillowImage

from classicvision.errors import ImageReadError, ImageWriteError, SettingsError
from classicvision.images import read_bytes, read_image, shrink, to_gray, write_image

LOSSLESS = [".png", ".bmp", ".ppm", ".tif", ".tiff"]


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def reason_for(path: Path) -> str:
    with pytest.raises(ImageReadError) as caught:
        read_image(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("extension", LOSSLESS)
def test_lossless_formats_return_the_same_pixels(tmp_path, image, extension):
    write_image(tmp_path / f"a{extension}", image)
    assert_array_equal(read_image(tmp_path / f"a{extension}"), image)


@pytest.mark.parametrize("extension", [".jpg", ".JPEG", ".webp"])
def test_an_even_colour_survives_lossy_formats_within_two_levels(tmp_path, extension):
    orange = np.full((16, 16, 3), (230, 120, 40), np.uint8)
    write_image(tmp_path / f"a{extension}", orange)
    assert np.abs(read_image(tmp_path / f"a{extension}").astype(int) - orange).max() <= 2


def test_the_first_channel_is_red(tmp_path):
    PillowImage.new("RGB", (2, 1), "red").save(tmp_path / "red.png")
    assert_array_equal(read_image(tmp_path / "red.png"), [[[255, 0, 0], [255, 0, 0]]])


def test_paths_may_contain_spaces_and_any_script(tmp_path, image):
    folder = tmp_path / "Фото – 写真 é" / "with spaces"
    folder.mkdir(parents=True)
    write_image(folder / "naïve 100%.png", image)
    assert_array_equal(read_image(str(folder / "naïve 100%.png")), image)


def test_the_format_is_detected_from_the_content(tmp_path, image):
    write_image(tmp_path / "a.png", image)
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert_array_equal(read_image(tmp_path / "a.jpg"), image)


def test_a_missing_file_is_reported(tmp_path):
    assert "no such file" in reason_for(tmp_path / "gone.jpg")


def test_an_empty_file_is_reported(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert "0 bytes" in reason_for(tmp_path / "a.jpg")


def test_a_folder_named_like_an_image_is_reported(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    assert "is a folder" in reason_for(tmp_path / "x.jpg")


def test_text_named_like_an_image_is_shown(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>404 Not Found</html>")
    assert "is not a supported image (looks like text: b'<html>404" in reason_for(tmp_path / "a.jpg")


def test_a_dangling_link_is_reported(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    assert "is a dangling link" in reason_for(tmp_path / "a.jpg")


def test_a_link_to_itself_is_reported(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "a.jpg")
    assert "cannot be read" in reason_for(tmp_path / "a.jpg")


def test_a_path_with_a_zero_byte_is_reported(tmp_path):
    assert "cannot be read" in reason_for(tmp_path / "a\0.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert "pipe" in reason_for(tmp_path / "a.jpg")


def test_a_file_without_permission_is_reported(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(b"x")

    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    # Mocked, because root can read everything.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "permission denied" in reason_for(tmp_path / "a.jpg")


def test_a_file_of_more_than_two_gigabytes_is_not_loaded(tmp_path):
    with (tmp_path / "a.tif").open("wb") as file:
        file.truncate(2**31 + 1)  # sparse: takes no room on the disk
    assert "at most 2,147,483,648" in reason_for(tmp_path / "a.tif")


def test_the_limit_on_pixels_can_be_lowered(tmp_path, image):
    write_image(tmp_path / "a.png", image)
    assert read_image(tmp_path / "a.png", max_pixels=35).shape == (5, 7, 3)
    with pytest.raises(ImageReadError, match="7 x 5 = 35 pixels; the limit is 34"):
        read_image(tmp_path / "a.png", max_pixels=34)


def test_read_bytes_returns_the_file_as_it_is(tmp_path):
    (tmp_path / "a").write_bytes(b"\x00\xff")
    assert read_bytes(tmp_path / "a") == b"\x00\xff"


@pytest.mark.parametrize("name", ["a.gif", "a", "a.txt", ".png"])
def test_a_name_with_an_unsupported_extension_is_not_written(tmp_path, image, name):
    with pytest.raises(ImageWriteError, match="use one of"):
        write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)])
def test_an_array_that_is_not_an_image_is_not_written(tmp_path, array):
    with pytest.raises(ImageWriteError, match="is not an image; expected uint8"):
        write_image(tmp_path / "a.png", array)


def test_a_folder_that_does_not_exist_cannot_be_written_to(tmp_path, image):
    with pytest.raises(ImageWriteError, match=r"gone/a.png: cannot be written \(No such file or directory\)$"):
        write_image(tmp_path / "gone" / "a.png", image)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, image, monkeypatch):
    write_image(tmp_path / "a.png", image)

    def run_out_of_space(_image, file, **_options):
        file.write(b"half an im")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PillowImage.Image, "save", run_out_of_space)
    with pytest.raises(ImageWriteError, match="No space left"):
        write_image(tmp_path / "a.png", 255 - image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert_array_equal(read_image(tmp_path / "a.png"), image)


def test_a_view_of_an_image_can_be_written(tmp_path, image):
    write_image(tmp_path / "a.png", image[::-1, ::2])
    assert_array_equal(read_image(tmp_path / "a.png"), image[::-1, ::2])


def test_grey_is_the_luma_of_red_green_and_blue():
    primaries = np.diag([255, 255, 255]).astype(np.uint8)[np.newaxis]
    assert_array_equal(to_gray(primaries), [[76, 150, 29]])  # 255 times 0.299, 0.587, 0.114


def test_shrinking_by_two_averages_four_pixels():
    image = np.repeat(np.array([[0, 10, 100, 100], [20, 30, 100, 100]], np.uint8)[:, :, np.newaxis], 3, axis=2)
    assert_array_equal(shrink(image, 2)[:, :, 0], [[15, 100]])


@pytest.mark.parametrize(("size", "max_side", "expected"), [((30, 20), 15, (15, 10)), ((1000, 3), 10, (10, 1))])
def test_shrinking_keeps_the_aspect_ratio_and_at_least_one_pixel(size, max_side, expected):
    assert shrink(np.zeros((*size, 3), np.uint8), max_side).shape == (*expected, 3)


def test_a_small_image_is_not_enlarged(image):
    assert shrink(image, 7) is image


def test_a_side_of_zero_pixels_is_refused(image):
    with pytest.raises(SettingsError, match="max_side is 0"):
        shrink(image, 0)
