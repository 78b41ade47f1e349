"""The input of the last layer, for every form of the end of a network."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from classicvision.backbone.graph import read_graph
from classicvision.backbone.penultimate import output_of, penultimate, tap_at


@pytest.fixture
def graph_of(tmp_path):
    """Return a function that makes a graph of nodes "Operator: inputs -> outputs", with weights by their shapes."""

    def make(*lines, weights, outputs=("out",), **attributes):
        nodes = []
        for number, line in enumerate(lines):
            operator, _, rest = line.partition(":")
            inputs, _, made = rest.partition("->")
            nodes.append(helper.make_node(operator, inputs.split(), made.split(), **attributes.get(f"at{number}", {})))
        stored = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
        image = helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 3, 8, 8])
        made = [onnx.ValueInfoProto(name=name) for name in outputs]
        graph = helper.make_graph(nodes, "test", [image], made, stored)
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx"
        )
        return read_graph(tmp_path / "n.onnx")

    return make


CONV = {"w": (4, 3, 3, 3)}


def test_the_data_input_of_the_last_gemm(graph_of):
    graph = graph_of(
        "Conv: in w -> a",
        "GlobalAveragePool: a -> b",
        "Flatten: b -> c",
        "Gemm: c v -> out",
        weights=CONV | {"v": (4, 5)},
    )
    assert penultimate(graph) == "c"


@pytest.mark.parametrize(("line", "shape"), [("MatMul: b v -> c", (1, 5)), ("MatMul: v b -> c", (5, 1))])
def test_the_data_input_of_the_last_matmul_whichever_side_the_weights_are_on(graph_of, line, shape):
    graph = graph_of(
        "Conv: in w -> a",
        "GlobalAveragePool: a -> b",
        line,
        "Add: c bias -> out",
        weights=CONV | {"v": shape, "bias": (1,)},
    )
    assert penultimate(graph) == "b"


def test_the_data_input_of_a_last_convolution_of_one_pixel(graph_of):
    graph = graph_of(
        "Conv: in w -> a",
        "Conv: a v -> b",
        "GlobalAveragePool: b -> c",
        "Softmax: c -> out",
        weights=CONV | {"v": (5, 4, 1, 1)},
    )
    assert penultimate(graph) == "a"


def test_weights_that_are_computed_from_others_are_weights(graph_of):
    graph = graph_of(
        "Conv: in w -> a",
        "Mul: v s -> u",
        "GlobalAveragePool: a -> b",
        "Flatten: b -> c",
        "Gemm: c u -> out",
        weights=CONV | {"v": (4, 5), "s": (1,)},
    )
    assert penultimate(graph) == "c"


def test_a_trunk_that_ends_parallel_to_a_shortcut_gives_its_output(graph_of):
    graph = graph_of(
        "Conv: in w -> a", "Conv: a v -> b", "Add: a b -> c", "Relu: c -> out", weights=CONV | {"v": (4, 4, 1, 1)}
    )
    assert penultimate(graph) == "out"


def test_a_trunk_that_ends_with_a_wide_convolution_gives_its_output(graph_of):
    graph = graph_of("Conv: in w -> a", "Relu: a -> out", weights=CONV)
    assert penultimate(graph) == "out"


def test_a_trunk_whose_output_is_called_features_gives_it(graph_of):
    lines = ("Conv: in w -> a", "Conv: a v -> b", "GlobalAveragePool: b -> features")
    graph = graph_of(*lines, weights=CONV | {"v": (9, 4, 1, 1)}, outputs=("features",))
    assert penultimate(graph) == "features"


def test_attention_is_not_the_last_layer(graph_of):
    # Both factors depend on the image; the layer after it is the last one with weights.
    graph = graph_of(
        "Conv: in w -> a",
        "MatMul: a a -> b",
        "GlobalAveragePool: b -> c",
        "Flatten: c -> d",
        "Gemm: d v -> e",
        "Softmax: e -> out",
        weights=CONV | {"v": (4, 5)},
    )
    assert penultimate(graph) == "d"
    trunk = graph_of("Conv: in w -> a", "MatMul: a a -> out", weights=CONV)
    assert penultimate(trunk) == "out"


def test_the_head_is_found_next_to_an_output_of_features(graph_of):
    graph = graph_of(
        "Conv: in w -> a",
        "GlobalAveragePool: a -> b",
        "Flatten: b -> features",
        "Gemm: features v -> logits",
        weights=CONV | {"v": (4, 5)},
        outputs=("logits", "features"),
    )
    assert penultimate(graph) == "features"
    assert output_of(graph) == "logits"


def test_a_shape_computation_is_not_a_path_around_the_last_layer(graph_of):
    graph = graph_of(
        "Conv: in w -> a",
        "Conv: a v -> b",
        "GlobalAveragePool: b -> c",
        "Shape: in -> size",
        "Gather: size first -> n",
        "Concat: n rest -> shape",
        "Reshape: c shape -> out",
        weights=CONV | {"v": (5, 4, 1, 1), "first": (1,), "rest": (1,)},
        at5={"axis": 0},
    )
    assert penultimate(graph) == "a"


def test_activations_before_a_quantised_layer_are_read_with_their_scale(graph_of):
    graph = graph_of(
        "Conv: in w -> a",
        "GlobalAveragePool: a -> b",
        "QuantizeLinear: b s z -> q",
        "QLinearConv: q s z v s z s z -> r",
        "DequantizeLinear: r s z -> out",
        weights=CONV | {"v": (5, 4, 1, 1), "s": (), "z": ()},
    )
    tap = tap_at(graph, penultimate(graph))
    assert (tap.tensor, tap.scale, tap.zero_point) == ("q", "s", "z")


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("mobilenetv2-tf2ptq-w8", "features"),
        ("mobilenetv1-0.25-128-w8", "features"),
        ("googlenet-bvlc-w16", "features"),
        ("squeezenet1.1-fp16-winml", "fire9/concat_2"),  # fire9/concat_1 after a dropout that does nothing
        ("resnet18-trunk-layer3", "features"),
    ],
)
def test_it_is_found_in_real_files(shared, name, tensor):
    assert penultimate(read_graph(shared / "onnx" / f"{name}.onnx")) == tensor
