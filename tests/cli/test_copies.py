"""``classicvision copies``: what it prints where, its files, and its exit codes."""

import csv
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from classicvision import cli
from classicvision._native import native_available
from classicvision.images import read_image, write_image


@pytest.fixture(autouse=True, scope="module")
def _one_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLASSICVISION_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def run(capsys, copies_folder, monkeypatch):
    """Return a function that runs `copies` in the folder and returns exit code, output and messages."""
    monkeypatch.chdir(copies_folder)

    def run(*words):
        code = cli._run(["copies", "-j", "1", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_pairs_are_a_table_with_the_best_first(run):
    code, output, messages = run("queries", "--against", "library")
    header, *rows, empty, summary = output.splitlines()
    assert code == 0
    assert header.split() == ["query", "(a)", "reference", "(b)", "score", "transform"]
    assert rows[0].split(maxsplit=2) == ["queries/equal.png", "library/2.png", "the same file, byte for byte"]
    assert {tuple(row.split()[:2]) for row in rows[1:]} == {
        ("queries/crop.png", "library/0.png"),
        ("queries/mirrored.png", "library/1.png"),
    }
    assert "mirrored" in next(row for row in rows if "queries/mirrored.png" in row).split(maxsplit=3)[3]
    assert empty == ""
    assert summary.startswith("3 copies in 3 groups. Compared 4 images with 5 images in ")
    assert messages == ""


def test_images_among_each_other_are_listed_in_groups(run):
    code, output, _ = run("queries", "library")
    assert code == 0
    assert output.startswith("Group 1: 2 images\n  queries/equal.png")
    assert "Group 3: 2 images" in output
    assert "3 copies in 3 groups. Compared 9 images in " in output


def test_an_index_can_be_searched(run, tmp_path, capsys):
    assert cli._run(["index", "build", "library", "-o", str(tmp_path / "l.cvindex"), "-j", "1"]) == 0
    capsys.readouterr()
    code, output, _ = run("queries/crop.png", "--against", tmp_path / "l.cvindex")
    assert code == 0
    assert "library/0.png" in output


def test_nothing_found_is_reported_and_is_not_an_error(run):
    assert run("queries/stranger.png", "--against", "library", "--exit-code")[:2] == (
        0,
        "No copies found. Compared 1 image with 5 images.\n",
    )


def test_a_copy_is_exit_code_11_only_if_requested(run):
    assert run("queries/crop.png", "--against", "library")[0] == 0
    assert run("queries/crop.png", "--against", "library", "--exit-code")[0] == 11


@pytest.fixture
def with_broken(copies_folder, tmp_path):
    folder = shutil.copytree(copies_folder / "queries", tmp_path / "with broken")
    (folder / "broken.jpg").write_text("nothing")
    return folder


def test_a_broken_file_is_exit_code_3_and_is_listed(run, with_broken):
    code, output, messages = run(with_broken, "--against", "library")
    assert code == 3
    assert "broken.jpg" in messages
    assert "broken.jpg" not in output
    assert "3 copies" in output


def test_a_copy_outweighs_a_broken_file_under_exit_code(run, with_broken):
    assert run(with_broken, "--against", "library", "--exit-code")[0] == 11


def test_json_is_one_document_with_everything(run, with_broken):
    code, output, _ = run(with_broken, "--against", "library", "--json")
    data = json.loads(output)
    assert code == 3
    assert (data["format"], data["n_queries"], data["n_references"]) == ("classicvision-copies", 4, 5)
    assert [f["labels"] for f in data["findings"][:1]] == [["exact"]]
    assert [f["path"] for f in data["failures"]] == [str(with_broken / "broken.jpg")]


def test_csv_has_one_row_per_finding(run, tmp_path):
    code, output, messages = run("queries", "--against", "library", "--csv", tmp_path / "c.csv")
    with (tmp_path / "c.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert code == 0
    assert "c.csv" in messages
    assert "c.csv" not in output
    assert rows[0]["path_a"] == "queries/equal.png"
    assert {row["labels"] for row in rows} == {"exact", "cropped", "mirrored"}


def test_report_is_a_page_with_the_images(run, tmp_path):
    code, _, messages = run("queries", "--against", "library", "--report", tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text("utf-8")
    assert code == 0
    assert "c.html" in messages
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("data:image/jpeg;base64,") == 6


def test_an_undecided_image_is_counted_on_standard_error(run, tmp_path):
    write_image(tmp_path / "blank.png", np.full((50, 50, 3), 255, np.uint8))
    code, output, messages = run(tmp_path / "blank.png", "--against", "library")
    assert code == 0
    assert output.startswith("No copies found.")
    assert messages == "1 undecided image: too few keypoints. --json lists them.\n"


def test_a_search_that_ended_at_the_limit_is_announced_on_standard_error(run, copies_folder, tmp_path):
    image = read_image(copies_folder / "library" / "0.png")
    (tmp_path / "versions").mkdir()
    for n in range(6):
        write_image(tmp_path / "versions" / f"{n}.png", np.ascontiguousarray(image[n + 1 :, n + 1 :]))
    limit = ("--set", "n_candidates=2", "--set", "max_candidates=4")
    code, output, messages = run("library/0.png", "--against", tmp_path / "versions", *limit)
    assert code == 0
    assert "in 1 group" in output
    assert "library/0.png: more copies may exist: it was compared with 4 images" in messages
    assert "--set max_candidates=16" in messages


def test_copies_that_cover_less_than_the_least_share_are_counted_only(run, copies_folder, tmp_path):
    logo = read_image(copies_folder / "library" / "0.png")[:70, :90]
    for n in (1, 2):
        image = cv2.resize(read_image(copies_folder / "library" / f"{n}.png"), None, fx=2, fy=2)
        image[20:90, 30:120] = logo
        write_image(tmp_path / f"{n}.png", image)
    assert "1 copy in 1 group" in run(tmp_path)[1]
    code, output, messages = run(tmp_path, "--least-share", "0.2")
    assert (code, output.startswith("No copies found.")) == (0, True)
    assert "1 smaller copy not listed" in messages
    assert json.loads(run(tmp_path, "--least-share", "0.2", "--json")[1])["n_small"] == 1


def test_a_long_list_ends_with_how_many_more_there_are(run, copies_folder, tmp_path):
    for n in range(25):
        shutil.copy(copies_folder / "library" / "0.png", tmp_path / f"{n:02}.png")
    _, output, _ = run(tmp_path)
    assert "... and 4 more pairs" in output  # 25 equal files are 24 findings with the first
    _, output, _ = run(tmp_path, "--against", "library")
    assert "... and 5 more findings; see --report, --csv or --json" in output


def test_a_higher_threshold_can_be_set(run):
    code, output, _ = run("queries/crop.png", "--against", "library", "--set", "match.threshold=1000000")
    assert (code, output.startswith("No copies found.")) == (0, True)


def test_a_calibration_turns_a_rate_into_the_threshold(run, tmp_path):
    """With u = 8, r = 1/1000 and b = 2, a rate of 1e-6 has the threshold 8 + 2 ln 1000 = 21.8."""
    from classicvision.copies.calibration_file import write_calibration
    from classicvision.copies.keypoint_calibration import CalibrationRun, matcher_fingerprint
    from classicvision.copies.settings import SearchSettings
    from classicvision.index.settings import IndexSettings
    from classicvision.matching.calibration import Calibration

    extractor, matching = IndexSettings().extractor, SearchSettings().match
    tail = Calibration(100, 5000, 8.0, 1e-3, 2.0, 11.0, matcher_fingerprint(extractor, matching))
    run_of = CalibrationRun(tail, np.zeros(0), (), 0, extractor, matching, (), 1.0)
    write_calibration(tmp_path / "c.json", run_of)
    words = ["--calibration", tmp_path / "c.json", "--false-match-rate", "1e-6", "--json"]
    settings = json.loads(run("queries/crop.png", "--against", "library", *words)[1])["settings"]
    assert settings["search"]["match"]["threshold"] == pytest.approx(8 + 2 * np.log(1000))


def test_a_rate_without_a_calibration_goes_by_the_photographs_that_were_measured(run):
    from classicvision.matching.calibration import DEFAULT_CALIBRATION

    words = ["queries/crop.png", "--against", "library", "--false-match-rate", "1e-20", "--json"]
    settings = json.loads(run(*words)[1])["settings"]
    assert settings["search"]["match"]["threshold"] == pytest.approx(DEFAULT_CALIBRATION.threshold_for(1e-20))


def test_a_rate_does_not_lower_the_threshold(run):
    words = ["queries/crop.png", "--against", "library", "--false-match-rate", "0.5", "--json"]
    settings = json.loads(run(*words)[1])["settings"]
    assert settings["search"]["match"]["threshold"] == 15


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--against", "library", "--self"], "--self cannot be combined with"),
        (["--self", "--false-match-rate", "1e-6"], "--self cannot be combined with"),
        (["--against", "library", "--false-match-rate", "nan"], "'nan' is not a number"),
        (["--self", "--calibration", "library/0.png"], "--self cannot be combined with"),
        (["--self", "--backbone", "network.onnx"], "--self cannot be combined with --backbone"),
        (["--preprocessing", "imagenet"], "need a network: add --backbone FILE"),
        (["--backbone-calibration", "library/0.png"], "need a network: add --backbone FILE"),
        (["--calibration", "library/0.png"], "give the rate too"),
        (["--false-match-rate", "1e-6", "--calibration", "nope.json"], "'nope.json' does not exist"),
        (["--false-match-rate", "0"], "0.0 is not in the range"),
        (["--set", "candidates=3"], "unknown setting 'candidates'"),
        (["--report", "c.pdf"], "must end in .html"),
        (["--csv", "nowhere/c.csv"], "does not exist; create it first"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_reason(words, message, run):
    code, output, messages = run("queries", *words)
    assert (code, output) == (2, "")
    assert message in messages


@pytest.mark.parametrize("words", [["nowhere"], ["queries", "--against", "nowhere"]])
def test_a_path_that_is_not_there_is_an_error_that_names_it(words, run):
    code, output, messages = run(*words)
    assert (code, output) == (1, "")
    assert "nowhere: there is no such file or folder" in messages


@pytest.fixture
def soft(make_image, tmp_path):
    """Return a folder with an image with too few keypoints, and a crop of it that its signature misses."""
    from classicvision.copies.backbone_calibration import soften

    (tmp_path / "soft").mkdir()
    write_image(tmp_path / "soft" / "soft.png", soften(make_image(2)))
    write_image(tmp_path / "soft" / "crop.png", np.ascontiguousarray(soften(make_image(2))[14:-7, 14:-14]))
    return tmp_path / "soft"


@pytest.fixture
def calibrated(make_network, tmp_path):
    """Return the options of a network with a calibration by which equal features are worth 6, and 11 is needed."""
    from classicvision import OnnxBackbone
    from classicvision.copies.backbone_calibration import BackboneCalibrationRun
    from classicvision.copies.calibration_file import write_calibration
    from classicvision.matching.calibration import Calibration
    from classicvision.matching.likeness import BackboneCalibration, BackboneFallback

    backbone = OnnxBackbone(make_network(preprocessing="imagenet"))
    close = Calibration(100, 5000, 4.0, 1e-3, 0.4, 7.0, BackboneFallback(backbone).matcher)
    known = BackboneCalibration(close, Calibration(100, 5000, 11.0, 1e-7, 0.5, 8.0))
    run_of = BackboneCalibrationRun(backbone, known, np.zeros(0, np.float32), (), 0, (), 1.0)
    write_calibration(tmp_path / "network.json", run_of)
    return ["--backbone", backbone.path, "--backbone-calibration", tmp_path / "network.json"]


def test_what_a_network_finds_says_so_in_text_json_csv_and_page(run, soft, calibrated, tmp_path):
    assert run(soft)[1].startswith("No copies found.")
    code, output, _ = run(soft, *calibrated, "--exit-code")
    assert code == 11
    assert "cosine" in output
    assert "by the network" in output
    files = ["--csv", tmp_path / "c.csv", "--report", tmp_path / "c.html"]
    data = json.loads(run(soft, *calibrated, "--json", *files)[1])
    (finding,) = data["findings"]
    assert (finding["method"], finding["labels"]) == ("backbone", ["backbone"])
    assert finding["cosine"] > 0.9
    assert data["settings"]["fallback"]["threshold"] == 11
    with (tmp_path / "c.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["method"], row["cosine"]) == ("backbone", str(finding["cosine"]))
    page = (tmp_path / "c.html").read_text("utf-8")
    assert 'value="backbone"' in page
    assert f"cosine {finding['cosine']:.3f}" in page
    assert "findings by a backbone" in page


def test_a_network_compares_images_with_those_of_an_index_too(run, soft, calibrated, tmp_path, capsys):
    assert cli._run(["index", "build", str(soft / "soft.png"), "-o", str(tmp_path / "l.cvindex"), "-j", "1"]) == 0
    capsys.readouterr()
    code, output, _ = run(soft / "crop.png", "--against", tmp_path / "l.cvindex", *calibrated)
    assert code == 0
    assert "soft.png" in output
    assert "1 copy in 1 group" in output


def test_a_rate_does_not_lower_what_a_network_needs(run, soft, calibrated):
    words = [soft, *calibrated, "--json", "--false-match-rate"]
    assert json.loads(run(*words, "0.5")[1])["settings"]["fallback"]["threshold"] == 11
    assert json.loads(run(*words, "1e-20")[1])["settings"]["fallback"]["threshold"] > 20


def test_an_interrupted_search_says_how_to_resume(run, monkeypatch):
    def end(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("classicvision.workflows.find_copies", end)
    code, output, messages = run("queries", "--against", "library")
    assert (code, output) == (130, "")
    assert "Repeat the command to resume" in messages


def test_finding_copies_loads_no_library_that_only_learning_needs(copies_folder):
    # Without kernels scikit-learn learns the words of the library.
    heavy = ("sklearn", "matplotlib", "skimage") if native_available() else ("matplotlib", "skimage")
    code = (
        "import sys; from classicvision import cli;"
        "code = cli._run(['copies', 'queries/crop.png', '--against', 'library', '-j', '1', '--no-cache']);"
        f"sys.exit(any(m in sys.modules for m in {heavy}) or code)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], cwd=copies_folder, env=environment, check=False)
    assert done.returncode == 0


def test_a_part_copied_within_an_image_is_reported_with_self(run, make_image, tmp_path):
    moved = make_image(0)
    moved[90:150, 130:200] = moved[10:70, 20:90]
    write_image(tmp_path / "moved.png", moved)
    code, output, _ = run(tmp_path / "moved.png", "--self", "--exit-code", "--report", tmp_path / "c.html")
    assert code == 11
    assert output.splitlines()[1].startswith(str(tmp_path / "moved.png"))
    assert "1 image contains duplicated regions. Compared 1 image with itself in " in output
    page = (tmp_path / "c.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 1
    assert "each with itself" in page
    assert "% of the image is duplicated: scale 1.00" in output


@pytest.mark.parametrize(
    ("images", "compared"),
    [(["queries/crop.png"], "1 image with itself."), (["queries"], "4 images, each with itself.")],
)
def test_images_without_a_part_copied_within_were_compared_with_themselves(images, compared, run):
    code, output, _ = run(*images, "--self")
    assert (code, output) == (0, f"No copies found. Compared {compared}\n")


def test_one_image_alone_gets_a_hint_what_else_to_give(run):
    code, output, _ = run("queries/crop.png")
    assert code == 0
    assert output.endswith("Only one image given. Pass more, or use --against or --self.\n")


def test_control_characters_in_the_name_of_an_output_stay_off_the_terminal(run, tmp_path):
    _, _, messages = run("queries/crop.png", "--csv", tmp_path / "a\x1b[31m.csv")
    assert "\x1b" not in messages
    assert "a\\x1b[31m.csv" in messages


def test_related_pairs_are_counted_and_listed_on_request(run, tmp_path, make_image):
    image = make_image(11)
    grid = np.random.default_rng(1).normal(0, 1.5, (2, 16, 20)).astype(np.float32)
    dx, dy = (cv2.resize(one, image.shape[1::-1], interpolation=cv2.INTER_CUBIC) for one in grid)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    write_image(tmp_path / "first.png", image)
    write_image(tmp_path / "second.png", cv2.remap(image, x + dx, y + dy, cv2.INTER_CUBIC))
    _, output, _ = run(tmp_path)
    assert "No copies found." in output
    assert "Related, but not copies: one scene or printed thing photographed twice (1 pair). --related lists" in output
    _, output, _ = run(tmp_path, "--related")
    assert "first.png" in output
    assert "same scene" in output
    data = json.loads(run(tmp_path, "--json")[1])
    assert [pair["labels"] for pair in data["related"]] == [["same scene"]]
