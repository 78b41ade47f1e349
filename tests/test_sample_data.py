"""The sample images that come with the project are what data/README.md says."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from classicvision.folders import ImageFolder, find_images
from classicvision.images import read_image, to_gray

CLASSES = ("brick", "coffee", "coins", "grass", "gravel", "stars", "tissue")


@pytest.fixture(scope="module")
def sets(checkout):
    return {name: ImageFolder.open(checkout / "data" / name) for name in ("textures", "held-out")}


@pytest.mark.parametrize(("name", "n_images"), [("textures", 20), ("held-out", 5)])
def test_each_class_has_its_number_of_images(sets, name, n_images):
    assert sets[name].classes == CLASSES
    assert [sets[name].labels.count(label) for label in CLASSES] == [n_images] * len(CLASSES)


def test_all_images_together_take_less_than_a_megabyte(sets):
    assert sum(path.stat().st_size for images in sets.values() for path in images.paths) < 1_000_000


def test_no_image_is_a_duplicate(sets):
    digests = [hashlib.sha256(read_image(path)).digest() for images in sets.values() for path in images.paths]
    assert len(set(digests)) == len(digests)


def test_images_are_grey_squares_of_128_pixels(sets):
    for path in sets["held-out"].paths:
        image = read_image(path)
        assert image.shape == (128, 128, 3)
        assert (image == image[:, :, :1]).all()


def test_nearly_all_images_have_enough_keypoints(sets):
    sift = cv2.SIFT_create()
    counts = np.array([len(sift.detect(to_gray(read_image(path)), None)) for path in sets["textures"].paths])
    assert counts.min() >= 3
    assert (counts >= 20).mean() > 0.85


def test_the_script_reproduces_the_images(checkout, tmp_path, sets):
    subprocess.run([sys.executable, checkout / "data" / "make_textures.py", tmp_path], check=True)
    for name, images in sets.items():
        made = ImageFolder.open(tmp_path / name)
        assert made.labels == images.labels
        for old, new in zip(images.paths, made.paths, strict=True):
            difference = np.abs(read_image(old).astype(int) - read_image(new))
            assert difference.mean() < 2  # the versions of OpenCV interpolate a little differently


def test_the_script_reproduces_the_copies(checkout, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run([sys.executable, checkout / "data" / "make_copies.py", tmp_path], env=environment, check=True)
    kept = find_images(checkout / "data" / "copies")
    made = find_images(tmp_path / "copies")
    assert len(kept) == 12
    assert [path.name for path in made] == [path.name for path in kept]
    for old, new in zip(kept, made, strict=True):
        # Half of the pixels, because OpenCV 4 and 5 write text in different fonts.
        assert np.median(np.abs(read_image(old).astype(int) - read_image(new))) < 3


def test_each_class_has_its_source_and_terms_in_the_readme(checkout):
    text = (checkout / "data" / "README.md").read_text(encoding="utf-8")
    for label in CLASSES:
        assert f"| `{label}` |" in text
