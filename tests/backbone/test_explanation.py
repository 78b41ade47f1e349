"""Explanations of networks whose output can be worked out on paper."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from classicvision.backbone.explanation import (
    class_activation,
    image_of_tensor,
    log_odds,
    occlusion_map,
    stage_maps,
    strongest,
)
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import PRESETS, Preprocessing, apply
from classicvision.backbone.weights import first_filters, last_layer

SIDE = 8  # pixels
PLAIN = Preprocessing(resize="square", resize_to=SIDE, crop=SIDE)  # numbers from 0 to 1
RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(left, right):
    """Return an image of 8 x 8 pixels with two colours."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, : SIDE // 2], image[:, SIDE // 2 :] = left, right
    return image


@pytest.fixture
def network(tmp_path):
    """Return a function that makes a network: one map per colour, pooled, and 3 * red or 2 * blue as scores."""
    from onnx import TensorProto, helper, numpy_helper, save

    def make(*nodes, filters=None, **more):
        weights = {
            "filters": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1) if filters is None else filters,
            "w": np.array([[3, 0, 0], [0, 0, 2]], np.float32),
            "b": np.array([0.5, -0.5], np.float32),
            **more,
        }
        graph = helper.make_graph(
            [helper.make_node(operator, inputs, outputs, **values) for operator, inputs, outputs, values in nodes],
            "net",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(values, name) for name, values in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path / "net.onnx"
        save(model, path)
        return OnnxBackbone(str(path), preprocessing=PLAIN), path

    return make


CONV = ("Conv", ["images", "filters"], ["maps"], {})
POOL = ("GlobalAveragePool", ["maps"], ["pooled"], {})
FLAT = ("Flatten", ["pooled"], ["code"], {})
GEMM = ("Gemm", ["code", "w", "b"], ["scores"], {"transB": 1})


def test_the_class_activation_map_shows_each_class_where_its_colour_is(network):
    backbone, path = network(CONV, POOL, FLAT, GEMM)
    red, reason = class_activation(backbone, path, halves(RED, BLUE), 0)
    assert reason == ""
    assert_allclose(red, np.repeat([[3, 3, 3, 3, 0, 0, 0, 0]], SIDE, axis=0))
    blue, _ = class_activation(backbone, path, halves(RED, BLUE), 1)
    assert_allclose(blue, np.repeat([[0, 0, 0, 0, 2, 2, 2, 2]], SIDE, axis=0))


def test_the_mean_of_the_map_is_the_score_less_the_bias(network):
    backbone, path = network(CONV, POOL, FLAT, GEMM)
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    scores = replace(backbone, stage="scores")(image)
    for row, bias in enumerate((0.5, -0.5)):
        assert_allclose(class_activation(backbone, path, image, row)[0].mean(), scores[row] - bias, rtol=1e-5)


@pytest.mark.parametrize(
    "nodes",
    [
        (CONV, ("ReduceMean", ["maps"], ["code"], {"axes": [2, 3], "keepdims": 0}), GEMM),
        (CONV, ("AveragePool", ["maps"], ["pooled"], {"kernel_shape": [8, 8]}), FLAT, GEMM),
        (CONV, POOL, FLAT, ("MatMul", ["code", "transposed"], ["scores"], {})),
        (CONV, POOL, FLAT, ("Gemm", ["code", "transposed", "b"], ["scores"], {})),
        (CONV, POOL, ("Conv", ["pooled", "points"], ["high"], {}), ("Flatten", ["high"], ["scores"], {})),
        (CONV, POOL, FLAT, ("Gemm", ["code", "w"], ["high"], {"transB": 1}), ("Softmax", ["high"], ["scores"], {})),
    ],
    ids=["mean", "window", "matmul", "gemm", "conv", "softmax"],
)
def test_every_form_of_a_linear_layer_on_averages_has_the_same_map(network, nodes):
    matrix = np.array([[3, 0, 0], [0, 0, 2]], np.float32)
    backbone, path = network(*nodes, transposed=np.ascontiguousarray(matrix.T), points=matrix[..., None, None])
    found, reason = class_activation(backbone, path, halves(RED, BLUE), 0)
    assert reason == ""
    assert_allclose(found[0], [3, 3, 3, 3, 0, 0, 0, 0], atol=1e-6)


def test_a_last_layer_applied_at_every_position_gives_its_output_there(network):
    nodes = (CONV, ("Conv", ["maps", "points"], ["high"], {}), ("GlobalAveragePool", ["high"], ["pooled"], {}))
    points = np.array([[3, 0, 0], [0, 0, 2]], np.float32)[..., None, None]
    backbone, path = network(*nodes, ("Flatten", ["pooled"], ["scores"], {}), points=points)
    assert_allclose(class_activation(backbone, path, halves(BLUE, RED), 0)[0][0], [0, 0, 0, 0, 3, 3, 3, 3])


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ((CONV, ("GlobalMaxPool", ["maps"], ["pooled"], {}), FLAT, GEMM), "not averaged over positions"),
        ((CONV, ("AveragePool", ["maps"], ["pooled"], {"kernel_shape": [7, 7]}), ("Flatten", ["pooled"], ["long"], {}),
          ("Gemm", ["long", "wide"], ["scores"], {})), "does not take one value per feature map"),
        ((CONV, POOL, FLAT, ("Relu", ["code"], ["high"], {}), ("Gemm", ["high", "w"], ["scores"], {"transB": 1})),
         "not averaged over positions"),
        ((CONV, ("Transpose", ["maps"], ["last"], {"perm": [0, 2, 3, 1]}),
          ("Reshape", ["last", "shape"], ["mixed"], {}),
          ("ReduceMean", ["mixed"], ["code"], {"axes": [2], "keepdims": 0}), GEMM),
         "are not the averages of the last feature maps"),
        ((CONV, POOL, FLAT, ("Gemm", ["code", "w"], ["high"], {"transB": 1}), ("Neg", ["high"], ["scores"], {})),
         "changes the order of the scores"),
        ((CONV, POOL, FLAT, ("Gemm", ["code", "w"], ["scores"], {"transB": 1, "alpha": 2.0})), "is not linear"),
    ],
    ids=["max", "window", "relu", "mixed", "negated", "scaled"],
)  # fmt: skip
def test_where_there_is_no_such_map_the_reason_is_given(network, nodes, reason):
    backbone, path = network(*nodes, wide=np.ones((12, 2), np.float32), shape=np.array([0, 3, 64]))
    found, given = class_activation(backbone, path, halves(RED, BLUE), 0)
    assert found.shape == (0, 0)
    assert re.search(reason, given)


