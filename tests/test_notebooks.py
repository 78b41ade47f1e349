"""The notebooks run from first to last cell, offline, with public names only, and are stored without outputs."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import classicvision

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))

# The cells run in one namespace as in Jupyter, each under its own name, so that a traceback names the cell that failed.
RUN_CELLS = """
import json, socket, sys
from pathlib import Path

def refuse(*address):
    raise OSError(f"a notebook must run offline; it connected to {address}")

socket.socket.connect = socket.getaddrinfo = refuse
namespace = {"__name__": "__main__"}
for number, source in enumerate(json.loads(Path(sys.argv[1]).read_text("utf-8"))):
    exec(compile(source, f"code cell {number}", "exec"), namespace)
"""


def cells_of(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text("utf-8"))
    assert notebook["nbformat"] == 4
    return notebook["cells"]


def code_of(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == "code"]


def test_there_are_five_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_cells_of_a_notebook_run_in_order_without_a_warning(path, docs_folder):
    folder = docs_folder.page_folder(path.stem) / "notebooks"  # the notebooks find the sample images in ../data
    folder.mkdir()
    (folder / "cells.json").write_text(json.dumps(code_of(path)), "utf-8")
    docs_folder.run([sys.executable, "-W", "error", "-c", RUN_CELLS, "cells.json"], folder)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    code = [cell for cell in cells_of(path) if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_text_precedes_each_code_cell(path):
    kinds = [cell["cell_type"] for cell in cells_of(path)]
    assert all(before == "markdown" for before, kind in zip([None, *kinds], kinds, strict=False) if kind == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_public_names_only(path):
    for node in ast.walk(ast.parse("\n".join(code_of(path)))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("classicvision"):
            assert node.module == "classicvision"
            assert {name.name for name in node.names} <= set(classicvision.__all__)
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("classicvision") for name in node.names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asserts_its_claims(path):
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse("\n".join(code_of(path)))))
