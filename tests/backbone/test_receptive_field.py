"""Receptive fields: by hand, and against the outputs that change with one pixel of the image."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from classicvision.backbone.graph import graph_of_model
from classicvision.backbone.receptive_field import receptive_fields
from classicvision.backbone.spatial_axes import spatial_axes
from classicvision.errors import BackboneError

SIZE = 24


def model_of(nodes, *, tensors=(), size=SIZE, layout="NCHW", opset=13, outputs=None):
    """Return a network of nodes that make `a`, `b`, ... in turn of the input `image`."""
    shape = ["N", 3, size, size] if layout == "NCHW" else ["N", size, size, 3]
    names = outputs or [nodes[-1].output[0]]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(tensors).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def field_of(model, name=None):
    return receptive_fields(graph_of_model(model, "made")).get(name or model.graph.output[0].name)


def ones(*shape):
    return np.ones(shape, np.float32)


def conv(source, output, weights="w", **attributes):
    return helper.make_node("Conv", [source, weights], [output], **attributes)


def rows_seen(model, position):
    """Return the first and last row of the image that one row of the output depends on, by changing each in turn."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Its optimiser folds paddings into poolings that may not pad so far.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.zeros((SIZE, 3, SIZE, SIZE), np.float32)
    images[np.arange(SIZE), :, np.arange(SIZE)] = 1
    (output,) = session.run(None, {"image": images})
    rows = np.flatnonzero(output[:, :, position].any(axis=(1, 2)))
    return rows[0], rows[-1]


def test_the_receptive_field_of_the_image_is_one_pixel():
    field = receptive_fields(graph_of_model(model_of([helper.make_node("Relu", ["image"], ["a"])]), "made"))["a"]
    assert (field.size, field.stride, field.centre, field.whole) == ((1, 1), (1, 1), (0, 0), False)


def test_two_3x3_cover_5_pixels_and_three_cover_7():
    nodes = [conv("image", "a"), conv("a", "b", "v"), conv("b", "c", "v")]
    fields = receptive_fields(
        graph_of_model(model_of(nodes, tensors={"w": ones(4, 3, 3, 3), "v": ones(4, 4, 3, 3)}), "made")
    )
    assert [fields[name].size for name in "abc"] == [(3, 3), (5, 5), (7, 7)]
    assert [fields[name].centre for name in "abc"] == [(1, 1), (2, 2), (3, 3)]


def test_a_stride_makes_later_windows_wider_and_padding_moves_the_centre():
    nodes = [conv("image", "a", strides=[2, 2], pads=[1, 1, 1, 1]), conv("a", "b", "v", pads=[1, 1, 1, 1])]
    field = field_of(model_of(nodes, tensors={"w": ones(4, 3, 3, 3), "v": ones(4, 4, 3, 3)}))
    assert (field.size, field.stride, field.centre) == ((7, 7), (2, 2), (0, 0))


def test_height_and_width_are_kept_apart():
    field = field_of(model_of([conv("image", "a", strides=[1, 2])], tensors={"w": ones(4, 3, 1, 5)}))
    assert (field.size, field.stride, field.centre) == ((1, 5), (1, 2), (0, 2))


def test_gaps_of_a_dilated_window_count():
    field = field_of(model_of([conv("image", "a", dilations=[3, 3])], tensors={"w": ones(4, 3, 3, 3)}))
    assert field.size == (7, 7)


def test_where_paths_join_the_wider_one_counts():
    nodes = [
        conv("image", "a"),
        conv("a", "b", "v", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Concat", ["a", "c"], ["d"], axis=1),
    ]
    fields = receptive_fields(
        graph_of_model(model_of(nodes, tensors={"w": ones(4, 3, 3, 3), "v": ones(4, 4, 3, 3)}), "made")
    )
    assert fields["c"].size == fields["d"].size == (5, 5)


def test_the_field_of_a_vector_is_that_of_all_positions():
    nodes = [conv("image", "a", strides=[2, 2]), helper.make_node("GlobalAveragePool", ["a"], ["b"])]
    field = field_of(model_of(nodes, tensors={"w": ones(4, 3, 3, 3)}, size=9))
    assert (field.size, field.centre, field.whole) == ((9, 9), (4, 4), True)


def test_the_field_of_a_linear_layer_is_that_of_all_positions():
    nodes = [
        conv("image", "a", strides=[2, 2]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "v"], ["c"]),
    ]
    field = field_of(model_of(nodes, tensors={"w": ones(4, 3, 3, 3), "v": ones(64, 5)}, size=9))
    assert (field.size, field.whole) == ((9, 9), True)


