"""Fixtures for the tests of the project's own files: workflows, CI, container, changelog."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

CHECKOUT = Path(__file__).resolve().parents[2]


class Step(NamedTuple):
    """A step of a workflow, and where it is."""

    workflow: str
    job: str
    values: dict[str, Any]


def read_yaml(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text("utf-8"))


@pytest.fixture(scope="session")
def workflows() -> dict[str, dict[str, Any]]:
    """Return the workflows by their file's name."""
    return {path.name: read_yaml(path) for path in sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))}


@pytest.fixture(scope="session")
def steps(workflows: dict[str, dict[str, Any]]) -> list[Step]:
    """Return every step of every workflow."""

    def found() -> Iterator[Step]:
        for name, workflow in workflows.items():
            for job, body in workflow["jobs"].items():
                for step in body.get("steps", []):
                    yield Step(name, job, step)

    return list(found())


@pytest.fixture(scope="session")
def ci_script() -> Callable[[str], ModuleType]:
    """Return a function that imports a script of `.ci/` by its name."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"ci_{name}", CHECKOUT / ".ci" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
