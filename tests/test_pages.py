"""The pages of the documentation: their code runs, their commands exist, and they list every public name."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import classicvision
from classicvision import workflows
from classicvision.cli import cli

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *(DOCS / "reference").glob("*.md")])

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?"
    r"^```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DIRECTIVES = ("{toctree}", "{include}", "{eval-rst}")

# All Python blocks of a page share one namespace, and all commands one folder.
RUN_BLOCKS = """
import json, subprocess, sys
from pathlib import Path

namespace = {"__name__": "__main__"}
for number, (language, code) in enumerate(json.loads(Path(sys.argv[1]).read_text("utf-8"))):
    if language == "sh":
        subprocess.run(["/bin/sh", "-euc", code], check=True)
    else:
        exec(compile(code, f"block {number}", "exec"), namespace)
"""


class Block(NamedTuple):
    language: str
    code: str
    why_not: str | None  # it does not run


def blocks_of(page: Path) -> list[Block]:
    return [Block(m["language"], m["code"], m["why"]) for m in BLOCK.finditer(page.read_text("utf-8"))]


def code_of(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.language in ("sh", "python")]


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.why_not is None for b in code_of(p))], ids=lambda p: p.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, docs_folder):
    folder = docs_folder.page_folder(page.stem)
    runs = [(block.language, block.code) for block in code_of(page) if block.why_not is None]
    (folder / "blocks.json").write_text(json.dumps(runs), "utf-8")
    docs_folder.run([sys.executable, "-W", "error", "-c", RUN_BLOCKS, "blocks.json"], folder)


def test_few_blocks_do_not_run_and_each_says_why():
    reasons = [block.why_not for page in PAGES for block in code_of(page) if block.why_not]
    assert len(reasons) <= 14
    assert all(reason.startswith(("needs ", "fetches ")) for reason in reasons)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_that_does_not_run_compiles(page):
    for block in code_of(page):
        if block.language == "python":
            compile(block.code, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_block_without_a_language_has_no_command(page):
    for block in blocks_of(page):
        assert block.language in ("sh", "python", "", *DIRECTIVES)
        assert block.language or "classicvision " not in block.code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_of_a_page_exist(page):
    for block in code_of(page):
        if block.language == "sh":
            for line in block.code.replace("\\\n", " ").splitlines():
                words = shlex.split(line.split(">")[0], comments=True)
                if words[:1] == ["classicvision"]:
                    require_known(words[1:])


def require_known(words: list[str]) -> None:
    """Check that a command exists and accepts its options."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


def test_an_option_that_does_not_exist_is_noticed():
    with pytest.raises(AssertionError):
        require_known(["fit", "images", "--model", "x"])


def public_names_in(pages: list[Path]) -> list[str]:
    """Return the full names that the summaries on some pages list, each under the module set before it."""
    names, module = [], ""
    for page in pages:
        for line in page.read_text("utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
            elif re.fullmatch(r"   \w+", line):
                names.append(f"{module}.{line.strip()}")
    return names


def test_the_api_lists_every_public_name_once():
    in_text = {"Image", "errors", "workflows", "__version__"}  # explained in sentences or sections
    expected = [f"classicvision.{name}" for name in classicvision.__all__ if name not in in_text]
    expected += [f"classicvision.workflows.{name}" for name in workflows.__all__]
    assert sorted(public_names_in(sorted((DOCS / "reference").glob("*.md")))) == sorted(expected)


def recipes_in(page: str) -> set[str]:
    return set(re.findall(r"^\| `([\w-]+)`", (DOCS / page).read_text("utf-8"), re.MULTILINE))


def test_the_page_of_recipes_lists_every_named_recipe():
    assert recipes_in("recipes.md") == set(classicvision.RECIPES)


def test_the_table_of_accuracies_names_recipes_that_exist():
    assert recipes_in("recipes-table.md") <= set(classicvision.RECIPES)


def test_every_page_can_be_reached_from_the_first():
    listed = {
        name for page in ("index.md", "api.md") for block in blocks_of(DOCS / page) for name in block.code.split()
    }
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES}
    assert pages - listed == {"index", "recipes-table"}
