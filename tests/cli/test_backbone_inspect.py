"""`backbone inspect`: what it prints, and that every line fits a terminal."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from classicvision import cli
from classicvision.cli import backbone_inspect


@pytest.fixture
def run(capsys):
    def run(*words):
        code = cli._run(["backbone", "inspect", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def network(tmp_path):
    """Return the file of a convolution with a long name, an operator that nobody knows, and a linear layer."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], name="a-very-long-name/" * 9 + "conv", strides=[2, 2]),
        helper.make_node("Mystery", ["image"], ["b"], domain="own"),
        helper.make_node("GlobalAveragePool", ["a"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "v"], ["y"]),
    ]
    arrays = {"w": np.ones((4, 3, 3, 5), np.float32), "v": np.ones((4, 10), np.float32)}
    graph = helper.make_graph(
        nodes,
        "made",
        [value("image", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [value("y", TensorProto.FLOAT, None), value("b", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("own", 1)])
    save(model, tmp_path / "network.onnx")
    return tmp_path / "network.onnx"


def test_the_table_has_stages_and_totals(run, network):
    code, output, _ = run(network, "--size", "21x33")
    assert code == 0
    assert "for one image of 21 x 33" in output
    assert "stage1       4x10x15" in output
    assert "220 parameters, 27,040 MACs (27.0 k)" in output
    assert "the operator is unknown: own.Mystery (1 layer)" in output


def test_layers_are_listed_on_demand(run, network):
    assert "Conv 3x5/2" not in run(network)[1]
    assert "Conv 3x5/2" in run(network, "--layers")[1]


def test_no_line_of_the_tables_is_wider_than_100(run, network):
    output = run(network, "--layers", "--size", 32)[1]
    assert "…" in output
    assert max(len(line) for line in output.splitlines() if str(network) not in line) <= 100


def test_json_has_every_number(run, network):
    code, output, _ = run(network, "--json", "--size", 224)
    found = json.loads(output)
    assert code == 0
    assert (found["n_parameters"], found["unknown_operators"]) == (220, {"own.Mystery": 1})
    conv, mystery, *_ = found["layers"]
    assert conv["receptive_field"] == {"size": [3, 5], "stride": [2, 2], "centre": [1, 2], "whole": False}
    assert (mystery["n_macs"], mystery["shape"]) == (None, None)
    assert [stage["name"] for stage in found["stages"]] == ["stage1", "penultimate", "head"]


def test_a_broken_file_is_an_error_that_says_what_was_found(run, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x08\x12")
    code, output, messages = run(tmp_path / "broken.onnx")
    assert (code, output) == (1, "")
    assert "broken.onnx: the ONNX file is damaged or truncated (3 bytes)" in messages


def test_an_image_that_is_too_small_is_an_error(run, network):
    code, _, messages = run(network, "--size", 2)
    assert code == 1
    assert "does not fit. Use larger images" in messages


@pytest.mark.parametrize("size", ["0", "large", "3x4x5", "-1", "99999999"])
def test_a_wrong_size_is_a_usage_error(run, network, size):
    code, _, messages = run(network, f"--size={size}")
    assert code == 2
    assert "is not a size" in messages


def test_control_characters_in_a_network_are_not_sent_to_the_terminal(run, network):
    content = network.read_bytes().replace(b"own", b"\x1b[1")
    network.write_bytes(content)
    assert "\x1b" not in run(network, "--layers")[1]


@pytest.mark.parametrize(
    ("file", "totals"),
    [
        ("mobilenetv2-tf2ptq-w8", "3,489,097 parameters, 300,775,552 MACs (301 M)"),
        ("squeezenet1.1-fp16-winml", "1,235,496 parameters, 349,151,936 MACs (349 M)"),
        ("googlenet-bvlc-w16", "6,998,552 parameters, 1,582,671,872 MACs (1.58 G)"),
    ],
)
def test_totals_of_real_networks(run, shared, file, totals):
    assert totals in run(shared / "onnx" / f"{file}.onnx")[1]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.00 k"),
        (34_944, "34.9 k"),
        (568_740_352, "569 M"),
        (999_499_999, "999 M"),
        (999_500_000, "1.00 G"),
        (15_470_264_320, "15.5 G"),
    ],
)
def test_large_numbers_have_three_digits(number, text):
    assert backbone_inspect._short(number) == text
