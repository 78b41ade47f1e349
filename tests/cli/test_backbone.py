"""The commands that list and fetch networks: what they print where, and their exit codes."""

import json

import numpy as np
import pytest

from classicvision import cli
from classicvision.backbone.registry import Entry
from classicvision.cli import backbone
from classicvision.images import write_image
from classicvision.workflows import backbone as verbs


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(capsys):
    def run(*words):
        code = cli._run(["backbone", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Have one network known by the name `net-7`, whose file is in the cache; return the file."""
    file = tmp_path / "cache" / "backbones" / "net-7.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"network")
    sha256 = "a2bb6dd3f2d6aa7f0f15b25b9a5a9ad1b15f34a4ad6c66d5e9e0bd0dc7e0c4de"
    entry = Entry("net-7", "tests", "https://example.invalid/net-7.onnx", sha256, 7, 7)
    monkeypatch.setattr(verbs, "find", lambda name: entry)
    return file


@pytest.mark.parametrize("name", backbone.COMMANDS)
def test_help_has_examples_that_begin_with_the_command(name, run):
    code, output, _ = run(name, "--help")
    assert code == 0
    examples = output.partition("Examples:")[2].strip().splitlines()
    assert examples
    assert all(line.strip().startswith(f"classicvision backbone {name}") for line in examples)


def test_the_group_lists_every_command(run):
    code, output, _ = run("--help")
    assert code == 0
    assert all(f"\n  {name} " in output for name in backbone.COMMANDS)


def test_list_has_one_row_per_network_and_fits_a_terminal(run):
    code, output, _ = run("list")
    assert code == 0
    rows = {line.split()[0]: line for line in output.splitlines() if line}
    assert rows["resnet18-v1-7"].split()[1:] == ["resnet", "46.8", "MB", "69.9", "89.3", "imagenet", "Apache-2.0"]
    assert "resnet18-v1-7-int8" not in rows
    assert max(map(len, output.splitlines())) <= 100


def test_list_all_has_every_file_as_json(run):
    _, output, _ = run("list", "--all", "--json")
    entries = {entry["name"]: entry for entry in json.loads(output)}
    assert len(entries) == 86
    assert entries["vgg16-7"]["n_bytes"] == 553_437_328


def test_pull_prints_the_path_and_nothing_else(run, fetched, monkeypatch):
    monkeypatch.setattr("classicvision.backbone.download._matches", lambda file, entry: True)
    assert run("pull", "net-7") == (0, f"{fetched}\n", "")


def test_pull_as_json_has_names_and_files(run, fetched, monkeypatch):
    monkeypatch.setattr("classicvision.backbone.download._matches", lambda file, entry: True)
    assert json.loads(run("pull", "net-7", "--json")[1]) == [{"name": "net-7", "file": str(fetched)}]


def test_pull_offline_says_that_a_damaged_file_is_damaged(run, fetched):
    code, output, messages = run("pull", "net-7", "--offline")
    assert (code, output) == (1, "")
    assert f"{fetched} is damaged, and downloads are disabled" in messages


def test_pull_uses_the_given_cache_folder(run, fetched, tmp_path):
    code, _, messages = run("pull", "net-7", "--offline", "--cache", tmp_path / "other")
    assert code == 1
    assert f"{tmp_path / 'other' / 'backbones' / 'net-7.onnx'} does not exist" in messages


def test_pull_of_an_unknown_name_is_an_error_that_suggests_a_similar_one(run):
    code, _, messages = run("pull", "resnet-18")
    assert code == 1
    assert "did you mean resnet18-v" in messages


@pytest.fixture
def network(tmp_path):
    """Return the file of a network whose output is the mean colour of an image."""
    from onnx import TensorProto, helper, save

    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])
    colours = helper.make_tensor_value_info("colours", TensorProto.FLOAT, ["n", 3, 1, 1])
    node = helper.make_node("GlobalAveragePool", ["images"], ["colours"])
    graph = helper.make_graph([node], "net", [images], [colours])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


PREPARED = ["--preprocessing", "imagenet", "--set", "resize_to=36", "--set", "crop=32"]


def test_verify_with_nothing_to_check_fails(run, network):
    code, output, _ = run("verify", network, *PREPARED)
    assert code == 1
    assert "Nothing to check: pass --reference." in output


def test_verify_writes_a_reference_that_it_agrees_with(run, network, tmp_path):
    run("verify", network, *PREPARED, "--write", tmp_path / "r.json")
    code, output, _ = run("verify", network, *PREPARED, "--reference", tmp_path / "r.json")
    assert code == 0
    assert "pass chelsea  0.00000" in output
    assert "All checks passed." in output


def test_verify_that_writes_a_reference_reports_the_file_and_succeeds(run, network, tmp_path):
    code, _, messages = run("verify", network, *PREPARED, "--write", tmp_path / "r.json")
    assert code == 0
    assert f"Wrote {tmp_path / 'r.json'}." in messages


def test_classify_by_a_network_that_ends_in_features_warns(run, network, tmp_path):
    write_image(tmp_path / "grey.png", np.full((40, 40, 3), 90, np.uint8))
    code, _, messages = run("classify", network, tmp_path / "grey.png", *PREPARED, "-j", 1)
    assert code == 0
    assert "end in features" in messages


@pytest.mark.parametrize("name", backbone.COMMANDS)
def test_help_fits_into_100_columns(name, run):
    assert [line for line in run(name, "--help")[1].splitlines() if len(line) > 100] == []


def test_verify_of_other_preprocessing_is_exit_code_1(run, network, tmp_path):
    run("verify", network, *PREPARED, "--write", tmp_path / "r.json")
    code, output, _ = run("verify", network, *PREPARED, "--set", "colors=bgr", "--reference", tmp_path / "r.json")
    assert code == 1
    assert "FAIL coffee" in output


def test_verify_as_json_is_one_document(run, network, tmp_path):
    run("verify", network, *PREPARED, "--write", tmp_path / "r.json")
    code, output, _ = run("verify", network, *PREPARED, "--reference", tmp_path / "r.json", "--json")
    facts = json.loads(output)
    assert code == 0
    assert facts["passed"] is True
    assert facts["preprocessing"]["crop"] == 32
    assert [check["distance"] for check in facts["vectors"]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preprocessing", "kaffe"], "choose from imagenet"),
        ([*PREPARED, "--set", "crop=50"], "resize_to is 36; it must be at least crop, which is 50"),
        ([*PREPARED, "--set", "mean=1"], "mean"),
    ],
)
def test_wrong_preprocessing_is_a_usage_error(run, network, words, message):
    for command in (["verify", network], ["classify", network, "image.png"]):
        code, _, messages = run(*command, *words)
        assert code == 2
        assert message in messages


def test_a_network_without_preprocessing_is_an_error_that_lists_the_presets(run, network):
    code, _, messages = run("verify", network)
    assert code == 1
    assert "imagenet, caffe" in messages
