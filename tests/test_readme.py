"""Every block of the README runs, in order, in one folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sample images and a `classicvision` command."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(checkout / "data", folder / "data", ignore=shutil.ignore_patterns("*.py"))
    command = folder / "bin" / "classicvision"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m classicvision "$@"\n')
    command.chmod(0o755)
    return folder


def run(command: list[str], place: Path, checkout: Path) -> str:
    environment = {
        "PATH": f"{place / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(checkout),
        "CLASSICVISION_CACHE": str(place / "cache"),
        "MPLCONFIGDIR": str(place / "matplotlib"),
        "HOME": str(place),
    }
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shell_blocks_run_in_order(checkout, place):
    found = [block for block in blocks((checkout / "README.md").read_text("utf-8"), "sh") if "pip install" not in block]
    assert len(found) == 5
    output = run(["/bin/sh", "-euc", "\n".join(found)], place, checkout)
    assert "Cross-validated accuracy" in output
    assert "5 copies in 5 groups" in output
    assert (place / "copies.html").stat().st_size > 10_000
    assert (place / "match.png").read_bytes().startswith(b"\x89PNG")
    assert (place / "report.html").stat().st_size > 10_000
    assert (place / "bench.html").stat().st_size > 10_000
    assert "That does not make it the winner" in output
    assert (place / "stages.png").read_bytes().startswith(b"\x89PNG")


def test_python_blocks_run_in_order(checkout, place):
    found = blocks((checkout / "README.md").read_text("utf-8"), "python")
    assert len(found) == 4
    output = run([sys.executable, "-W", "error", "-c", "\n".join(found)], place, checkout)
    assert "['grass', 'grass'" in output
    assert "copy ['scale 1.00" in output


def test_the_two_commands_are_those_of_continuous_integration(checkout):
    commands = [b for b in blocks((checkout / "README.md").read_text("utf-8"), "sh") if "pip install" in b]
    assert [command.count("\n") for command in commands] == [1, 1]
    script = (checkout / ".ci" / "run").read_text("utf-8")
    assert "readme 'pip install \\. '" in script
    assert "readme 'pip install -e '" in script
