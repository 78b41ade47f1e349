"""Verifying a network: its content, its top five classes, and vectors from its original code."""

import json
from dataclasses import replace

import numpy as np
import pytest

from classicvision.backbone import verification
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import PRESETS, apply
from classicvision.backbone.registry import Entry
from classicvision.backbone.verification import make_reference, read_reference, sample_image, verify
from classicvision.errors import BackboneError

SMALL = replace(PRESETS["inception"], resize_to=36, crop=32)


@pytest.fixture
def network(tmp_path):
    """Return a function that makes a network: the mean colour of an image, through a matrix, as that many outputs."""
    from onnx import TensorProto, helper, numpy_helper, save

    def make(n_outputs=4, bias=None):
        rng = np.random.default_rng(0)
        weights = rng.normal(size=(3, n_outputs)).astype(np.float32)
        bias = np.zeros(n_outputs, np.float32) if bias is None else bias
        graph = helper.make_graph(
            [
                helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
                helper.make_node("Flatten", ["pooled"], ["code"]),
                helper.make_node("Gemm", ["code", "w", "b"], ["logits"]),
            ],
            "net",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", n_outputs])],
            [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        save(model, tmp_path / "net.onnx")
        return OnnxBackbone(str(tmp_path / "net.onnx"), preprocessing=SMALL)

    return make


def raised(n_outputs, *classes):
    """Return the bias that puts some outputs in front of all others."""
    bias = np.zeros(n_outputs, np.float32)
    bias[list(classes)] = 100
    return bias


def write(path, vectors, stage="output"):
    path.write_text(json.dumps({"stage": stage, "vectors": vectors}), "utf-8")
    return read_reference(path)


def test_a_classifier_that_outputs_cat_cup_and_rocket_for_every_image_passes(network):
    found = verify(network(1000, raised(1000, 281, 967, 657)))
    assert found.passed
    assert [check.image for check in found.image_checks] == ["chelsea", "coffee", "rocket"]
    assert all({281, 967, 657} <= set(check.top5) for check in found.image_checks)


def test_a_network_with_background_counts_classes_from_the_second_output(network):
    assert verify(network(1001, raised(1001, 282, 968, 658))).passed
    assert not verify(network(1001, raised(1001, 280, 966, 656, 1, 2))).passed


def test_an_image_without_its_class_fails_alone(network):
    found = verify(network(1000, raised(1000, 281, 967, 1, 2, 3)))
    assert not found.passed
    assert {check.image: check.passed for check in found.image_checks} == {
        "chelsea": True,
        "coffee": True,
        "rocket": False,
    }


def test_a_network_of_other_classes_skips_the_image_checks(network):
    found = verify(network(4))
    assert (found.image_checks, found.compared, found.passed) == ((), False, False)


def test_a_network_reproduces_its_own_reference(network, tmp_path):
    backbone = network()
    (tmp_path / "reference.json").write_text(json.dumps(make_reference(backbone)), "utf-8")
    reference = read_reference(tmp_path / "reference.json")
    assert reference.stage == "penultimate"
    found = verify(backbone, reference)
    assert [check.distance for check in found.vector_checks] == [0, 0, 0]
    assert found.passed


def test_vectors_computed_by_hand_agree(network, tmp_path):
    colour = apply(sample_image("coffee"), SMALL).astype(np.float64).mean(axis=(1, 2))
    found = verify(network(), write(tmp_path / "r.json", {"coffee": colour.tolist()}, "code"))
    assert found.vector_checks[0].distance < 1e-5


@pytest.mark.parametrize(
    "change", [{"colors": "bgr"}, {"white": 1.0}, {"mean": (0.0, 0.0, 0.0)}, {"resize": "square"}, {"resize_to": 64}]
)
def test_other_preprocessing_than_the_references_fails(network, tmp_path, change):
    backbone = network()
    (tmp_path / "reference.json").write_text(json.dumps(make_reference(backbone)), "utf-8")
    other = replace(backbone, preprocessing=replace(SMALL, **change))
    assert not verify(other, read_reference(tmp_path / "reference.json")).passed


def test_one_vector_beyond_the_tolerance_fails(network, tmp_path):
    backbone = network()
    vectors = make_reference(backbone)["vectors"]
    vectors["rocket"] = [1.03 * value for value in vectors["rocket"]]
    found = verify(backbone, write(tmp_path / "r.json", vectors, "penultimate"))
    assert [check.passed for check in found.vector_checks] == [True, True, False]
    assert not found.passed


def test_a_vector_of_another_length_is_an_error_that_names_both(network, tmp_path):
    reference = write(tmp_path / "r.json", {"coffee": [1.0, 2.0]})
    with pytest.raises(BackboneError, match="output has 4 values, the reference has 2"):
        verify(network(), reference)


def test_the_registry_is_searched_by_sha256(network, monkeypatch):
    backbone = network()
    entry = Entry("net-7", "tests", "https://example.org", backbone.sha256, 1, 7)
    monkeypatch.setattr(verification, "entry_of", lambda sha256: entry if sha256 == entry.sha256 else None)
    found = verify(backbone)
    assert (found.entry, found.passed) == (entry, True)


def test_a_file_with_a_known_name_and_other_content_fails(network, tmp_path):
    path = network(1000, raised(1000, 281, 967, 657)).path
    (tmp_path / "vgg16-7.onnx").write_bytes((tmp_path / "net.onnx").read_bytes())
    found = verify(OnnxBackbone(path.replace("net.onnx", "vgg16-7.onnx"), preprocessing=SMALL))
    assert (found.impostor_of, found.passed) == ("vgg16-7", False)


NO_REFERENCES = (
    *("", "[]", "{}", "[" * 5000, '{"vectors": {}}', '{"vectors": {"dog": [1]}}', '{"vectors": {"coffee": [[1]]}}'),
    *('{"vectors": {"coffee": [NaN]}}', '{"vectors": {"coffee": ["a"]}}', '{"vectors": {"coffee": [0]}}'),
    '{"vectors": {"coffee": [1]}, "stage": 3}',
)


@pytest.mark.parametrize("text", NO_REFERENCES)
def test_an_invalid_reference_is_an_error_that_says_what_was_expected(text, tmp_path):
    (tmp_path / "r.json").write_text(text, "utf-8")
    with pytest.raises(BackboneError, match=r"r.json: not a reference; .*vectors"):
        read_reference(tmp_path / "r.json")


def test_a_missing_reference_is_an_error(tmp_path):
    with pytest.raises(BackboneError, match=r"r.json: cannot be read"):
        read_reference(tmp_path / "r.json")


@pytest.mark.parametrize(("name", "preset"), [("mobilenetv2-tf2ptq-w8", "inception"), ("googlenet-bvlc-w16", "caffe")])
def test_real_networks_classify_the_sample_images(name, preset, shared):
    found = verify(OnnxBackbone(str(shared / "onnx" / f"{name}.onnx"), preprocessing=preset))
    assert found.passed
    assert [check.top5[0] for check in found.image_checks] == [285, 967, 657]


def test_wrong_colours_pass_the_image_checks_and_fail_the_vectors(shared, tmp_path):
    right = OnnxBackbone(str(shared / "onnx" / "googlenet-bvlc-w16.onnx"), preprocessing="caffe")
    wrong = replace(right, preprocessing=replace(right.contract, colors="rgb"))
    (tmp_path / "r.json").write_text(json.dumps(make_reference(right)), "utf-8")
    found = verify(wrong, read_reference(tmp_path / "r.json"))
    assert [check.top5[0] for check in found.image_checks][::2] == [285, 657]
    assert all(check.distance > 0.5 for check in found.vector_checks)
    assert not found.passed
