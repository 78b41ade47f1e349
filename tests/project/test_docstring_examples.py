"""Run the examples of all docstrings; every public object has one on a real sample image.

The examples run in a folder that has the sample images in `data` and may be written to.
"""

import ast
import doctest
import importlib
import os
from pathlib import Path

import numpy as np
import pytest

import classicvision

PACKAGE = Path(classicvision.__file__).parent

# Public objects whose docstring does not have an example yet. Remove a name when it gets one: the test insists.
PENDING = {
    "Index",
    "IndexSettings",
    "IndexWriter",
    "SearchSettings",
    "find_copies",
    "search_index",
}

# Their example needs no image: they are values, or settings of other things than images.
WITHOUT_IMAGE = {"Prediction", "SvmSettings", "load_recipe", "recipe_to_toml"}

# Constants, modules and a type alias.
NOT_DOCUMENTED = {"MATCHING_SIFT", "RECIPES", "Image", "__version__", "errors", "workflows"}


def modules_with_examples() -> list[str]:
    """Return the dotted names of the modules in which a docstring has an example."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        nodes = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, documented))
        if any(">>> " in (ast.get_docstring(node) or "") for node in nodes):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            found.append(".".join(parts).removesuffix(".__init__"))
    return found


@pytest.fixture(scope="module")
def examples_folder(docs_folder):
    return docs_folder.page_folder("docstrings")


@pytest.fixture
def in_examples_folder(examples_folder, monkeypatch):
    monkeypatch.chdir(examples_folder)
    monkeypatch.setenv("CLASSICVISION_CACHE", str(examples_folder / "cache"))
    with np.printoptions(precision=3, suppress=True):
        yield


@pytest.mark.usefixtures("in_examples_folder")
@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_print_what_they_show(name):
    module = importlib.import_module(name)
    failed = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test, out=failed.append)
    assert not failed, os.linesep.join(failed)


@pytest.mark.parametrize("name", sorted(set(classicvision.__all__) - NOT_DOCUMENTED))
def test_every_public_object_has_an_example_on_a_sample_image(name):
    example = (getattr(classicvision, name).__doc__ or "").partition("Examples\n")[2]
    expected = ">>> " if name in WITHOUT_IMAGE else "data/"
    assert (expected in example and "+SKIP" not in example) != (name in PENDING)
