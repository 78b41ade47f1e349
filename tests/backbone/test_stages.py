"""Stages end with the last tensor of a resolution on which all later layers depend."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from classicvision.backbone.graph import graph_of_model, read_graph
from classicvision.backbone.penultimate import penultimate
from classicvision.backbone.stages import find_stages, stage_of_nodes
from classicvision.errors import BackboneError


def ones(*shape):
    return np.ones(shape, np.float32)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], **attributes)


def graph_of(nodes, tensors, *, shape=("N", 3, 16, 16), outputs=None, size=None):
    names = outputs or [nodes[-1].output[0]]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
    )
    return graph_of_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), "made", size=size)


WEIGHTS = {"first": ones(4, 3, 3, 3), "more": ones(4, 4, 3, 3), "thin": ones(4, 4, 1, 1), "last": ones(4, 10)}
SAME = {"pads": [1, 1, 1, 1]}
HEAD = [
    node("GlobalAveragePool", ["end"], "pooled"),
    node("Flatten", ["pooled"], "code"),
    node("Gemm", ["code", "last"], "y"),
]

# Two blocks with shortcuts; the second has the stride in its second layer: its first works at the old resolution.
RESIDUAL = [
    node("Conv", ["image", "first"], "a", **SAME),
    node("Conv", ["a", "more"], "b", **SAME),
    node("Add", ["b", "a"], "block1"),
    node("Conv", ["block1", "thin"], "c"),
    node("Conv", ["c", "more"], "d", strides=[2, 2], **SAME),
    node("Conv", ["block1", "thin"], "shortcut", strides=[2, 2]),
    node("Add", ["d", "shortcut"], "end"),
    *HEAD,
]


def names_and_tensors(graph):
    return [(stage.name, stage.tensor) for stage in find_stages(graph, penultimate(graph))]


def test_a_stage_ends_where_no_shortcut_goes_around():
    assert names_and_tensors(graph_of(RESIDUAL, WEIGHTS)) == [
        ("stage1", "block1"),
        ("stage2", "end"),
        ("penultimate", "code"),
    ]


def test_a_layer_inside_a_block_belongs_to_the_stage_of_the_block():
    graph = graph_of(RESIDUAL, WEIGHTS)
    stages = stage_of_nodes(graph, find_stages(graph, "code"))
    assert stages == ("stage1",) * 3 + ("stage2",) * 4 + ("penultimate",) * 2 + ("head",)


def test_a_stage_gives_the_shape_of_one_image():
    graph = graph_of(RESIDUAL, WEIGHTS, shape=(2, 3, 16, 16))
    assert [stage.shape for stage in find_stages(graph, "code")] == [(4, 16, 16), (4, 8, 8), (4,)]


def test_shapes_are_for_the_given_size_where_the_file_takes_any():
    graph = graph_of(RESIDUAL, WEIGHTS, shape=("N", 3, "H", "W"), size=(20, 12))
    assert [stage.shape for stage in find_stages(graph, "code")] == [(4, 20, 12), (4, 10, 6), (4,)]


def test_another_size_than_the_files_is_an_error():
    with pytest.raises(BackboneError, match="takes images of 16 x 16 pixels, not 20 x 12"):
        graph_of(RESIDUAL, WEIGHTS, size=(20, 12))


def test_tensors_before_the_first_layer_with_weights_are_not_a_stage():
    nodes = [node("Sub", ["image", "mean"], "x"), node("MaxPool", ["x"], "small", kernel_shape=[2, 2], strides=[2, 2])]
    nodes += [node("Conv", ["small", "first"], "end", **SAME), *HEAD]
    graph = graph_of(nodes, WEIGHTS | {"mean": ones(3, 1, 1)})
    assert names_and_tensors(graph) == [("stage1", "end"), ("penultimate", "code")]


def test_a_head_that_is_a_convolution_comes_after_the_last_stage():
    """As in SqueezeNet: a map per class, then their means; the features are the input of those maps."""
    nodes = [
        node("Conv", ["image", "first"], "a"),
        node("Conv", ["a", "thin"], "b"),
        node("GlobalAveragePool", ["b"], "y"),
    ]
    graph = graph_of(nodes, WEIGHTS)
    assert names_and_tensors(graph) == [("stage1", "a")]
    assert stage_of_nodes(graph, find_stages(graph, "a")) == ("stage1", "head", "head")


def test_a_trunk_without_classifier_ends_with_its_output():
    graph = graph_of(RESIDUAL[:-1], WEIGHTS)
    assert names_and_tensors(graph)[-1] == ("penultimate", "code")
    assert names_and_tensors(graph_of(RESIDUAL[:-3], WEIGHTS))[-1] == ("stage2", "end")


def test_a_second_output_does_not_hide_a_stage():
    graph = graph_of(RESIDUAL, WEIGHTS, outputs=["y", "block1", "a"])
    assert names_and_tensors(graph) == names_and_tensors(graph_of(RESIDUAL, WEIGHTS))


def test_channels_last_gives_the_same_stages():
    transposed = [node("Transpose", ["image"], "x", perm=[0, 3, 1, 2]), node("Conv", ["x", "first"], "a", **SAME)]
    graph = graph_of(transposed + RESIDUAL[1:], WEIGHTS, shape=("N", 16, 16, 3))
    assert names_and_tensors(graph) == names_and_tensors(graph_of(RESIDUAL, WEIGHTS))


def test_channels_last_inside_gives_the_same_resolutions():
    nodes = [
        node("Conv", ["image", "first"], "a", **SAME),
        node("Transpose", ["a"], "b", perm=[0, 2, 3, 1]),
        node("MatMul", ["b", "matrix"], "c"),
    ]
    graph = graph_of(nodes, WEIGHTS | {"matrix": ones(4, 4)})
    assert [(s.tensor, s.shape) for s in find_stages(graph, "c")] == [("c", (16, 16, 4))]


def test_tokens_are_one_stage_at_the_end():
    nodes = [
        node("Conv", ["image", "patches"], "a", strides=[4, 4]),
        node("Reshape", ["a", "flat"], "b"),
        node("Transpose", ["b"], "tokens", perm=[0, 2, 1]),
        node("MatMul", ["tokens", "mix"], "c"),
        node("ReduceMean", ["c"], "code", axes=[1], keepdims=0),
        node("Gemm", ["code", "last"], "y"),
    ]
    tensors = WEIGHTS | {"patches": ones(4, 3, 4, 4), "flat": np.array([0, 4, -1]), "mix": ones(4, 4)}
    assert names_and_tensors(graph_of(nodes, tensors)) == [("stage1", "a"), ("penultimate", "code")]


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        (
            "googlenet-bvlc-w16",
            ["conv1_7x7_s2_relu", "norm2", *(f"inception_{n}_output" for n in ("3b", "4e", "5b")), "features"],
        ),
        ("resnet18-trunk-layer3", ["conv1_relu", "layer1.1.out", "layer2.1.out", "layer3.1.out", "features"]),
        ("squeezenet1.1-fp16-winml", ["conv1_2", "fire3/concat_1", "fire5/concat_1", "fire9/concat_2"]),
    ],
)
def test_stages_of_real_networks(shared, file, stages):
    graph = read_graph(shared / "onnx" / f"{file}.onnx")
    assert [tensor for _, tensor in names_and_tensors(graph)] == stages
