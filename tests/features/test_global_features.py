"""Global features: equal pixels have equal digests in every lossless format, and the bytes are read back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as PillowImage

from classicvision.features.global_features import (
    GLOBAL_BYTES,
    ONE_COLOUR,
    GlobalExtractor,
    GlobalFeatures,
    pixel_digest,
)
from classicvision.features.phash import PerceptualHash, pack_signs, unpack_signs
from classicvision.images import read_image
from classicvision.synthetic import canary


def test_signs_are_unpacked_as_they_were_packed():
    signs = np.random.default_rng(0).choice([-1, 0, 1], (5, 256)).astype(np.float32)
    packed = pack_signs(signs)
    assert (packed.shape, packed.dtype) == ((5, 64), np.uint8)
    assert_array_equal(unpack_signs(packed), signs)


def test_the_vector_of_an_image_holds_its_digest_and_its_hash():
    image = canary()
    vector = GlobalExtractor()(image)
    assert (vector.shape, vector.dtype) == ((GLOBAL_BYTES,), np.uint8)
    found = GlobalFeatures.from_vector(vector)
    assert found.pixels == pixel_digest(image)
    assert_array_equal(found.signs, PerceptualHash()(image))
    with pytest.raises(ValueError, match=r"expected \(96,\)"):
        GlobalFeatures.from_vector(vector[:95])


def test_one_level_of_one_pixel_changes_the_digest_and_so_do_the_dimensions():
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = 9
    other = image.copy()
    other[3, 5, 2] = 1
    assert len({pixel_digest(image), pixel_digest(other), pixel_digest(image.reshape(6, 4, 3))}) == 3


def test_images_of_one_colour_have_one_digest_that_says_so():
    assert pixel_digest(np.zeros((4, 6, 3), np.uint8)) == pixel_digest(np.full((9, 2, 3), 7, np.uint8)) == ONE_COLOUR


def test_a_view_with_strides_has_the_digest_of_its_copy():
    image = canary()
    assert pixel_digest(image[:, ::-1]) == pixel_digest(image[:, ::-1].copy())


def test_format_metadata_palette_and_opaque_alpha_do_not_change_the_digest(tmp_path):
    image = PillowImage.fromarray(np.where(canary() > 128, 255, 0).astype(np.uint8))  # eight colours
    rotated = image.transpose(PillowImage.Transpose.ROTATE_90)
    upright = PillowImage.Exif()
    upright[0x0112] = 6  # rotate by 90 degrees clockwise to show
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    image.save(tmp_path / "c.tiff")
    image.save(tmp_path / "d.webp", lossless=True)
    image.convert("P", palette=PillowImage.Palette.ADAPTIVE).save(tmp_path / "e.png")
    image.convert("RGBA").save(tmp_path / "f.png", dpi=(300, 300))
    rotated.save(tmp_path / "g.png", exif=upright)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 7
    assert {pixel_digest(read_image(file)) for file in files} == {pixel_digest(np.asarray(image))}
