"""The container image: small, without root, from the tree. `.ci/run container` carries out its steps."""

import re
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def script(ci_script):
    return ci_script("dockerfile")


@pytest.fixture(scope="session")
def stages(checkout, script):
    """Return the instructions of each stage."""
    return script.stages(script.parse((checkout / "Dockerfile").read_text("utf-8")))


@pytest.fixture(scope="session")
def last(stages):
    """Return the instructions of the last stage, the image itself."""
    return list(stages.values())[-1]


@pytest.fixture(scope="session")
def files(checkout, script):
    """Return the files of the build context."""
    return {path.as_posix() for path in script.context(checkout)}


def values(instructions, keyword):
    return [instruction.value for instruction in instructions if instruction.keyword == keyword]


def test_all_stages_start_from_one_pinned_slim_python(stages):
    bases = {values(instructions, "FROM")[0].split(" AS ")[0] for instructions in stages.values()}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases.pop())


def test_the_image_runs_the_command_line_without_root(last):
    assert values(last, "ENTRYPOINT") == ['["classicvision"]']
    (user,) = values(last, "USER")
    assert int(user) > 0
    assert f"--uid {user} " in values(last, "RUN")[0]


def test_the_image_holds_only_the_installation(last):
    assert values(last, "COPY") == ["--from=installation /opt/classicvision /opt/classicvision"]


def test_no_cache_is_left_in_the_image(stages):
    commands = [value for instructions in stages.values() for value in values(instructions, "RUN")]
    assert all("--no-cache-dir" in value for value in commands if re.search(r"\bpip (install|wheel)", value))
    assert all("rm -rf /var/lib/apt/lists" in value for value in commands if "apt-get" in value)


def test_a_copy_from_a_stage_names_one_before(stages):
    for number, instructions in enumerate(stages.values()):
        for value in values(instructions, "COPY"):
            if value.startswith("--from="):
                assert value.split()[0].removeprefix("--from=") in list(stages)[:number]


def test_labels_name_source_and_licence(last):
    (labels,) = values(last, "LABEL")
    assert 'org.opencontainers.image.source="https://github.com/classicvision/classicvision"' in labels
    assert 'org.opencontainers.image.licenses="BSD-3-Clause"' in labels


def test_the_build_context_has_what_the_wheel_is_built_from(files):
    assert {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.cfg", "setup.py"} <= files
    assert {"classicvision/__init__.py", "classicvision/py.typed", "classicvision/_native/dispatch.cpp"} <= files


def test_the_build_context_has_nothing_else(files):
    assert {Path(name).parts[0] for name in files} == {
        "LICENSE",
        "MANIFEST.in",
        "README.md",
        "classicvision",
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
    }
    assert not {name for name in files if name.endswith((".so", ".pyd", ".pyc"))}


def test_the_last_rule_of_dockerignore_decides(tmp_path, script):
    (tmp_path / ".dockerignore").write_text("# all but these\n*\n!a\n**/*.so\n", "utf-8")
    for name in ("a/kept.py", "a/b/kept.py", "a/b/lib.so", "c/left.py", "top.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.as_posix() for path in script.context(tmp_path)] == ["a/b/kept.py", "a/kept.py"]


def test_an_instruction_over_several_lines_is_one(script):
    found = script.parse("# comment\nFROM x AS y\nRUN a \\\n    && b\n")
    assert [(keyword, value.split()) for keyword, value in found] == [
        ("FROM", ["x", "AS", "y"]),
        ("RUN", ["a", "&&", "b"]),
    ]
