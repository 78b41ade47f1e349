"""Carry out the Dockerfile without a container, to see that its steps work. A package index has to be in reach.

Each stage gets an empty folder in place of `/`, one stage after the other at the same path, and a fresh virtual
environment in place of the base image's Python. Absolute paths in the instructions are moved into that folder. Steps
that change the system (`apt-get`, `useradd`) are listed and not run. At the end the entry point has to answer.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

TREE = Path(__file__).resolve().parent.parent
SYSTEM_COMMANDS = ("apt-get", "useradd")


class Instruction(NamedTuple):
    """One instruction of a Dockerfile: `RUN`, and what follows it on one line."""

    keyword: str
    value: str


def parse(text: str) -> list[Instruction]:
    """Return the instructions, each joined to one line, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(None, 1)) for line in joined.splitlines()]


def stages(instructions: list[Instruction]) -> dict[str, list[Instruction]]:
    """Return the instructions of each stage, in order, by its name; a stage without one is called by its number."""
    found: dict[str, list[Instruction]] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM":
            _, _, name = instruction.value.partition(" AS ")
            found[name or str(len(found))] = current = []
        current.append(instruction)
    return found


def context(tree: Path) -> list[Path]:
    """Return the files of the build context, relative to the tree.

    The last rule of `.dockerignore` that matches a file decides.
    """
    rules = []
    for line in (tree / ".dockerignore").read_text("utf-8").split("\n"):
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").replace("**/", "\0").replace(".", r"\.").replace("*", "[^/]*")
            rules.append((re.compile(pattern.replace("\0", "(?:.*/)?") + "(/.*)?"), line.startswith("!")))

    def is_kept(path: Path) -> bool:
        verdicts = [kept for pattern, kept in rules if pattern.fullmatch(path.as_posix())]
        return verdicts[-1] if verdicts else True

    files = (Path(folder, name).relative_to(tree) for folder, _, names in os.walk(tree) for name in names)
    return sorted(path for path in files if is_kept(path))


class Builder:
    """Carries out the stages in a folder that stands for `/`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.finished = folder / "finished"
        self.finished.mkdir()

    def build(self, name: str, instructions: list[Instruction]) -> None:
        """Carry out one stage."""
        self.root.mkdir()
        python = self.root / "usr" / "local"
        subprocess.run([sys.executable, "-m", "venv", python], check=True)
        self.environment = {**os.environ, "PATH": f"{python / 'bin'}:/usr/bin:/bin", "PIP_QUIET": "1"}
        self.environment.pop("PYTHONPATH", None)
        self.directory = self.root
        self.entry: dict[str, list[str]] = {}
        print(f"stage {name}", flush=True)
        for keyword, value in instructions:
            getattr(self, f"_{keyword.lower()}", lambda value: None)(value)

    def finish(self, name: str) -> None:
        """Put the stage aside, for `COPY --from`."""
        self.root.rename(self.finished / name)

    def start(self, *arguments: str) -> None:
        """Start the entry point of the stage built last, as the container would."""
        command = [*self.entry["ENTRYPOINT"], *(arguments or self.entry["CMD"])]
        print("  start", shlex.join(command), flush=True)
        subprocess.run(command, cwd=self.directory, env=self.environment, check=True)

    def _inside(self, text: str) -> str:
        """Move the absolute paths of a text into the root."""
        return re.sub(r"(?<![\w./:-])/(?=\w)", f"{self.root}/", text)

    def _workdir(self, value: str) -> None:
        self.directory = Path(self._inside(value))
        self.directory.mkdir(parents=True, exist_ok=True)

    def _env(self, value: str) -> None:
        for assignment in shlex.split(value):
            name, text = assignment.split("=", 1)
            self.environment[name] = self._inside(text).replace("$PATH", self.environment["PATH"])

    def _copy(self, value: str) -> None:
        *options, source, target = value.split()
        if options:
            stage = options[0].removeprefix("--from=")
            shutil.copytree(self.finished / stage / source.lstrip("/"), self._inside(target), symlinks=True)
            return
        for path in context(TREE):
            if path.is_relative_to(source):
                copied = self.directory / target / path
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TREE / path, copied)

    def _run(self, value: str) -> None:
        if value.startswith(SYSTEM_COMMANDS):
            print("  not run here:", value, flush=True)
            return
        print("  run", value, flush=True)
        command = ["/bin/sh", "-euc", self._inside(value)]
        subprocess.run(command, cwd=self.directory, env=self.environment, check=True)

    def _entrypoint(self, value: str) -> None:
        self.entry["ENTRYPOINT"] = json.loads(value)

    def _cmd(self, value: str) -> None:
        self.entry["CMD"] = json.loads(value)


def main() -> None:
    """Build every stage, then start what the image starts."""
    if shutil.which("c++") is None:
        print("not run: the wheel of the image needs a C++ compiler, which this machine does not have")
        return
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(Path(folder))
        found = stages(parse((TREE / "Dockerfile").read_text("utf-8")))
        for name, instructions in found.items():
            builder.build(name, instructions)
            if name != list(found)[-1]:
                builder.finish(name)
        builder.start()
        builder.start("doctor")


if __name__ == "__main__":
    main()
