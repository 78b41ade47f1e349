"""The pages of the documentation: their code runs, their commands exist, and they name what there is."""

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
PAGES = sorted(DOCS.glob("*.md"))

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?"
    r"^```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DIRECTIVES = ("{toctree}", "{include}", "{eval-rst}")

# Each block runs where the one before left off: Python in one namespace, commands in the same folder.
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


def test_few_blocks_do_not_run_and_each_says_what_it_lacks():
    reasons = [block.why_not for page in PAGES for block in code_of(page) if block.why_not]
    assert len(reasons) <= 14
    assert all(reason.startswith(("needs ", "fetches ")) for reason in reasons)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_that_does_not_run_can_be_read(page):
    for block in code_of(page):
        if block.language == "python":
            compile(block.code, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_block_without_a_language_holds_no_command(page):
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
    """Check that a command exists and takes the options that it is given."""
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
        require_known(["fit", "photos", "--model", "x"])


def test_the_api_lists_every_public_name_once():
    text = (DOCS / "api.md").read_text("utf-8")
    top, of_workflows = text.split("## Workflows")
    listed = re.findall(r"^   (\w+)$", top, re.M)
    told = {"Image", "errors", "workflows", "__version__"}  # in sentences or sections of their own
    assert sorted(listed) == sorted(set(classicvision.__all__) - told)
    assert sorted(re.findall(r"^   (\w+)$", of_workflows, re.M)) == sorted(workflows.__all__)


def recipes_in(page: str) -> set[str]:
    return set(re.findall(r"^\| `([\w-]+)`", (DOCS / page).read_text("utf-8"), re.MULTILINE))


def test_the_page_of_recipes_has_every_named_one():
    assert recipes_in("recipes.md") == set(classicvision.RECIPES)


def test_the_table_of_accuracies_names_recipes_that_exist():
    assert recipes_in("recipes-table.md") <= set(classicvision.RECIPES)


def test_every_page_can_be_reached_from_the_first():
    first = (DOCS / "index.md").read_text("utf-8")
    listed = {name for block in blocks_of(DOCS / "index.md") for name in block.code.split() if name in first}
    assert {page.stem for page in PAGES} - listed == {"index", "recipes-table"}
