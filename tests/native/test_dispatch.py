"""Which kernels are loaded."""

import os
import subprocess
import sys

import pytest

from classicvision import _native

needs_kernels = pytest.mark.skipif(not _native.native_available(), reason="installed without compiled kernels")


def loaded_under(name, checkout, code="print(_native.instruction_set())"):
    environment = os.environ | {"CLASSICVISION_ISA": name, "PYTHONPATH": str(checkout)}
    code = f"from classicvision import _native; {code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


@needs_kernels
def test_the_environment_names_the_instruction_set(checkout):
    assert loaded_under("portable", checkout).stdout.strip() == "portable"


@needs_kernels
def test_an_empty_name_counts_as_missing(checkout):
    assert loaded_under("", checkout).stdout.strip() in ("portable", "v3", "v4")


@needs_kernels
def test_an_instruction_set_that_cannot_be_had_is_an_error_that_lists_those_that_can(checkout):
    done = loaded_under("v9", checkout)
    assert done.returncode != 0
    assert "SettingsError: CLASSICVISION_ISA is 'v9'" in done.stderr
    assert "portable" in done.stderr


@needs_kernels
@pytest.mark.parametrize(("name", "lanes"), [("portable", 4), ("v3", 8), ("v4", 16)])
def test_vectors_are_as_wide_as_the_instruction_set_has_them(name, lanes, checkout):
    done = loaded_under(name, checkout, "print(_native.kernels.lanes())")
    if "SettingsError" in done.stderr:
        pytest.skip(f"this CPU has no {name}")
    assert done.stdout.strip() == str(lanes)


def test_without_kernels_there_is_no_instruction_set(monkeypatch):
    monkeypatch.setattr(_native, "_LOADED", None)
    assert not _native.native_available()
    assert _native.instruction_set() is None
