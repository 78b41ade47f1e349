"""Two files: what is reported of copies, of equal files, of strangers, and of images without keypoints."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from classicvision import workflows
from classicvision.errors import ImageReadError
from classicvision.images import read_image, write_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pair")
    write_image(root / "a.png", data.astronaut())
    write_image(root / "rotated.jpg", np.ascontiguousarray(np.rot90(data.astronaut()[100:400, 80:420])))
    write_image(root / "other.png", data.coffee())
    y, x = np.mgrid[0:64, 0:64]
    smooth = np.repeat((127 + 60 * np.sin(x / 9) + 60 * np.sin(y / 7)).astype(np.uint8)[:, :, None], 3, axis=2)
    write_image(root / "smooth.png", smooth)
    write_image(root / "smooth.jpg", smooth)
    shutil.copy(root / "a.png", root / "same.png")
    return root


def letter(text):
    """Draw a letter, black on white: too few keypoints to match."""
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).text((20, 8), text, "black", ImageFont.load_default(40))
    return np.asarray(image)


def test_a_rotated_crop_is_a_copy(folder):
    result = workflows.match(folder / "a.png", folder / "rotated.jpg")
    assert (result.verdict, result.method, len(result.regions)) == ("copy", "keypoints", 1)
    assert result.regions[0].share_b > 0.95
    assert result.regions[0].share_a == pytest.approx(300 * 340 / 512**2, rel=0.05)


def test_equal_files_are_copies_by_their_bytes(folder):
    result = workflows.match(folder / "a.png", folder / "same.png")
    assert (result.verdict, result.method) == ("copy", "bytes")
    assert result.regions[0].share_a == 1


@pytest.mark.parametrize("ending", ["bmp", "tif", "webp"])
def test_equal_pixels_are_a_copy_in_any_lossless_format(folder, tmp_path, ending):
    for name, image in [("letter", letter("R")), ("coffee", data.coffee())]:
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        Image.fromarray(image).save(tmp_path / f"{name}.{ending}", lossless=True)
        result = workflows.match(tmp_path / f"{name}.png", tmp_path / f"{name}.{ending}")
        assert (result.verdict, result.method, result.score) == ("copy", "pixels", np.inf)
    assert workflows.match(tmp_path / "letter.png", tmp_path / f"coffee.{ending}").verdict != "copy"


def test_two_blank_images_stay_undecided_unless_their_files_are_equal(folder, tmp_path):
    blank = np.full((40, 60, 3), 255, np.uint8)
    write_image(tmp_path / "a.png", blank)
    write_image(tmp_path / "b.bmp", blank)
    shutil.copy(tmp_path / "a.png", tmp_path / "c.png")
    assert workflows.match(tmp_path / "a.png", tmp_path / "b.bmp").verdict == "cannot decide"
    assert workflows.match(tmp_path / "a.png", tmp_path / "c.png").method == "bytes"


def test_unrelated_images_give_no_evidence(folder):
    assert workflows.match(folder / "a.png", folder / "other.png").verdict == "no evidence"


def test_images_with_too_few_keypoints_are_compared_as_a_whole(folder):
    result = workflows.match(folder / "smooth.png", folder / "smooth.jpg")
    assert result.method == "signature"


def test_the_drawing_has_both_images(folder, tmp_path):
    workflows.match(folder / "a.png", folder / "rotated.jpg", draw=tmp_path / "drawn.png")
    assert read_image(tmp_path / "drawn.png").shape == (512, 512 + 12 + 300, 3)


def test_a_broken_file_is_an_error_that_names_it(folder, tmp_path):
    (tmp_path / "broken.jpg").write_text("nothing")
    with pytest.raises(ImageReadError, match=r"broken\.jpg"):
        workflows.match(folder / "a.png", tmp_path / "broken.jpg")
