"""Parameters and multiply-adds of single layers, counted by hand."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from classicvision.backbone.graph import graph_of_model
from classicvision.backbone.inspection import inspect_graph
from classicvision.backbone.memory import peak_bytes
from classicvision.backbone.penultimate import penultimate


def ones(*shape):
    return np.ones(shape, np.float32)


def graph_of(nodes, tensors=(), *, shape=("N", 3, 8, 8), kind=TensorProto.FLOAT, opset=13, outputs=None, declared=()):
    """Return the description of a network of nodes on `image`."""
    names = outputs or [nodes[-1].output[0]]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in names],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(tensors).items()],
        value_info=declared,
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("own", 1)]
    return graph_of_model(helper.make_model(graph, opset_imports=domains), "made")


def inspected(*how, **more):
    graph = graph_of(*how, **more)
    return inspect_graph(graph, penultimate(graph))


def last(*how, **more):
    return inspected(*how, **more).layers[-1]


def node(operator, inputs, output="y", **attributes):
    return helper.make_node(operator, inputs, [output], **attributes)


def test_a_convolution_costs_its_outputs_times_its_window_and_input_channels():
    layer = last([node("Conv", ["image", "w", "b"])], {"w": ones(4, 3, 3, 3), "b": ones(4)})
    assert (layer.shape, layer.n_parameters, layer.n_macs) == ((4, 6, 6), 4 * 27 + 4, 4 * 36 * 27)


def test_a_grouped_convolution_reads_only_the_channels_of_its_group():
    layer = last([node("Conv", ["image", "w"], group=3)], {"w": ones(6, 1, 3, 3)})
    assert (layer.n_parameters, layer.n_macs, layer.window.groups) == (54, 6 * 36 * 9, 3)


def test_gaps_of_a_dilated_convolution_cost_nothing():
    layer = last([node("Conv", ["image", "w"], dilations=[2, 2])], {"w": ones(4, 3, 3, 3)})
    assert (layer.shape, layer.n_macs) == ((4, 4, 4), 4 * 16 * 27)


def test_a_transposed_convolution_costs_its_inputs_times_its_window_and_output_channels():
    layer = last([node("ConvTranspose", ["image", "w"], strides=[2, 2])], {"w": ones(3, 5, 2, 2)})
    assert (layer.shape, layer.n_parameters, layer.n_macs) == ((5, 16, 16), 60, 3 * 64 * 5 * 4)


def test_a_matrix_product_costs_its_outputs_times_the_inner_dimension():
    nodes = [node("Flatten", ["image"], "a"), node("MatMul", ["a", "w"], "b"), node("Add", ["b", "bias"])]
    layers = inspected(nodes, {"w": ones(192, 10), "bias": ones(10)}).layers
    assert [(layer.n_parameters, layer.n_macs) for layer in layers] == [(0, 0), (1920, 1920), (10, 0)]


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_costs_the_same_with_transposed_weights(transposed):
    weights = ones(10, 192) if transposed else ones(192, 10)
    nodes = [node("Flatten", ["image"], "a"), node("Gemm", ["a", "w", "b"], transB=transposed)]
    layer = last(nodes, {"w": weights, "b": ones(10)})
    assert (layer.n_parameters, layer.n_macs) == (1930, 1920)


def test_attention_written_as_products_costs_both():
    """64 tokens of depth 3: 64 x 64 similarities of depth 3, and as many weights of 3 values."""
    nodes = [
        node("Reshape", ["image", "flat"], "v"),
        node("Transpose", ["v"], "q", perm=[0, 2, 1]),
        node("MatMul", ["q", "v"], "scores"),
        node("Softmax", ["scores"], "weights"),
        node("MatMul", ["weights", "q"]),
    ]
    found = inspected(nodes, {"flat": np.array([0, 3, 64])})
    assert [layer.n_macs for layer in found.layers if layer.operator == "MatMul"] == [64 * 64 * 3, 64 * 64 * 3]
    assert found.n_parameters == 0


def test_attention_as_one_operator_costs_the_same():
    nodes = [
        node("Reshape", ["image", "flat"], "v"),
        node("Transpose", ["v"], "q", perm=[0, 2, 1]),
        node("Attention", ["q", "q", "q"], q_num_heads=1, kv_num_heads=1),
    ]
    layer = last(nodes, {"flat": np.array([0, 3, 64])}, opset=23)
    assert (layer.shape, layer.n_macs) == ((64, 3), 2 * 64 * 64 * 3)


def test_an_einsum_costs_one_mac_per_combination_of_indices():
    layer = last([node("Einsum", ["image", "w"], equation="nchw,cd->ndhw")], {"w": ones(3, 5)})
    assert (layer.shape, layer.n_parameters, layer.n_macs) == ((5, 8, 8), 15, 64 * 15)


def test_batch_normalisation_has_two_learned_parameters_per_channel():
    layer = last([node("BatchNormalization", ["image", *"abcd"])], dict.fromkeys("abcd", ones(3)))
    assert (layer.n_parameters, layer.n_macs) == (6, 0)


def test_a_scalar_is_a_setting_and_not_a_parameter():
    assert last([node("Div", ["image", "six"])], {"six": np.float32(6)}).n_parameters == 0


def test_weights_that_two_layers_share_count_once():
    nodes = [node("Conv", ["image", "w"], "a"), node("Conv", ["a", "w"])]
    found = inspected(nodes, {"w": ones(3, 3, 3, 3)})
    assert [layer.n_parameters for layer in found.layers] == [81, 0]
    assert found.n_parameters == 81


def test_weights_that_are_unpacked_when_loaded_count_unpacked():
    nodes = [node("DequantizeLinear", ["bytes", "scale"], "w"), node("Conv", ["image", "w"])]
    found = inspected(nodes, {"bytes": np.ones((4, 3, 3, 3), np.int8), "scale": np.float32(0.1)})
    assert [(layer.operator, layer.n_parameters) for layer in found.layers] == [("Conv", 108)]


def test_a_quantised_convolution_has_the_costs_of_the_convolution():
    names = ["x", "scale", "zero", "w", "scale", "zero_w", "scale", "zero"]
    nodes = [node("QuantizeLinear", ["image", "scale", "zero"], "x"), node("QLinearConv", names)]
    tensors = {"scale": np.float32(1), "zero": np.uint8(0), "zero_w": np.int8(0), "w": np.ones((4, 3, 3, 3), np.int8)}
    layer = last(nodes, tensors)
    assert (layer.n_parameters, layer.n_macs, layer.n_bytes) == (108, 4 * 36 * 27, 4 * 36)


def test_costs_are_for_one_image_of_a_fixed_batch():
    layer = last([node("Conv", ["image", "w"])], {"w": ones(4, 3, 3, 3)}, shape=(5, 3, 8, 8))
    assert (layer.shape, layer.n_macs, layer.n_bytes) == ((4, 6, 6), 4 * 36 * 27, 4 * 36 * 4)


def test_half_precision_takes_half_the_memory():
    weights = {"w": np.ones((4, 3, 3, 3), np.float16)}
    assert last([node("Conv", ["image", "w"])], weights, kind=TensorProto.FLOAT16).n_bytes == 2 * 4 * 36


def test_an_unknown_operator_is_listed_and_not_zero():
    nodes = [
        node("Mystery", ["image"], "a", domain="own"),
        node("Mystery", ["a"], "b", domain="own"),
        node("Relu", ["b"]),
    ]
    found = inspected(nodes)
    assert found.unknown_operators == {"own.Mystery": 2}
    assert [layer.n_macs for layer in found.layers] == [None, None, 0]


def test_an_operator_of_another_domain_with_a_known_name_is_unknown():
    assert inspected([node("Conv", ["image", "w"], domain="own")], {"w": ones(4, 3, 3, 3)}).unknown_operators


def test_a_loop_is_unknown():
    body = helper.make_graph(
        [node("Identity", ["image"], "inner")], "body", [], [helper.make_empty_tensor_value_info("inner")]
    )
    nodes = [node("If", ["yes"], then_branch=body, else_branch=body)]
    assert inspected(nodes, {"yes": np.array(True)}).unknown_operators == {"If": 1}


def test_a_layer_whose_shapes_are_not_known_is_listed():
    nodes = [
        node("Mystery", ["image"], "a", domain="own"),
        node("Conv", ["a", "w"], "b", name="blind"),
        node("Relu", ["b"]),
    ]
    found = inspected(nodes, {"w": ones(4, 3, 3, 3)})
    assert found.unknown_layers == ("blind",)
    assert found.layers[1].n_macs is None


def test_declared_shapes_of_a_foreign_operator_are_used_for_any_batch():
    value = helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 4, 8, 8])
    nodes = [node("Mystery", ["image"], "a", domain="own"), node("Conv", ["a", "w"])]
    layer = last(nodes, {"w": ones(5, 4, 3, 3)}, declared=[value])
    assert (layer.shape, layer.n_macs) == ((5, 6, 6), 5 * 36 * 36)


def test_a_shape_that_is_computed_in_the_graph_is_known():
    """As exporters write it: the batch is taken from the shape, the rest is divided out."""
    nodes = [
        node("Shape", ["image"], "shape"),
        node("Gather", ["shape", "zero"], "batch"),
        node("Gather", ["shape", "one"], "channels"),
        node("Div", ["channels", "three"], "per_group"),
        node("Unsqueeze", ["batch", "axes"], "batches"),
        node("Unsqueeze", ["per_group", "axes"], "groups"),
        node("Concat", ["batches", "groups", "rest"], "target", axis=0),
        node("Reshape", ["image", "target"], "x"),
        node("MatMul", ["x", "w"]),
    ]
    tensors = {"zero": np.array(0), "one": np.array(1), "three": np.array(3), "axes": np.array([0])}
    layer = last(nodes, tensors | {"rest": np.array([192]), "w": ones(192, 10)})
    assert (layer.shape, layer.n_macs) == ((1, 10), 1920)


def test_the_peak_memory_is_that_of_an_input_and_its_output():
    """The image takes 768 bytes, the maps 576 and 256, and the activation function works in place."""
    nodes = [node("Conv", ["image", "w"], "a"), node("Relu", ["a"], "b"), node("Conv", ["b", "v"])]
    graph = graph_of(nodes, {"w": ones(4, 3, 3, 3), "v": ones(4, 4, 3, 3)})
    assert peak_bytes(graph) == 768 + 576


def test_an_activation_function_works_in_place():
    nodes = [node("Conv", ["image", "w"], "a"), node("Relu", ["a"])]
    assert peak_bytes(graph_of(nodes, {"w": ones(16, 3, 1, 1)})) == 768 + 4096


def test_an_activation_function_needs_memory_if_its_input_is_read_again():
    nodes = [node("Conv", ["image", "w"], "a"), node("Sigmoid", ["a"], "b"), node("Mul", ["a", "b"])]
    assert peak_bytes(graph_of(nodes, {"w": ones(16, 3, 1, 1)})) == 3 * 4096


def test_a_shortcut_keeps_a_third_tensor_alive():
    nodes = [
        node("Conv", ["image", "w"], "a"),
        node("Relu", ["a"], "b"),
        node("Conv", ["b", "v"], "c"),
        node("Conv", ["c", "v"], "d"),
        node("Add", ["d", "a"]),
    ]
    graph = graph_of(nodes, {"w": ones(4, 3, 1, 1), "v": ones(4, 4, 1, 1)})
    assert peak_bytes(graph) == 3 * 1024


def test_memory_is_unknown_where_a_shape_is():
    assert peak_bytes(graph_of([node("Mystery", ["image"], domain="own")])) is None
