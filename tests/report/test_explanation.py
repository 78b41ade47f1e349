"""The page of what a network sees, and the command that writes it."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision import cli, workflows
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import Preprocessing
from classicvision.errors import SettingsError
from classicvision.images import write_image
from classicvision.report.explanation import explanation_to_dict, explanation_to_html, write_explanation
from classicvision.report.images import heat_over, tile

SIDE = 32
PLAIN = Preprocessing(resize="square", resize_to=SIDE, crop=SIDE)
PREPARED = ["--preprocessing", "imagenet", "--set", "resize_to=32", "--set", "crop=32"]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return the file of a network that knows red, green and blue, as a classifier of three classes."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = {"filters": np.zeros((3, 3, 3, 3)), "w": 5 * np.eye(3)}
    weights["filters"][:, :, 1, 1] = np.eye(3)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "filters"], ["colours"], pads=[1] * 4),
            helper.make_node("GlobalAveragePool", ["colours"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["code"]),
            helper.make_node("Gemm", ["code", "w"], ["scores"]),
        ],
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    path = tmp_path_factory.mktemp("network") / "colours.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def trunk(network, tmp_path_factory):
    """Return the file of the same network without its last layer."""
    from onnx import helper, load, save

    model = load(network)
    del model.graph.node[3:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("code", 1, ["n", 3]))
    path = tmp_path_factory.mktemp("trunk") / "trunk.onnx"
    save(model, path)
    return path


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory):
    """Return a folder of an image that is red with some blue, a copy of it, and four others."""
    folder = tmp_path_factory.mktemp("images")
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 0] = 250
    image[:10, :10] = (0, 0, 250)
    write_image(folder / "image.png", image)
    shutil.copy(folder / "image.png", folder / "same.png")
    for name, colour in {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "grey": (90, 90, 90)}.items():
        write_image(folder / f"{name}.png", np.full((40, 40, 3), colour, np.uint8))
    return folder


@pytest.fixture(scope="module")
def explanation(network, folder_of_images):
    backbone = OnnxBackbone(str(network), preprocessing=PLAIN)
    return workflows.explain_backbone(backbone, folder_of_images / "image.png", folder=folder_of_images)


def test_the_best_class_is_the_one_that_is_explained(explanation):
    assert [answer.index for answer in explanation.answers] == [0, 2, 1]
    assert explanation.target is explanation.answers[0]


def test_red_places_speak_for_red_in_both_maps(explanation):
    assert explanation.activation[20, 20] == pytest.approx(5 * 250 / 255)
    assert explanation.activation[2, 2] == 0
    assert explanation.occlusion[20, 20] > 0 > explanation.occlusion[2, 2]


def test_the_nearest_image_is_the_reddest_and_the_image_itself_is_excluded(explanation):
    assert [neighbour.path.stem for neighbour in explanation.neighbours] == ["red", "grey", "blue", "green"]
    assert explanation.n_compared == 4


def test_another_class_can_be_explained(network, folder_of_images):
    backbone = OnnxBackbone(str(network), preprocessing=PLAIN)
    found = workflows.explain_backbone(backbone, folder_of_images / "image.png", target=2)
    assert found.target.index == 2
    assert found.activation[2, 2] > 0 == found.activation[20, 20]
    assert (found.neighbours, found.n_compared) == ((), 0)


def test_an_unknown_class_is_an_error_that_states_the_range(network, folder_of_images):
    with pytest.raises(SettingsError, match="no class 3; the network has those from 0 to 2"):
        workflows.explain_backbone(
            OnnxBackbone(str(network), preprocessing=PLAIN), folder_of_images / "red.png", target=3
        )


def test_a_network_without_classes_is_explained_by_its_features(trunk, folder_of_images):
    found = workflows.explain_backbone(OnnxBackbone(str(trunk), preprocessing=PLAIN), folder_of_images / "image.png")
    assert (found.answers, found.target, found.activation.size) == ((), None, 0)
    assert found.no_activation == "the network has no classes"
    assert found.occlusion[2, 2] > found.occlusion[20, 20] > -1e-6  # without its blue corner the image is different


def test_filters_are_shown_in_red_green_blue_whatever_the_channel_order(network, folder_of_images):
    mirrored = OnnxBackbone(str(network), preprocessing=replace(PLAIN, colors="bgr"))
    found = workflows.explain_backbone(mirrored, folder_of_images / "red.png")
    assert_array_equal(found.filters[:, :, 1, 1], np.eye(3)[:, ::-1])
    assert_array_equal(found.seen, np.full((SIDE, SIDE, 3), (250, 0, 0)))


def test_the_data_are_json_and_say_where_the_maps_are_largest(explanation):
    data = json.loads(json.dumps(explanation_to_dict(explanation), allow_nan=False))
    assert data["target"] == {"index": 0, "probability": pytest.approx(data["answers"][0]["probability"]), "name": ""}
    assert data["activation"]["reason"] is None
    assert data["stages"] == [{"name": "stage1", "shape": [3, 32, 32], "strongest": [0, 2, 1]}]
    x, y = data["occlusion"]["place"]
    assert max(x, y) >= 8


def test_the_page_loads_nothing_and_has_every_part(explanation):
    page = explanation_to_html(explanation)
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:image/(png|jpeg);base64,)", page)
    for words in (
        "Regions that matter",
        "Filters of the first layer",
        "<h2>stage1</h2>",
        "Nearest images",
        "Occlusion",
    ):
        assert words in page
    assert page.count("<img") == 3 + 1 + 1 + 4


def test_names_from_strangers_are_escaped(explanation, network, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("<script>red</script>\ngreen\nblue\n", "utf-8")
    image = tmp_path / "<b>image\u202e.png"
    write_image(image, explanation.seen)
    found = workflows.explain_backbone(OnnxBackbone(str(network), preprocessing=PLAIN), image, names=names)
    page = explanation_to_html(found)
    assert "&lt;script&gt;red" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "\u202e" not in page


def test_a_page_without_classes_names_the_features(trunk, folder_of_images):
    found = workflows.explain_backbone(OnnxBackbone(str(trunk), preprocessing=PLAIN), folder_of_images / "image.png")
    page = explanation_to_html(found)
    assert "The network has no classes" in page
    assert "No class activation map: the network has no classes." in page


def test_the_page_is_written_whole(explanation, tmp_path):
    write_explanation(tmp_path / "page.html", explanation)
    assert (tmp_path / "page.html").read_text("utf-8") == explanation_to_html(explanation)


def test_tiles_are_in_rows_and_each_pixel_is_a_square():
    tiles = np.arange(3, dtype=np.uint8).repeat(3).reshape(3, 1, 1, 3)
    sheet = tile(tiles, 2, 2)
    row = [[0, 0, 255, 255, 1, 1], [0, 0, 255, 255, 1, 1]]
    gap = [[255] * 6] * 2
    assert_array_equal(sheet[..., 0], [*row, *gap, [2, 2, 255, 255, 255, 255], [2, 2, 255, 255, 255, 255]])


def test_tiles_that_are_too_large_are_shrunk():
    assert tile(np.zeros((2, 100, 100, 3), np.uint8), 2, 40).shape == (40, 82, 3)


def test_heat_is_red_above_0_blue_below_and_grey_at_0():
    image = np.full((1, 3, 3), 100, np.uint8)
    red, grey, blue = heat_over(image, np.array([[1.0, 0.0, -1.0]]))[0].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert grey.tolist() == [100, 100, 100]


def test_a_map_of_zeros_leaves_the_image_grey():
    assert_array_equal(heat_over(np.full((2, 2, 3), 60, np.uint8), np.zeros((4, 4))), np.full((2, 2, 3), 60))


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))

    def run(*words):
        code = cli._run(["backbone", "explain", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_explain_prints_the_classes_and_writes_the_page(run, network, folder_of_images, tmp_path):
    code, output, messages = run(network, folder_of_images / "image.png", "-o", tmp_path / "p.html", *PREPARED, "-j", 1)
    assert code == 0
    assert output.splitlines()[0].startswith("class 0 ")
    assert "p.html" in messages
    assert "stage1" in (tmp_path / "p.html").read_text("utf-8")


def test_explain_as_json_has_neighbours(run, network, folder_of_images, tmp_path):
    words = [
        network,
        folder_of_images / "image.png",
        "-o",
        tmp_path / "p.html",
        *PREPARED,
        "--folder",
        folder_of_images,
        "-j",
        1,
        "--json",
    ]
    code, output, _ = run(*words)
    assert code == 0
    assert len(json.loads(output)["neighbours"]) == 4


def test_explain_of_an_unreadable_image_writes_nothing(run, network, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    code, _, messages = run(network, tmp_path / "broken.jpg", "-o", tmp_path / "p.html", *PREPARED)
    assert code == 1
    assert "broken.jpg" in messages
    assert not (tmp_path / "p.html").exists()


def test_explain_lists_unreadable_images_of_the_folder(run, network, folder_of_images, tmp_path):
    folder = shutil.copytree(folder_of_images, tmp_path / "images")
    (folder / "broken.jpg").write_bytes(b"not an image")
    words = [network, folder / "image.png", "-o", tmp_path / "p.html", *PREPARED, "--folder", folder, "-j", 1]
    code, _, messages = run(*words)
    assert code == 3
    assert "broken.jpg" in messages
    assert "Skipped 1 unreadable image" in (tmp_path / "p.html").read_text("utf-8")


def test_a_browser_shows_every_image_and_requests_nothing(browser, explanation, tmp_path):
    write_explanation(tmp_path / "page.html", explanation)
    browser.open(tmp_path / "page.html")
    assert browser.evaluate("Array.from(document.images, image => image.naturalWidth > 0)") == [True] * 9
    assert browser.evaluate("document.images[0].naturalWidth") == SIDE
    assert (browser.faults, browser.requests) == ([], [(tmp_path / "page.html").as_uri()])


def test_the_page_fits_the_width_of_a_phone(browser, explanation, tmp_path):
    write_explanation(tmp_path / "page.html", explanation)
    browser.resize(360, 740, mobile=True)
    browser.open(tmp_path / "page.html")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