def test_covering_evidence_for_a_class_lowers_its_score_and_evidence_against_raises_it(network):
    backbone, _ = network(CONV, POOL, FLAT, GEMM)
    scores = replace(backbone, stage="scores")
    heat = occlusion_map(
        lambda tensors: log_odds(scores.run(tensors), 0), apply(halves(RED, BLUE), PLAIN), side=2, step=2
    )
    assert (heat[:, :4] > 0).all()
    assert (heat[:, 4:] < 0).all()


def test_the_drop_is_that_of_the_squares_that_cover_the_pixel():
    tensor = np.zeros((3, 4, 4), np.float32)
    tensor[:, 0, 0] = 16  # the mean is 1
    heat = occlusion_map(lambda tensors: tensors[:, 0, 0, 0].astype(np.float64), tensor, side=2, step=2)
    assert_allclose(heat, [[15, 15, 0, 0], [15, 15, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_where_squares_overlap_the_drop_is_their_mean():
    tensor = np.zeros((3, 3, 3), np.float32)
    tensor[:, 0, 0] = 9  # the mean is 1; only the first of four squares covers it
    heat = occlusion_map(lambda tensors: tensors[:, 0, 0, 0].astype(np.float64), tensor, side=2, step=1)
    assert_allclose(heat, [[8, 4, 0], [4, 2, 0], [0, 0, 0]])


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 25), st.integers(1, 9))
def test_every_pixel_is_covered_whatever_the_sizes(height, width, side, step):
    tensor = np.zeros((3, height, width), np.float32)
    heat = occlusion_map(lambda tensors: np.zeros(len(tensors)), tensor, side, step)
    assert_array_equal(heat, np.zeros((height, width)))  # a pixel that no square covers would be 0 / 0


def test_log_odds_are_the_same_for_logits_and_their_probabilities():
    logits = np.log(np.array([[0.2, 0.3, 0.5]], np.float32))
    assert_allclose(log_odds(logits + 7, 2), [0], atol=1e-6)
    assert_allclose(log_odds(np.exp(logits), 0), [np.log(0.2 / 0.8)], rtol=1e-5)


def test_log_odds_of_an_unlikely_class_still_follow_its_logit():
    logits = np.array([[0.0, 60.0, 1.0], [5.0, 60.0, 1.0]], np.float32)
    assert_allclose(log_odds(logits, 0), [-60, -55], rtol=1e-6)


def test_log_odds_of_a_single_output_are_that_output():
    assert_array_equal(log_odds(np.array([[3.0], [-2.0]], np.float32), 0), [3, -2])


def test_a_certain_output_has_finite_log_odds():
    assert np.isfinite(log_odds(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), 0)).all()


