"""Networks as extractors: every kind of file gives the features computed by hand, wherever it is."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from classicvision import config, extract, read_image
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import PRESETS, Preprocessing
from classicvision.errors import BackboneError, SettingsError
from classicvision.images import write_image

RAW = Preprocessing(white=255.0, resize="none", crop=8)
WEIGHTS = ((1.0, 0.0), (0.0, 1.0), (0.0, 2.0))


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def mean_color(image):
    return image.reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"layout": "NHWC"},
        {"half": True},
        {"half": True, "layout": "NHWC", "batch": 1},
        {"batch": 1, "size": 8},
        {"batch": 4},
        {"opset": 7},
        {"opset": 7, "half": True, "batch": 1},
        {"opset": 21},
        {"external": True},
    ],
    ids=str,
)
def test_every_kind_of_file_gives_the_input_of_its_last_layer(make_network, image, mean_color, kind):
    vector = OnnxBackbone(make_network(**kind), preprocessing=RAW)(image)
    assert vector.dtype == np.float32
    assert_allclose(vector, mean_color, rtol=2e-3 if kind.get("half") else 1e-5)


@pytest.mark.parametrize(
    ("stage", "pooling", "expected"),
    [
        ("penultimate", "average", lambda pixels: pixels.mean(axis=0)),
        ("output", "average", lambda pixels: pixels.mean(axis=0) @ WEIGHTS),
        ("logits", "average", lambda pixels: pixels.mean(axis=0) @ WEIGHTS),
        ("stage1", "average", lambda pixels: pixels.mean(axis=0)),
        ("pixels", "max", lambda pixels: pixels.max(axis=0)),
        ("pixels", "gem", lambda pixels: (pixels**3.0).mean(axis=0) ** (1 / 3)),
    ],
)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_stage_is_pooled_over_its_positions(make_network, image, layout, stage, pooling, expected):
    path = make_network(weights=WEIGHTS, layout=layout)
    vector = OnnxBackbone(path, stage, RAW, pooling)(image)
    assert_allclose(vector, expected(image.reshape(-1, 3).astype(float)), rtol=1e-5)


def test_channels_that_come_last_inside_the_network_are_found(make_network, image, mean_color):
    path = make_network(layout="NHWC")
    model = onnx.load(path)
    model.graph.node.insert(2, onnx.helper.make_node("Transpose", ["pixels"], ["transposed"], perm=[0, 2, 3, 1]))
    onnx.save(model, path)
    vector = OnnxBackbone(path, "transposed", RAW)(image)
    assert_allclose(vector, mean_color, rtol=1e-5)


@pytest.mark.parametrize(("views", "n_views"), [("one", 1), ("mirror", 2), ("whole", 4), ("ten-crop", 10)])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_a_vector_is_the_mean_over_the_views(make_network, image, views, n_views, batch):
    backbone = OnnxBackbone(
        make_network(batch=batch), preprocessing=dataclasses.replace(RAW, crop=5), pooling="max", views=views
    )
    tensors = backbone.tensors(image)
    assert tensors.shape == (n_views, 3, 5, 5)
    assert_allclose(backbone(image), tensors.mean(axis=(2, 3)).mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("views", ["mirror", "whole"])
def test_a_flipped_image_has_the_same_vector_if_both_views_count(make_network, make_image, views):
    backbone = OnnxBackbone(make_network(), preprocessing="imagenet", views=views)
    # The crop of an odd margin is not symmetric, hence even sides.
    image = make_image(0)[:, :160]
    assert_allclose(backbone(image), backbone(image[:, ::-1]), rtol=1e-5)


def test_the_path_of_the_file_is_not_compared(make_network, tmp_path):
    path = make_network()
    copy = tmp_path / "copy.onnx"
    shutil.copy(path, copy)
    a, b = OnnxBackbone(path, preprocessing=RAW), OnnxBackbone(copy, preprocessing=RAW)
    assert a == b
    assert config.fingerprint(a) == config.fingerprint(b)


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "output"},
        {"pooling": "max"},
        {"views": "mirror"},
        {"preprocessing": PRESETS["imagenet"]},
        {"sha256": "0" * 64},
    ],
    ids=str,
)
def test_everything_that_affects_the_vector_is_in_the_fingerprint(make_network, change):
    backbone = OnnxBackbone(make_network(), preprocessing=RAW)
    assert config.fingerprint(dataclasses.replace(backbone, **change)) != config.fingerprint(backbone)


def test_external_weights_are_part_of_the_digest(make_network):
    path = make_network(external=True)
    before = OnnxBackbone(path, preprocessing=RAW).sha256
    weights = path.parent / "weights.bin"
    data = bytearray(weights.read_bytes())
    data[0] ^= 1
    weights.write_bytes(data)
    assert OnnxBackbone(path, preprocessing=RAW).sha256 != before


def test_settings_round_trip_through_plain_values(make_network):
    backbone = OnnxBackbone(make_network(), preprocessing="caffe", views="ten-crop")
    plain = json.loads(json.dumps(config.to_dict(backbone)))
    again = config.from_dict(OnnxBackbone, plain)
    assert again == backbone
    assert again.path == backbone.path


def test_the_preprocessing_is_read_from_the_file(make_network):
    assert OnnxBackbone(make_network(preprocessing="caffe")).preprocessing == PRESETS["caffe"]
    values = json.dumps(config.to_dict(RAW))
    assert OnnxBackbone(make_network(preprocessing=values)).preprocessing == RAW


@pytest.mark.parametrize("stated", ["{", "[]", '{"white": 0}', '{"hue": 1}', "resnet"])
def test_invalid_preprocessing_in_metadata_is_an_error(make_network, stated):
    with pytest.raises(BackboneError, match=r"classicvision\.preprocessing"):
        OnnxBackbone(make_network(preprocessing=stated))


def test_preprocessing_that_is_not_stated_is_not_guessed(make_network):
    with pytest.raises(BackboneError, match="imagenet, caffe, googlenet-zoo, inception"):
        OnnxBackbone(make_network())


def test_a_given_preprocessing_overrides_that_of_the_file(make_network):
    assert OnnxBackbone(make_network(preprocessing="caffe"), preprocessing=RAW).preprocessing == RAW


def test_an_unknown_stage_is_an_error_that_lists_the_stages(make_network, image):
    with pytest.raises(BackboneError, match=r"'layer9'\. Its stages are penultimate, output, stage1"):
        OnnxBackbone(make_network(), "layer9", RAW)(image)


def test_the_head_that_inspection_lists_is_the_output(make_network, image):
    network = make_network()
    of_head, of_output = (OnnxBackbone(network, stage, RAW)(image) for stage in ("head", "output"))
    assert_array_equal(of_head, of_output)


def test_a_crop_of_another_size_than_the_network_takes_is_an_error_with_both(make_network, image):
    backbone = OnnxBackbone(make_network(size=6), preprocessing=RAW)
    with pytest.raises(BackboneError, match=r"takes images 6 pixels high.*crops 8"):
        backbone(image)


def test_a_replaced_file_is_detected_when_it_is_opened(make_network, image):
    path = make_network()
    backbone = OnnxBackbone(path, preprocessing=RAW)
    shutil.copy(make_network(weights=WEIGHTS), path)
    with pytest.raises(BackboneError, match="another network"):
        backbone(image)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(BackboneError, match="no file"):
        OnnxBackbone(tmp_path / "gone.onnx", preprocessing=RAW)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"stage": ""}, "stage"), ({"pooling": "sum"}, "pooling"), ({"views": "two"}, "views"), ({"sha256": "1"}, "sha")],
)
def test_a_value_out_of_range_is_an_error_that_names_the_field(make_network, settings, name):
    with pytest.raises(SettingsError, match=name):
        OnnxBackbone(**{"path": make_network(), "preprocessing": RAW} | settings)


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8), np.zeros((8, 8, 3))])
def test_an_array_that_is_not_an_rgb_image_is_refused(make_network, image):
    with pytest.raises((TypeError, ValueError), match=r"expected "):
        OnnxBackbone(make_network(), preprocessing=RAW)(image)


def test_features_that_are_not_finite_are_an_error(make_network, image):
    backbone = OnnxBackbone(make_network(weights=((1e30,), (1e30,), (1e30,))), "output", preprocessing=RAW)
    huge = dataclasses.replace(backbone, preprocessing=dataclasses.replace(RAW, mean=(-1e30,) * 3))
    with pytest.raises(ValueError, match="not finite"):
        huge(image)


def test_workers_give_the_same_bits(make_network, make_image, tmp_path):
    paths = [tmp_path / f"{seed}.png" for seed in range(6)]
    for seed, path in enumerate(paths):
        write_image(path, make_image(seed))
    backbone = OnnxBackbone(make_network(), preprocessing="imagenet", views="mirror")
    alone, shared_out = (extract(paths, backbone, n_jobs=n).items for n in (1, 2))
    for path, a, b in zip(paths, alone, shared_out, strict=True):
        assert_array_equal(a, backbone(read_image(path)))
        assert_array_equal(a, b)


def test_importing_the_extractor_loads_no_runtime():
    code = "import sys; import classicvision.backbone.onnx; sys.exit(bool({'onnx', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
