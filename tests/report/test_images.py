"""Thumbnails are small, whole and inside the page."""

from __future__ import annotations

import base64

import numpy as np

from classicvision.decoding import decode_image
from classicvision.images import write_image
from classicvision.report.images import thumbnail


def test_thumbnail_is_a_jpeg_with_its_longer_side_reduced(tmp_path):
    write_image(tmp_path / "a.png", np.full((100, 400, 3), 200, np.uint8))
    head, data = thumbnail(tmp_path / "a.png", 80).split(",")
    assert head == "data:image/jpeg;base64"
    assert decode_image(base64.b64decode(data), "a").shape == (20, 80, 3)


def test_a_file_that_is_not_an_image_has_no_thumbnail(tmp_path):
    (tmp_path / "a.jpg").write_text("words")
    assert thumbnail(tmp_path / "a.jpg") is None
