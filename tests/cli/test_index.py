"""The index commands: what they print where, and their exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from classicvision import cli

FAST = ["--set", "extractor.max_features=60", "--set", "n_words=50", "-j", 1]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(capsys):
    def run(*words):
        code = cli._run(["index", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def library(texture_folder, tmp_path):
    return shutil.copytree(texture_folder / "texture-0", tmp_path / "library")


@pytest.fixture
def built(run, library, tmp_path):
    assert run("build", library, "-o", tmp_path / "l.cvindex", *FAST)[0] == 0
    return tmp_path / "l.cvindex"


def test_build_says_what_is_in_the_index(run, library, tmp_path):
    code, output, messages = run("build", library, "-o", tmp_path / "l.cvindex", *FAST)
    assert (code, messages) == (0, "")
    assert "8 added; 8 images now." in output


def test_a_broken_image_is_listed_and_the_exit_code_is_3(run, built, library):
    (library / "broken.png").write_bytes(b"no image")
    code, output, messages = run("update", built, "-j", 1)
    assert code == 3
    assert "8 unchanged" in output
    assert "broken.png" in messages


def test_a_file_that_broke_since_stays_as_it_was_and_that_is_reported(run, built, library):
    (broken := sorted(library.iterdir())[0]).write_bytes(b"no image any more")
    code, output, messages = run("update", built, "-j", 1)
    assert code == 3
    assert "7 unchanged; 8 images now" in output
    assert messages.startswith("Skipped 1 unreadable image:")
    assert broken.name in messages
    assert "The index keeps its entries for 1 of them" in messages


def test_a_new_file_that_is_broken_is_skipped_and_that_is_reported(run, built, library):
    (library / "broken.png").write_bytes(b"no image")
    assert run("update", built, "-j", 1)[2].startswith("Skipped 1 unreadable image:")


def test_an_output_that_is_a_file_is_an_error_and_stays_as_it_is(run, library, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, _, messages = run("build", library, "-o", tmp_path / "taken", *FAST)
    assert code == 1
    assert "is a file, but an index is a folder; choose another name" in messages
    assert (tmp_path / "taken").read_text() == "mine"


def test_an_existing_index_is_an_error_that_says_what_to_do(run, built, library):
    code, _, messages = run("build", library, "-o", built, *FAST)
    assert code == 1
    assert f"index update {built}" in messages


@pytest.mark.parametrize("words", [["--set", "n_word=5"], ["--set", "n_words=1"]])
def test_a_wrong_setting_is_wrong_usage(run, library, tmp_path, words):
    code, _, messages = run("build", library, "-o", tmp_path / "l.cvindex", *words)
    assert code == 2
    assert "n_words" in messages


def test_an_output_in_a_folder_that_is_not_there_is_wrong_usage(run, library, tmp_path):
    code, _, messages = run("build", library, "-o", tmp_path / "no" / "l.cvindex")
    assert code == 2
    assert "does not exist" in messages


def test_add_update_and_remove_say_what_they_did_as_json(run, built, library, texture_folder):
    _, output, _ = run("add", built, texture_folder / "texture-1", "-j", 1, "--json")
    added = json.loads(output)
    assert (added["n_added"], added["n_images"], added["failures"]) == (8, 16, [])
    (library / "00.png").unlink()
    _, output, _ = run("update", built, library, "-j", 1, "--json")
    assert json.loads(output)["n_removed"] == 1
    _, output, _ = run("remove", built, texture_folder / "texture-1", "--json")
    assert json.loads(output)["n_images"] == 7


def test_removing_what_is_not_in_is_an_error(run, built):
    code, _, messages = run("remove", built, "nowhere.jpg")
    assert code == 1
    assert "nothing was removed" in messages


def test_info_tells_the_sizes(run, built):
    code, output, _ = run("info", built)
    assert code == 0
    assert "8 images" in output
    assert "max_features = 60" in output
    assert json.loads(run("info", built, "--json")[1])["n_images"] == 8


def test_verify_names_the_damaged_file_and_fails(run, built):
    assert run("verify", built)[:2] == (0, "The index is intact.\n")
    path = built / "segment-000002.features"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, output, _ = run("verify", built)
    assert code == 1
    assert "segment-000002.features: differs from its checksum" in output
    assert json.loads(run("verify", built, "--json")[1])["damage"][0]["path"] == str(path)


@pytest.mark.parametrize("name", ["add", "update", "remove", "info", "verify"])
def test_a_folder_that_is_not_an_index_is_an_error_and_stays_as_it_is(run, tmp_path, library, name):
    code, _, messages = run(name, library, *([library] if name in ("add", "remove") else []))
    assert code == 1
    assert "is not an index" in messages
    assert not (library / "writer.lock").exists()


def test_an_index_that_is_being_written_is_an_error_for_a_second_writer(run, built, library):
    from classicvision import IndexWriter

    with IndexWriter(built):
        code, _, messages = run("update", built, "-j", 1)
    assert code == 1
    assert "is being written to by process" in messages


def test_ctrl_c_leaves_an_index_that_works(library, built, tmp_path, checkout):
    for number in range(60):
        shutil.copy(library / f"{number % 8:02}.png", tmp_path / f"copy{number:02}.png")
    more = [tmp_path / f"copy{number:02}.png" for number in range(60)]
    for number, path in enumerate(more):
        path.write_bytes(path.read_bytes() + str(number).encode())
    command = [sys.executable, "-m", "classicvision", "index", "add", built, *more, "-j", "1", "-q"]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(checkout)}, stderr=subprocess.PIPE, text=True
    )
    cache = tmp_path / "cache"
    before, end = len(list(cache.glob("??/*.block"))), time.monotonic() + 60
    while len(list(cache.glob("??/*.block"))) < before + 5 and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("was done before it was interrupted")
    assert process.returncode == 130
    assert "Interrupted" in messages
    assert cli._run(["index", "verify", str(built)]) == 0
    assert cli._run(["index", "add", str(built), *map(str, more), "-j", "1"]) == 0


def test_a_vocabulary_that_is_invalid_is_an_error_that_says_what_one_is(run, library, tmp_path):
    (tmp_path / "words.csv").write_text("a,b\n")
    code, _, messages = run("build", library, "-o", tmp_path / "other.cvindex", "--vocabulary", tmp_path / "words.csv")
    assert code == 1
    wrong = tmp_path / "words.csv"
    assert messages == f"Error: {wrong} is not a vocabulary; give an index, or the *.cvwords file in one\n"
