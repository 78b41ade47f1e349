"""The command line in a separate process: terminal, pipe, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-m", "classicvision"]
SLOWLY = ["--set", "extractor.precision=exact", "--set", "extractor.engine=reference"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch, checkout):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(checkout))


def test_the_checkout_runner_is_the_same_command(checkout):
    done = subprocess.run(
        [sys.executable, checkout / "cli.py", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("classicvision")


def watch_in_a_terminal(command):
    """Return what a command prints to a terminal as messages, and to a pipe as output."""
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    terminal, its_end = pty.openpty()
    with subprocess.Popen(command, stderr=its_end, stdout=subprocess.PIPE, text=True) as process:
        os.close(its_end)
        seen = b""
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        output = process.communicate()[0]
    os.close(terminal)
    assert process.returncode == 0
    return seen, output


def test_a_terminal_sees_a_bar_with_count_and_rate(texture_folder, tmp_path):
    words = ["fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", "1", "--set", "encoder.n_words=30"]
    seen, output = watch_in_a_terminal([*COMMAND, *words])
    assert b"24/24" in seen
    assert b"/s" in seen
    assert "Saved" in output


def test_quiet_shows_no_bar_in_a_terminal(texture_folder, model_file):
    seen, output = watch_in_a_terminal([*COMMAND, "predict", model_file, texture_folder, "-j", "1", "--quiet"])
    assert seen == b""
    assert "texture-2" in output


def test_a_pipe_sees_no_bar(texture_folder, model_file):
    done = subprocess.run(
        [*COMMAND, "predict", model_file, texture_folder, "-j", "1"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_a_closed_pipe_prints_no_traceback(model_file):
    done = subprocess.run(
        f'"{sys.executable}" -m classicvision inspect "{model_file}" --json | head -c 1',
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_a_strict_stream_survives_a_file_name_that_is_not_text(model_file, texture_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii:strict")
    (tmp_path / "日本").mkdir()
    image = tmp_path / "日本" / os.fsdecode(b"x\xff.png")
    image.write_bytes((texture_folder / "texture-0" / "00.png").read_bytes())
    done = subprocess.run(
        [*COMMAND, "predict", model_file, image, "-j", "1"], capture_output=True, text=True, check=True
    )
    assert "texture-0" in done.stdout


def test_closed_streams_print_no_traceback(model_file, tmp_path):
    command = f'"{sys.executable}" -m classicvision inspect "{model_file}" >&- 2>"{tmp_path / "messages"}"'
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert (tmp_path / "messages").read_text() == ""


def test_sigterm_removes_the_temporary_cache(texture_folder, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    words = ["fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", "1", "--no-cache", "-q"]
    process = subprocess.Popen([*COMMAND, *words, *SLOWLY], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "temporary").glob("classicvision-*/??/*.block")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert not list((tmp_path / "temporary").glob("classicvision-*"))


def test_ctrl_c_during_a_fit_exits_with_130_and_the_next_run_resumes(texture_folder, tmp_path):
    words = ["fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", "1", *SLOWLY]
    process = subprocess.Popen([*COMMAND, *words, "--set", "encoder.n_words=30"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "cache").glob("??/*.block"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in messages
    assert not (tmp_path / "m.cvmodel").exists()
    kept = len(list((tmp_path / "cache").glob("??/*.block")))
    assert 3 <= kept < 24
    again = subprocess.run(
        [*COMMAND, *words, "--set", "encoder.n_words=30", "--json"], capture_output=True, text=True, check=True
    )
    assert f'"n_cached": {kept}' in again.stdout
