"""Opening and running a network: a bad file raises an error and never crashes the process."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from onnx import TensorProto, helper, numpy_helper

from classicvision.backbone.network import open_network
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import Preprocessing
from classicvision.errors import BackboneError

RAW = Preprocessing(white=255.0, resize="none", crop=8)
IMAGE = np.full((8, 8, 3), (10, 20, 30), np.uint8)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


def not_onnx(path):
    path.write_text("<html>Not found</html>")


def empty(path):
    path.write_bytes(b"")


def without_weights(path):
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (path.parent / "w.bin").unlink()


def edited(edit):
    def damage(path):
        model = onnx.load(path)
        edit(model.graph)
        onnx.save(model, path)

    return damage


def cyclic(graph):
    graph.node[0].input[0] = "pool"


def two_inputs(graph):
    graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 1, 8, 8]))


def text(graph):
    graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.INT64, ["n", 128]))


def zero_batch(graph):
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 0


def grey(graph):
    graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 8, 8]))


def unknown_operator(graph):
    graph.node[1].op_type = "GlobalSomethingPool"


def wrong_weights(graph):
    graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones((7, 2), np.float32), "weights"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "damaged or truncated"),
        (not_onnx, "not an ONNX network"),
        (empty, "is empty"),
        (without_weights, "missing"),
        (edited(cyclic), "cycle"),
        (edited(two_inputs), "2 inputs"),
        (edited(text), "text"),
        (edited(zero_batch), "length 0"),
        (edited(grey), "3 colour channels"),
        (edited(unknown_operator), "GlobalSomethingPool"),
        (edited(wrong_weights), "Gemm"),
    ],
)
def test_a_bad_file_is_an_error_that_says_what_was_found(make_network, damage, words):
    path = make_network()
    damage(path)
    with pytest.raises(BackboneError, match=words) as caught:
        OnnxBackbone(path, "output", RAW)(IMAGE)
    assert str(path) in str(caught.value)


def test_damaged_bytes_never_crash_the_process(make_network):
    path = make_network()
    code = f"""
import numpy as np, pathlib
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import Preprocessing
from classicvision.errors import BackboneError
path = pathlib.Path({str(path)!r})
whole, rng = path.read_bytes(), np.random.default_rng(0)
for _ in range(150):
    data = bytearray(whole)
    for place in rng.integers(0, len(data), rng.integers(1, 4)):
        data[place] ^= 1 << rng.integers(8)
    path.write_bytes(data)
    try:
        OnnxBackbone(path, "output", Preprocessing(resize="none", crop=8))(np.zeros((8, 8, 3), np.uint8))
    except (BackboneError, ValueError):
        pass
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_layers_of_a_stage_are_opened(make_network):
    network = open_network(make_network(weights=((1.0,), (1.0,), (1.0,))), "pixels")
    assert [output.name for output in network.session.get_outputs()] == ["pixels"]
    # The last layer is broken, and a stage before it does not mind.
    path = make_network()
    edited(wrong_weights)(path)
    assert open_network(path, "penultimate")(np.ones((1, 3, 4, 4), np.float32)).tolist() == [[1, 1, 1]]


def test_a_fixed_batch_gives_each_image_its_row(make_network):
    tensors = np.arange(5 * 3 * 4, dtype=np.float32).reshape(5, 3, 2, 2)
    found = open_network(make_network(batch=2), "penultimate")(tensors)
    assert_allclose(found, tensors.mean(axis=(2, 3)))


def test_a_tensor_without_a_row_per_image_is_an_error(make_network):
    path = make_network()

    def flatten_all(graph):
        graph.node.append(helper.make_node("Flatten", ["pool"], ["flat"], axis=0))

    edited(flatten_all)(path)
    with pytest.raises(BackboneError, match=r"'flat' has the shape \(1, 6\) for 2"):
        open_network(path, "flat")(np.ones((2, 3, 4, 4), np.float32))


def test_the_activations_of_a_quantised_network_are_dequantised(make_network):
    path = make_network()

    def quantise(graph):
        for name, value in (("s", np.float32(0.5)), ("z", np.uint8(3)), ("v", np.eye(3, dtype=np.uint8))):
            graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        del graph.node[-1]
        graph.node.append(helper.make_node("QuantizeLinear", ["features", "s", "z"], ["q"]))
        graph.node.append(helper.make_node("QLinearMatMul", ["q", "s", "z", "v", "s", "z", "s", "z"], ["r"]))
        graph.node.append(helper.make_node("DequantizeLinear", ["r", "s", "z"], ["logits"]))

    edited(quantise)(path)
    tensors = np.full((1, 3, 4, 4), 10.0, np.float32)
    assert open_network(path, "penultimate")(tensors).tolist() == [[10, 10, 10]]


def test_a_window_that_does_not_fit_into_the_crop_is_an_error_before_anything_runs(make_network):
    path = make_network()

    def pool_widely(graph):
        graph.node.insert(1, helper.make_node("MaxPool", ["pixels"], ["wide"], kernel_shape=[40, 40]))
        graph.node[2].input[0] = "wide"

    edited(pool_widely)(path)
    assert OnnxBackbone(path, preprocessing="imagenet")(np.zeros((224, 224, 3), np.uint8)).shape == (3,)
    with pytest.raises(BackboneError, match="does not fit"):
        OnnxBackbone(path, preprocessing=RAW)(IMAGE)
