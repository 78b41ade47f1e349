"""Print what the changelog says about the version of a tag, as release notes: ``release_notes.py v1.2.3``.

Fails if the tag is not that of the version in the tree, or if the changelog has no section for it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent


def version(tree: Path) -> str:
    """Return the version of the tree."""
    return re.search(r'^__version__ = "(.+)"$', (tree / "classicvision/_version.py").read_text("utf-8"), re.M)[1]


def release_notes(tree: Path, tag: str) -> str:
    """Return the changelog's section for the version of a tag.

    Raises
    ------
    ValueError
        The tag is not `v` and the version of the tree, or the changelog has no dated section for it.
    """
    if tag != f"v{version(tree)}":
        raise ValueError(f"the tag is {tag}, but the version in classicvision/_version.py is {version(tree)}")
    changelog = (tree / "CHANGELOG.md").read_text("utf-8")
    heading = rf"^## \[{re.escape(version(tree))}\] - \d{{4}}-\d\d-\d\d\n"
    section = re.search(heading + r"(.*?)(?=^## |^\[|\Z)", changelog, re.M | re.S)
    if section is None:
        raise ValueError(f"CHANGELOG.md has no section '## [{version(tree)}] - YYYY-MM-DD': rename 'Unreleased'")
    return section[1].strip() + "\n"


if __name__ == "__main__":
    try:
        print(release_notes(TREE, sys.argv[1]), end="")
    except ValueError as error:
        sys.exit(f"error: {error}")