@pytest.mark.parametrize("name", PRESETS)
def test_converting_a_tensor_back_gives_the_image(name):
    side = PRESETS[name].crop
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    preprocessing = replace(PRESETS[name], resize="none")
    assert_array_equal(image_of_tensor(apply(image, preprocessing), preprocessing), image)


def test_the_strongest_maps_come_first_and_ties_by_number():
    maps = np.array([1, 3, 2, 3, 0], np.float32)[:, None, None] * np.ones((5, 2, 2), np.float32)
    assert strongest(maps, 3).tolist() == [1, 3, 2]


def test_the_maps_of_a_stage_are_those_of_the_strongest_channels(network):
    backbone, _ = network(CONV, POOL, FLAT, GEMM)
    found = stage_maps(replace(backbone, stage="maps"), halves(BLUE, BLUE), 1)
    assert (found.shape, found.channels.tolist()) == ((3, 8, 8), [2])
    assert_array_equal(found.maps, np.ones((1, 8, 8)))


def test_a_stage_without_spatial_axes_has_no_maps(network):
    backbone, _ = network(CONV, POOL, FLAT, GEMM)
    assert stage_maps(backbone, halves(RED, BLUE), 3) is None


def test_the_first_filters_are_the_stored_ones(network):
    filters = np.random.default_rng(0).normal(size=(3, 3, 5, 5)).astype(np.float32)
    _, path = network(("Conv", ["images", "filters"], ["maps"], {"pads": [2] * 4}), POOL, FLAT, GEMM, filters=filters)
    assert_array_equal(first_filters(path), filters)


def test_filters_that_are_unpacked_when_loading_are_shown_unpacked(network):
    unpack = ("DequantizeLinear", ["packed", "scale"], ["unpacked"], {})
    conv = ("Conv", ["images", "unpacked"], ["maps"], {})
    packed = np.arange(-4, 5, dtype=np.int8).reshape(3, 3, 1, 1)
    _, path = network(unpack, conv, POOL, FLAT, GEMM, packed=packed, scale=np.array(0.5, np.float32))
    assert_array_equal(first_filters(path), 0.5 * packed)


def test_a_depthwise_first_layer_has_no_filters_to_show(network):
    depthwise = ("Conv", ["images", "single"], ["maps"], {"group": 3})
    _, path = network(depthwise, POOL, FLAT, GEMM, single=np.ones((3, 1, 1, 1), np.float32))
    assert first_filters(path).shape == (0, 3, 1, 1)


def test_a_network_without_a_linear_layer_has_no_last_layer(network):
    _, path = network(("GlobalAveragePool", ["images"], ["scores"], {}))
    assert last_layer(path) is None


@pytest.mark.parametrize(
    ("name", "preset", "row"), [("mobilenetv2-tf2ptq-w8", "inception", 286), ("googlenet-bvlc-w16", "caffe", 285)]
)
def test_the_class_activation_maps_of_real_networks_average_to_their_scores(name, preset, row, shared):
    from skimage import data

    path = Path(shared, "onnx", f"{name}.onnx")
    backbone = OnnxBackbone(str(path), preprocessing=preset)
    scores = replace(backbone, stage=last_layer(path).scores)
    biases = []
    for image in (data.chelsea(), data.coffee()):
        found, reason = class_activation(backbone, path, image, row)
        assert (found.shape, reason) == ((7, 7), "")
        biases.append(scores(image)[row] - found.mean())
    assert_allclose(biases[0], biases[1], atol=1e-3)


def test_a_layer_on_the_image_itself_is_not_the_last_layer(network):
    _, path = network(CONV, ("GlobalAveragePool", ["maps"], ["scores"], {}))
    assert last_layer(path) is None