def test_a_gate_per_channel_does_not_count():
    nodes = [
        conv("image", "a"),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["c"]),
        helper.make_node("Mul", ["c", "a"], ["d"]),
    ]
    assert field_of(model_of(nodes, tensors={"w": ones(4, 3, 3, 3)})).size == (3, 3)


def test_channels_last_gives_the_same_field():
    nodes = [
        helper.make_node("Transpose", ["image"], ["t"], perm=[0, 3, 1, 2]),
        conv("t", "a", strides=[2, 1], pads=[1, 0, 1, 0]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["b", "m"], ["c"]),
        helper.make_node("Transpose", ["c"], ["d"], perm=[0, 3, 1, 2]),
        helper.make_node("MaxPool", ["d"], ["e"], kernel_shape=[2, 2]),
    ]
    field = field_of(model_of(nodes, tensors={"w": ones(4, 3, 3, 5), "m": ones(4, 4)}, layout="NHWC"))
    assert (field.size, field.stride, field.centre) == ((5, 6), (2, 1), (1, 2.5))


def test_shuffled_channels_keep_their_field():
    nodes = [
        conv("image", "a"),
        helper.make_node("Reshape", ["a", "split"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["c", "whole"], ["d"]),
    ]
    tensors = {"w": ones(4, 3, 3, 3), "split": np.array([-1, 2, 2, 22, 22]), "whole": np.array([-1, 4, 22, 22])}
    assert field_of(model_of(nodes, tensors=tensors)).size == (3, 3)


def test_height_and_width_are_found_again_after_a_reshape_where_other_lengths_are_equal_to_them():
    nodes = [conv("image", "a"), helper.make_node("Reshape", ["a", "shape"], ["b"])]
    tensors = {"w": ones(6, 3, 19, 19), "shape": np.array([6, 6, 6])}
    axes = spatial_axes(graph_of_model(model_of(nodes, tensors=tensors), "made"))
    assert axes == {"image": (2, 3), "a": (2, 3), "b": (1, 2)}


def test_tokens_have_no_receptive_field():
    nodes = [
        conv("image", "a", strides=[8, 8]),
        helper.make_node("Reshape", ["a", "flat"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 1]),
    ]
    assert field_of(model_of(nodes, tensors={"w": ones(4, 3, 8, 8), "flat": np.array([0, 4, -1])})) is None


def test_tensors_after_an_unknown_operator_have_no_receptive_field():
    nodes = [helper.make_node("Mystery", ["image"], ["a"], domain="own"), helper.make_node("Relu", ["a"], ["b"])]
    model = model_of(nodes)
    model.opset_import.append(helper.make_opsetid("own", 1))
    assert set(receptive_fields(graph_of_model(model, "made"))) == {"image"}


def test_an_upsampled_map_has_half_the_stride_and_positions_in_between():
    nodes = [
        helper.make_node("MaxPool", ["image"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
    ]
    field = field_of(model_of(nodes, tensors={"scales": np.array([1, 1, 2, 2], np.float32)}))
    assert (field.size, field.stride, field.centre) == ((2, 2), (1, 1), (0, 0))


def test_space_to_depth_and_back_is_one_pixel_to_another():
    nodes = [
        helper.make_node("SpaceToDepth", ["image"], ["a"], blocksize=2),
        helper.make_node("DepthToSpace", ["a"], ["b"], blocksize=2),
    ]
    fields = receptive_fields(graph_of_model(model_of(nodes), "made"))
    assert (fields["a"].size, fields["a"].stride, fields["a"].centre) == ((2, 2), (2, 2), (0.5, 0.5))
    assert (fields["b"].size, fields["b"].stride, fields["b"].centre) == ((2, 2), (1, 1), (0, 0))


layers = st.one_of(
    st.fixed_dictionaries(
        {
            "operator": st.just("Conv"),
            "kernel": st.integers(1, 4),
            "stride": st.integers(1, 2),
            "dilation": st.integers(1, 2),
            "padding": st.one_of(st.integers(0, 2), st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"])),
        }
    ),
    st.fixed_dictionaries(
        {
            "operator": st.sampled_from(["AveragePool", "MaxPool"]),
            "kernel": st.integers(2, 3),
            "stride": st.integers(1, 2),
            "padding": st.integers(0, 1),
        }
    ),
    st.fixed_dictionaries({"operator": st.just("Pad"), "padding": st.integers(0, 2)}),
)
slices = st.fixed_dictionaries({"operator": st.just("Slice"), "start": st.integers(-6, 2), "step": st.integers(1, 2)})


def node_of(layer, number, tensors):
    """Return the node of a drawn layer; its constants go into `tensors`."""
    source, output = (f"t{number - 1}" if number else "image"), f"t{number}"
    kind = layer["operator"]
    if kind == "Pad":
        tensors[f"pads{number}"] = np.array([0, 0, layer["padding"], 0, 0, 0, 1, 0])
        return helper.make_node("Pad", [source, f"pads{number}"], [output])
    if kind == "Slice":
        names = [f"{what}{number}" for what in ("starts", "ends", "axes", "steps")]
        tensors |= dict(zip(names, map(np.array, ([layer["start"]], [100], [2], [layer["step"]])), strict=True))
        return helper.make_node("Slice", [source, *names], [output])
    padding, kernel, stride = layer["padding"], layer["kernel"], layer["stride"]
    how = {"auto_pad": padding} if isinstance(padding, str) else {"pads": [padding, 0] * 2}
    how |= {"kernel_shape": [kernel, 1], "strides": [stride, 1]}
    if kind == "Conv":
        tensors[f"w{number}"] = ones(3, 3, kernel, 1)
        # onnxruntime does not dilate where it pads by itself.
        dilation = 1 if isinstance(padding, str) else layer["dilation"]
        return conv(source, output, f"w{number}", dilations=[dilation, 1], **how)
    return helper.make_node(kind, [source], [output], **how)


@settings(max_examples=80, deadline=None)
@given(drawn=st.lists(layers, min_size=1, max_size=5), cut=st.none() | slices)
def test_a_position_depends_on_the_rows_of_its_field_and_no_others(drawn, cut):
    tensors = {}
    drawn += [cut] * (cut is not None)  # last, because what pads it later hides rows that were seen before
    nodes = [node_of(layer, number, tensors) for number, layer in enumerate(drawn)]
    model = model_of(nodes, tensors=tensors)
    try:
        shape = graph_of_model(model, "made").shape(nodes[-1].output[0])
    except BackboneError:
        reject()  # the windows do not fit into the image
    field = field_of(model)
    position = shape[2] // 2
    middle, half = field.centre[0] + position * field.stride[0], (field.size[0] - 1) / 2
    assume(middle - half >= 0 and middle + half <= SIZE - 1)  # no part of the field is padding
    first, last = rows_seen(model, position)
    gaps = any(layer.get("dilation", 1) > 1 or layer["operator"] == "Slice" for layer in drawn)
    assert first == middle - half
    assert last == middle + half or (gaps and last < middle + half)


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (4, 2, 1), (3, 2, 1), (3, 3, 0), (5, 3, 1)])
def test_a_transposed_convolution_depends_on_no_more_than_its_field(kernel, stride, pad):
    nodes = [
        helper.make_node("MaxPool", ["image"], ["a"], kernel_shape=[2, 1], strides=[2, 1]),
        helper.make_node("ConvTranspose", ["a", "w"], ["b"], strides=[stride, 1], pads=[pad, 0, pad, 0]),
    ]
    model = model_of(nodes, tensors={"w": ones(3, 3, kernel, 1)})
    field = field_of(model)
    assert field.stride == (2 / stride, 1)
    widths = []
    for position in range(4 * stride, 5 * stride):
        first, last = rows_seen(model, position)
        middle = field.centre[0] + position * field.stride[0]
        assert middle - (field.size[0] - 1) / 2 - 2 < first <= last < middle + (field.size[0] - 1) / 2 + 2
        widths.append(last - first + 1)
    assert max(widths) == field.size[0]
