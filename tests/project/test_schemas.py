"""The files that GitHub and others read keep to the schemas that check-jsonschema ships."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SCHEMAS = [
    ("vendor.github-workflows", ".github/workflows/*.yml"),
    ("custom.github-workflows-require-timeout", ".github/workflows/*.yml"),
    ("vendor.dependabot", ".github/dependabot.yml"),
    ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
    ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("vendor.citation-file-format", "CITATION.cff"),
]


def check(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    options = ["--builtin-schema", schema, "--default-filetype", "yaml"]
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *options, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("schema", "pattern"), SCHEMAS)
def test_files_keep_to_their_schema(schema, pattern):
    paths = sorted(CHECKOUT.glob(pattern))
    assert paths
    done = check(schema, *paths)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_for_github_has_a_schema():
    held = {path for _, pattern in SCHEMAS for path in CHECKOUT.glob(pattern)}
    assert set((CHECKOUT / ".github").rglob("*.yml")) <= held


def test_a_wrong_workflow_is_noticed(tmp_path):
    text = (CHECKOUT / ".github/workflows/docs.yml").read_text("utf-8")
    wrong = tmp_path / "docs.yml"
    wrong.write_text(text.replace("runs-on:", "run-on:", 1), "utf-8")
    done = check("vendor.github-workflows", wrong)
    assert done.returncode == 1
    assert "run-on" in done.stdout
