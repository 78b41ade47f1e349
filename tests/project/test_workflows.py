"""The workflows run what `.ci/run` and the Makefile run, with the permissions they need and no more."""

import re
import shlex
import subprocess

import pytest

# What Git and GitHub give a job that asks for nothing else.
READ_ONLY = {"contents": "read"}
# The jobs that write, and what they write.
WRITES = {
    ("docs.yml", "publish"): {"pages": "write", "id-token": "write"},
    ("release.yml", "publish"): {"id-token": "write", "attestations": "write"},
    ("release.yml", "announce"): {"contents": "write"},
}


@pytest.fixture(scope="session")
def ci_steps(checkout):
    """Return the names of the steps of `.ci/run`."""
    done = subprocess.run(["bash", ".ci/run", "--list"], cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture(scope="session")
def targets(checkout):
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (checkout / "Makefile").read_text("utf-8"), re.M))


@pytest.fixture(scope="session")
def commands(steps):
    """Return the words of every command of every workflow, without variables that are set for a target."""
    return [shlex.split(step.values["run"]) for step in steps if "run" in step.values]


def test_a_command_is_a_step_of_ci_or_a_target(commands, ci_steps, targets):
    assert commands
    for program, *words in commands:
        if program == "bash":
            assert words[0] == ".ci/run"
            assert set(words[1:]) <= set(ci_steps)
        else:
            assert program == "make"
            assert {word for word in words if "=" not in word} <= targets


def test_every_step_of_ci_runs_in_a_workflow(commands, ci_steps):
    run = {word for command in commands if command[:2] == ["bash", ".ci/run"] for word in command[2:]}
    assert run == set(ci_steps)


def test_an_unknown_step_of_ci_is_an_error(checkout):
    done = subprocess.run(["bash", ".ci/run", "teste"], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no step is called 'teste'" in done.stderr


def test_targets_that_ci_calls_exist(checkout, targets):
    called = re.findall(r"^ +make ([a-z -]+)", (checkout / ".ci" / "run").read_text("utf-8"), re.M)
    assert called
    assert {target for words in called for target in words.split()} <= targets


def test_workflows_may_only_read(workflows):
    assert {name: workflow["permissions"] for name, workflow in workflows.items()} == dict.fromkeys(
        workflows, READ_ONLY
    )


def test_only_the_named_jobs_may_write(workflows):
    granted = {
        (name, job): body["permissions"]
        for name, workflow in workflows.items()
        for job, body in workflow["jobs"].items()
        if "permissions" in body
    }
    assert granted == WRITES


def test_checkouts_do_not_keep_the_token(steps):
    checkouts = [step for step in steps if step.values.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    for step in checkouts:
        assert step.values["with"]["persist-credentials"] is False, step


def test_actions_are_pinned_to_full_versions_and_the_same_everywhere(steps):
    pinned = {}
    for step in steps:
        if "uses" in step.values:
            name, version = step.values["uses"].split("@")
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version), step
            assert pinned.setdefault(name, version) == version, step


def test_each_workflow_has_its_own_concurrency_group(workflows):
    groups = [workflow["concurrency"]["group"] for workflow in workflows.values()]
    # Not `github.workflow`: a workflow that another one calls would wait for its caller.
    assert groups == [f"{workflow['name']}-${{{{ github.ref }}}}" for workflow in workflows.values()]


def test_a_release_is_never_cancelled(workflows):
    assert workflows["release.yml"]["concurrency"]["cancel-in-progress"] is False


def test_a_release_waits_for_the_tests_and_the_wheels(workflows):
    jobs = workflows["release.yml"]["jobs"]
    assert jobs["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert jobs["wheels"]["uses"] == "./.github/workflows/wheels.yml"
    assert set(jobs["publish"]["needs"]) == {"tests", "wheels"}
    assert jobs["announce"]["needs"] == "publish"


def test_a_release_has_its_provenance_before_it_is_published(workflows):
    used = [step["uses"].split("@")[0] for step in workflows["release.yml"]["jobs"]["publish"]["steps"]]
    assert used[1:] == ["actions/attest-build-provenance", "pypa/gh-action-pypi-publish"]


def test_every_supported_python_is_tested(checkout, workflows):
    matrix = workflows["tests.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    tested = {*matrix["python"], *(entry["python"] for entry in matrix["include"])}
    classifiers = (checkout / "setup.cfg").read_text("utf-8")
    assert tested == set(re.findall(r"Python :: (3\.\d+)", classifiers))


def test_the_oldest_opencv_that_is_tested_is_the_oldest_allowed(checkout):
    allowed = re.search(r"opencv-python-headless >= ([\d.]+)", (checkout / "setup.cfg").read_text("utf-8"))[1]
    tested = re.search(r"opencv-python-headless==([\d.]+)", (checkout / ".ci" / "run").read_text("utf-8"))[1]
    assert tested.startswith(f"{allowed}.")


def test_dependabot_raises_everything_that_is_pinned(checkout):
    text = (checkout / ".github" / "dependabot.yml").read_text("utf-8")
    assert re.findall(r"package-ecosystem: (\S+)", text) == ["github-actions", "pip", "docker"]
