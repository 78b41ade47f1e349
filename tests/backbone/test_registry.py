"""The registry of networks: its entries, and finding one by name."""

import importlib.util
import json
import re
from importlib import resources

import pytest

from classicvision.backbone.registry import Entry, entry_of, find, known_networks, newest
from classicvision.errors import BackboneError


def made(name, **more):
    return Entry(name, "family", f"https://example.org/{name}.onnx", "0" * 64, 10, int(name.split("-")[-1]), **more)


@pytest.mark.parametrize("entry", known_networks(), ids=lambda entry: entry.name)
def test_every_entry_pins_a_file_over_https(entry):
    assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.n_bytes > 10_000
    assert entry.url.startswith("https://huggingface.co/onnxmodelzoo/")
    assert entry.url.endswith(f"/{entry.name}.onnx")


def test_names_and_digests_are_unique():
    entries = known_networks()
    assert len({entry.name for entry in entries}) == len({entry.sha256 for entry in entries}) == len(entries)


def test_the_textbook_families_are_included():
    families = {entry.family for entry in newest(known_networks())}
    assert families >= {"alexnet", "vgg", "googlenet", "inception-v1", "inception-v2", "resnet", "densenet-121"}
    assert families >= {"mobilenet", "efficientnet-lite4", "shufflenet", "squeezenet"}


def test_of_each_network_the_newest_file_is_chosen_whatever_the_order():
    entries = [made("net-7"), made("net-12"), made("net-9"), made("other-v2-7")]
    assert [entry.name for entry in newest(entries)] == ["net-12", "other-v2-7"]


def test_a_quantised_file_is_never_the_newest():
    names = [entry.name for entry in newest(known_networks())]
    assert "resnet50-v1-12" in names
    assert not [name for name in names if "int8" in name or "qdq" in name]


def test_a_full_name_finds_its_own_file():
    assert find("resnet50-v1-7").sha256.startswith(
        "af16a04a6ec48ac494065d4439fe9dea590d337b9ca6dc328160ccf04a217b9c"[:6]
    )


def test_a_network_without_operator_set_is_its_newest_file():
    assert find("resnet50-v1").name == "resnet50-v1-12"
    assert find("vgg16").name == "vgg16-12"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ResNet-18", "resnet18-v1 or resnet18-v2"), ("alexnet", "bvlcalexnet"), ("vgg", "vgg16 or vgg16-bn or vgg19")],
)
def test_a_name_that_is_a_part_of_others_suggests_those(name, meant):
    with pytest.raises(BackboneError, match=f"did you mean {meant}"):
        find(name)


def test_an_unknown_name_is_an_error_with_the_nearest_names():
    with pytest.raises(BackboneError, match=r"'resnet50-v3'; did you mean .*resnet50-v1"):
        find("resnet50-v3")


def test_an_entry_is_found_by_its_sha256():
    entry = find("vgg19-bn")
    assert entry_of(entry.sha256) is entry
    assert entry_of("0" * 64) is None


def test_a_preprocessing_missing_in_the_zoo_is_missing_in_the_registry():
    assert find("bvlcalexnet").preprocessing is None
    assert find("squeezenet1.0").preprocessing is None
    assert find("resnet18-v1").preprocessing == "imagenet"


def test_the_stored_registry_is_what_the_script_makes(checkout, shared, tmp_path):
    spec = importlib.util.spec_from_file_location("make", checkout / "data" / "make_backbone_registry.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(shared / "onnx" / "zoo_registry.json", tmp_path / "registry.json")
    stored = resources.files("classicvision.backbone").joinpath("registry.json").read_text("utf-8")
    assert json.loads((tmp_path / "registry.json").read_text("utf-8")) == json.loads(stored)
