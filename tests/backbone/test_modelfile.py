"""Damaged and hostile files raise an error that says what was found, and nothing else happens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from classicvision.backbone.graph import read_graph
from classicvision.backbone.inspection import inspect_graph
from classicvision.backbone.modelfile import external_files, read_model
from classicvision.backbone.penultimate import penultimate
from classicvision.errors import BackboneError

SHAPE = ("N", 3, 8, 8)


def value(name, shape=SHAPE, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def small_model(inputs=None, nodes=None, outputs=("y",), tensors=None):
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    nodes = nodes or [helper.make_node("Conv", ["image", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "small",
        [value("image")] if inputs is None else inputs,
        [value(name, None) for name in outputs],
        [weights] if tensors is None else tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "network.onnx"
        path.write_bytes(content.SerializeToString() if isinstance(content, ModelProto) else content)
        return path

    return write


def external_model(**entries):
    model = small_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=str(text))
    return model


def test_an_intact_file_gives_its_nodes(write):
    assert [node.op_type for node in read_model(write(small_model())).graph.node] == ["Conv", "Relu"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "not an ONNX network"),
        (b"# Markdown", "not an ONNX network"),
        (small_model().SerializeToString()[:60], "damaged or truncated"),
        (small_model().SerializeToString()[:2], "damaged or truncated"),
    ],
    ids=["empty", "image", "text", "first bytes", "two bytes"],
)
def test_a_file_that_is_not_a_complete_network_is_named(write, content, found):
    with pytest.raises(BackboneError, match=f"network.onnx: .*{found}"):
        read_model(write(content))


def test_a_file_truncated_anywhere_is_refused(write):
    content = small_model().SerializeToString()
    for length in range(len(content)):
        with pytest.raises(BackboneError):
            read_model(write(content[:length]))


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_model(tmp_path / "absent.onnx")


def test_a_cycle_is_named(write):
    nodes = [
        helper.make_node("Add", ["image", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["y"], name="after"),
    ]
    with pytest.raises(BackboneError, match="a cycle through 'first', 'second'"):
        read_model(write(small_model(nodes=nodes)))


def test_a_node_that_reads_its_own_output_is_a_cycle(write):
    nodes = [helper.make_node("Add", ["image", "y"], ["y"], name="own")]
    with pytest.raises(BackboneError, match="a cycle through 'own'"):
        read_model(write(small_model(nodes=nodes)))


def test_nodes_in_another_order_are_sorted(write):
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Conv", ["image", "w"], ["a"])]
    assert [node.op_type for node in read_model(write(small_model(nodes=nodes))).graph.node] == ["Conv", "Relu"]


def test_a_tensor_that_no_node_produces_is_named(write):
    with pytest.raises(BackboneError, match="no node produces the tensors 'w'"):
        read_model(write(small_model(tensors=[])))


def test_an_output_that_no_node_produces_is_named(write):
    with pytest.raises(BackboneError, match="no node produces the tensors 'z'"):
        read_model(write(small_model(outputs=["z"])))


def test_a_tensor_that_two_nodes_produce_is_named(write):
    nodes = [helper.make_node("Relu", ["image"], ["y"]), helper.make_node("Neg", ["image"], ["y"])]
    with pytest.raises(BackboneError, match="two nodes produce the tensor 'y'"):
        read_model(write(small_model(nodes=nodes)))


def test_a_network_without_output_is_refused(write):
    with pytest.raises(BackboneError, match="no output"):
        read_model(write(small_model(outputs=[])))


def test_too_few_weights_for_their_shape_are_reported(write):
    model = small_model()
    model.graph.initializer[0].raw_data = bytes(8)
    with pytest.raises(BackboneError, match=r"'w' has the shape \(4, 3, 3, 3\) and stores 8 of 432"):
        read_model(write(model))


def test_weights_that_claim_to_be_huge_are_refused_before_anything_is_allocated(write):
    model = small_model()
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]
    with pytest.raises(BackboneError, match="stores 432 of"):
        read_model(write(model))


def test_weights_of_negative_length_are_refused(write):
    model = small_model()
    model.graph.initializer[0].dims[:] = [-4, 3, 3, 3]
    with pytest.raises(BackboneError, match=r"the shape \(-4, 3, 3, 3\)"):
        read_model(write(model))


@pytest.mark.parametrize(
    "array",
    [
        np.ones(3, np.float64),
        np.ones(3, np.float16),
        np.ones(3, np.int8),
        np.ones(3, np.uint64),
        np.ones((2, 3), np.complex64),
        np.ones(3, bool),
        np.zeros((0, 3), np.float32),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_intact_weights_of_any_type_are_accepted(write, array, raw):
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    content = array.tobytes() if raw else array.ravel()
    tensor = helper.make_tensor("more", kind, array.shape, content, raw=raw)
    tensors = [*small_model().graph.initializer, tensor]
    assert len(read_model(write(small_model(tensors=tensors))).graph.initializer) == 2


def test_external_weights_are_used_and_their_file_is_named(write, tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(8 + 432))
    model = read_model(write(external_model(location="weights.bin", offset=8, length=432)))
    assert external_files(model) == ("weights.bin",)


def test_missing_external_weights_are_named(write):
    with pytest.raises(BackboneError, match=r"'weights.bin', which is missing. Copy it to"):
        read_model(write(external_model(location="weights.bin")))


def test_external_weights_that_are_too_short_are_refused(write, tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(400))
    with pytest.raises(BackboneError, match="432 bytes are needed and the file has 400"):
        read_model(write(external_model(location="weights.bin")))


@pytest.mark.parametrize("entries", [{"offset": -8}, {"length": 8}, {"offset": "eight"}])
def test_external_weights_at_an_invalid_offset_are_refused(write, tmp_path, entries):
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    with pytest.raises(BackboneError, match=r"'weights.bin', at "):
        read_model(write(external_model(location="weights.bin", **entries)))


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/passwd", "", "a/../../outside.bin", "link.bin"])
def test_a_network_cannot_read_files_outside_its_folder(tmp_path, location):
    (tmp_path / "outside.bin").write_bytes(bytes(432))
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "network.onnx").write_bytes(external_model(location=location).SerializeToString())
    with pytest.raises(BackboneError, match="outside the model's folder"):
        read_model(folder / "network.onnx")


def test_external_weights_are_named_without_a_folder(write, tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(432))
    with pytest.raises(BackboneError, match="outside the model's folder"):
        read_model(write(external_model(location=str(tmp_path / "weights.bin"))))


def test_functions_that_call_each_other_are_not_followed(write):
    model = small_model(nodes=[helper.make_node("Loop", ["image"], ["y"], domain="own")])
    own = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    model.opset_import.append(own[1])
    inner = [helper.make_node("Loop", ["a"], ["b"], domain="own")]
    model.functions.append(helper.make_function("own", "Loop", ["a"], ["b"], inner, own))
    assert read_graph(write(model)).shape("y") is None


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "found"),
    [
        ("ConvTranspose", ["image", "w"], {"group": 0}, r"group = \[0\]"),
        ("Conv", ["image", "w"], {"strides": [1, 0]}, r"strides = \[1, 0\]"),
        ("Conv", ["image", "w"], {"dilations": [-1, 1]}, r"dilations = \[-1, 1\]"),
        ("MaxPool", ["image"], {"kernel_shape": [3, -(1 << 40)]}, r"kernel_shape = \[3, -1099511627776\]"),
        ("DepthToSpace", ["image"], {"blocksize": 1 << 62}, r"blocksize = \[4611686018427387904\]"),
    ],
)
def test_a_window_or_group_of_invalid_length_is_reported(write, operator, inputs, attributes, found):
    """The first and the last crash onnxruntime, which divides by them."""
    with pytest.raises(BackboneError, match=rf"the layer 'y' \({operator}\) has {found}"):
        read_model(write(small_model(nodes=[helper.make_node(operator, inputs, ["y"], **attributes)])))


def test_a_window_that_does_not_fit_is_reported_before_a_library_crashes(write):
    """A negative length before a slice crashes ONNX's inference and onnxruntime."""
    nodes = [
        helper.make_node("MaxPool", ["image"], ["a"], kernel_shape=[10, 1], name="pool"),
        helper.make_node("Slice", ["a", "starts", "ends", "axes", "steps"], ["y"]),
    ]
    numbers = {"starts": [1], "ends": [100], "axes": [2], "steps": [2]}
    tensors = [numpy_helper.from_array(np.array(n, np.int64), name) for name, n in numbers.items()]
    with pytest.raises(BackboneError, match=r"8 x 8 pixels the layer 'pool' \(MaxPool\) outputs 1 x 3 x -1 x 8 values"):
        read_graph(write(small_model(nodes=nodes, tensors=tensors)))


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([value("image"), value("mask")], r"has 2 inputs \('image', 'mask'\)"),
        ([], "has 0 inputs"),
        ([value("ids", ("N", 128), TensorProto.INT64)], r"int64 \(any, 128\).*usual for text"),
        ([value("image", ("N", 300))], r"float32 \(any, 300\); expected an image with 4 axes"),
        ([value("image", (0, 3, 8, 8))], r"\(0, 3, 8, 8\), with an axis of length 0"),
        ([value("image", ("N", 1, 8, 8))], "with 3 colour channels in axis 1 or axis 3"),
        ([value("image", None)], "has no shape"),
        ([value("image", SHAPE, TensorProto.UINT8)], r"uint8 .*expected an image as float32 or float16"),
    ],
    ids=["two inputs", "no input", "text", "vector", "zero batch", "grey", "no shape", "bytes"],
)
def test_an_input_that_is_not_an_image_is_reported(write, inputs, found):
    names = [i.name for i in inputs] or ["w"]
    node = helper.make_node("Sum", names, ["y"])
    with pytest.raises(BackboneError, match=found):
        read_graph(write(small_model(inputs=inputs, nodes=[node])))


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), n_cut=st.integers(0, 3))
def test_a_changed_byte_gives_a_backbone_error_or_figures(tmp_path_factory, place, byte, n_cut):
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 3, 1]),
        helper.make_node("Slice", ["c", "starts", "ends", "axes"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "v"], ["y"]),
    ]
    numbers = {"starts": [0, 1], "ends": [2, 3], "axes": [1, 2]}
    tensors = [
        *small_model().graph.initializer,
        numpy_helper.from_array(np.ones((16, 5), np.float32), "v"),
        *(numpy_helper.from_array(np.array(n, np.int64), name) for name, n in numbers.items()),
    ]
    content = bytearray(small_model(nodes=nodes, tensors=tensors).SerializeToString())
    at = int(place * len(content))
    content[at : at + n_cut] = bytes([byte])
    path = tmp_path_factory.mktemp("changed") / "network.onnx"
    path.write_bytes(content)
    try:
        graph = read_graph(path)
    except BackboneError:
        return
    assert inspect_graph(graph, penultimate(graph)).n_macs >= 0
