"""Preprocessing: sizes, crops, ranges and colours, against numbers on paper and Pillow's own resizing."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image as PillowImage

from classicvision import config
from classicvision.backbone.preprocessing import (
    PRESETS,
    Preprocessing,
    apply,
    centre_and_whole,
    named_preset,
    resized,
    ten_crop,
)
from classicvision.errors import SettingsError

RAW = Preprocessing(white=255.0, resize="none", crop=2)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)


def test_a_channel_is_scaled_then_centred_then_divided():
    image = np.full((2, 2, 3), (51, 102, 255), np.uint8)
    how = Preprocessing(mean=(0.1, 0.2, 0.5), std=(0.1, 0.5, 0.25), resize="none", crop=2)
    tensor = apply(image, how)
    assert tensor.dtype == np.float32
    assert_allclose(tensor[:, 0, 0], [(0.2 - 0.1) / 0.1, (0.4 - 0.2) / 0.5, (1 - 0.5) / 0.25], rtol=1e-6)


def test_blue_comes_first_for_bgr():
    image = np.full((2, 2, 3), (1, 2, 3), np.uint8)
    how = Preprocessing(colors="bgr", white=255.0, mean=(0.0, 0.0, 1.0), resize="none", crop=2)
    assert apply(image, how)[:, 1, 1].tolist() == [3, 2, 0]


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("imagenet", [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]),
        ("caffe", [51 - 104, 0 - 117, 255 - 123]),
        ("googlenet-zoo", [51 - 103.939, 0 - 116.779, 255 - 123.68]),
        ("inception", [1, -1, 51 / 127.5 - 1]),
        ("efficientnet-lite", [(255 - 127) / 128, -127 / 128, (51 - 127) / 128]),
    ],
)
def test_a_preset_has_the_published_numbers(preset, expected):
    image = np.full((300, 400, 3), (255, 0, 51), np.uint8)
    tensor = apply(image, PRESETS[preset])
    assert tensor.shape == (3, 224, 224)
    assert_allclose(tensor[:, 100, 100], expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("shape", [(61, 83), (83, 61), (20, 21)])
def test_resizing_with_antialias_is_within_one_grey_level_of_pillow(noise, method, shape):
    image = noise[: shape[0], : shape[1]]
    found = resized(image, Preprocessing(resize_to=32, crop=32, interpolation=method))
    height, width = image.shape[:2]
    size = (32, 32 * width // height) if height < width else (32 * height // width, 32)
    filters = {"bilinear": 2, "bicubic": 3, "lanczos": 1}
    expected = np.asarray(PillowImage.fromarray(image).resize(size[::-1], filters[method]))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("method", "flag"), [("bilinear", cv2.INTER_LINEAR), ("nearest", cv2.INTER_NEAREST_EXACT)])
def test_resizing_without_antialias_is_within_one_grey_level_of_opencv(noise, method, flag):
    found = resized(noise, Preprocessing(resize="square", resize_to=40, crop=40, interpolation=method, antialias=False))
    expected = cv2.resize(noise, (40, 40), interpolation=flag)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_area_resizing_averages_what_a_pixel_covers():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = np.array([0, 40, 80, 120]).reshape(2, 2, 1)
    how = Preprocessing(resize="square", resize_to=2, crop=2, interpolation="area")
    assert resized(image, how)[..., 0].tolist() == [[60, 0], [0, 0]]


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [("bilinear", (256, 383)), ("area", (256, 384))],  # 640 * 256 / 427 = 383.7
)
def test_the_longer_side_is_rounded_as_the_library_of_the_filter_does(interpolation, expected):
    image = np.zeros((427, 640, 3), np.uint8)
    assert resized(image, Preprocessing(interpolation=interpolation)).shape[:2] == expected


def test_an_image_of_the_right_size_is_unchanged(noise):
    image = noise[:32, :40]
    assert_array_equal(resized(image, Preprocessing(resize_to=32, crop=8)), image)


def test_the_crop_is_the_centre():
    image = np.zeros((4, 6, 3), np.uint8)
    image[1:3, 2:4] = 255
    assert_array_equal(apply(image, RAW), np.full((3, 2, 2), 255))


@pytest.mark.parametrize(("margin", "expected"), [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (9, 4), (11, 6)])
def test_at_an_odd_margin_the_crop_begins_where_torchvisions_does(margin, expected):
    # torchvision's center_crop begins at int(round((height - crop) / 2.0)); Python rounds 0.5 to 0, 1.5 and 2.5 to 2,
    # 3.5 and 4.5 to 4, 5.5 to 6.
    image = np.zeros((2 + margin, 2 + margin, 3), np.uint8)
    image[..., 0] = np.arange(2 + margin)[:, np.newaxis]  # red is the row, green the column
    image[..., 1] = np.arange(2 + margin)
    assert apply(image[:, :2], RAW)[0, :, 0].tolist() == [expected, expected + 1]
    assert apply(image[:2], RAW)[1, 0].tolist() == [expected, expected + 1]


def test_ten_crops_are_the_centre_the_corners_and_their_flips():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = np.arange(16).reshape(4, 4)
    views = ten_crop(image, RAW)
    assert views.shape == (10, 3, 2, 2)
    assert views[:, 0, 0, 0].tolist() == [5, 0, 2, 8, 10, 6, 1, 3, 9, 11]
    assert_array_equal(views[0], apply(image, RAW))


def test_the_whole_view_reaches_the_borders_and_the_centre_keeps_its_aspect_ratio():
    image = np.zeros((4, 8, 3), np.uint8)
    image[..., 0] = 2 * np.arange(8)
    views = centre_and_whole(image, dataclasses.replace(RAW, interpolation="area"))
    assert views.shape == (4, 3, 2, 2)
    assert views[:, 0, 0].tolist() == [[6, 8], [3, 11], [8, 6], [11, 3]]  # 3 and 11 are the means of four columns
    assert_array_equal(views[0], apply(image, RAW))


def test_a_whole_image_that_is_squeezed_anyway_gives_one_view(noise):
    how = PRESETS["googlenet-zoo"]
    views = centre_and_whole(noise, how)
    assert_array_equal(views[0], apply(noise, how))
    assert_array_equal(views[1:], views[:1, ..., ::-1])


def test_an_image_smaller_than_the_crop_is_an_error_that_names_both():
    with pytest.raises(ValueError, match="3 x 1 pixels; the network takes 2 x 2"):
        apply(np.zeros((1, 3, 3), np.uint8), RAW)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"white": 0.0}, "white"),
        ({"std": (1.0, 0.0, 1.0)}, "std"),
        ({"mean": (1.0, 2.0)}, "mean"),
        ({"crop": 0}, "crop"),
        ({"crop": 300}, "crop"),
        ({"resize_to": 100_000}, "resize_to"),
        ({"interpolation": "area", "antialias": False}, "antialias"),
        ({"colors": "gray"}, "colors"),
    ],
)
def test_a_value_out_of_range_is_an_error_that_names_the_field(settings, name):
    with pytest.raises(SettingsError, match=name):
        Preprocessing(**settings)


def test_an_unknown_preset_is_an_error_that_lists_the_presets():
    with pytest.raises(SettingsError, match="'resnet'; choose from imagenet, caffe"):
        named_preset("resnet")


@given(
    st.builds(
        Preprocessing,
        colors=st.sampled_from(["rgb", "bgr"]),
        white=st.sampled_from([1.0, 255.0]),
        mean=st.tuples(*[st.floats(-200, 200)] * 3),
        std=st.tuples(*[st.floats(0.01, 200)] * 3),
        crop=st.integers(1, 224),
    )
)
def test_preprocessing_round_trips_through_plain_values(how):
    assert config.from_dict(Preprocessing, config.to_dict(how)) == how
