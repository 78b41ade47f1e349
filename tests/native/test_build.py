"""Which objects `setup.py` compiles again, and with which flags."""

import os
import runpy
import stat
import sys

import pytest

pytest.importorskip("setuptools")


@pytest.fixture(scope="module")
def rules(checkout):
    return runpy.run_path(str(checkout / "setup.py"), run_name="rules")


@pytest.fixture
def job(rules, tmp_path):
    """Return an object that was compiled from a source and a header."""
    source, header, built = tmp_path / "one.cpp", tmp_path / "one.h", tmp_path / "one.o"
    for path in (source, header, built):
        path.write_text("", "utf-8")
    done = rules["Job"](source, tmp_path, built, [], [])
    done.depfile.write_text(f"{built}: {source} \\\n {header}\n", "utf-8")
    done.record.write_text(done.state("-O3"), "utf-8")
    return done


def test_an_object_whose_inputs_have_not_changed_is_kept(job):
    os.utime(job.source)  # a branch that is checked out again has new times
    assert job.is_done("-O3")


@pytest.mark.parametrize("name", ["one.cpp", "one.h"])
def test_an_object_is_compiled_again_after_a_change_of_an_input(job, name):
    (job.folder / name).write_text("int changed;", "utf-8")
    assert not job.is_done("-O3")


@pytest.mark.parametrize("name", ["one.h", "one.o", "one.inputs"])
def test_an_object_is_compiled_again_if_something_is_missing(job, name):
    (job.folder / name).unlink()
    assert not job.is_done("-O3")


def test_an_object_is_compiled_again_with_other_options(job):
    assert not job.is_done("-O2")


def test_an_object_does_not_depend_on_other_headers(job):
    (job.folder / "two.h").write_text("", "utf-8")
    assert job.is_done("-O3")


def test_without_a_depfile_all_headers_count(job, checkout, monkeypatch):
    job.depfile.unlink()
    monkeypatch.chdir(checkout)
    job.record.write_text(job.state("-O3"), "utf-8")
    assert job.is_done("-O3")
    monkeypatch.chdir(job.folder)  # where there are no headers of ours
    assert not job.is_done("-O3")


@pytest.mark.skipif(os.name == "nt", reason="the compilers are shell scripts")
@pytest.mark.parametrize(
    ("macros", "is_faulty"),
    [
        ("#define __GNUC__ 11", False),
        ("#define __GNUC__ 12", True),
        ("#define __GNUC__ 13", True),
        ("#define __GNUC__ 14", False),
        ("#define __clang__ 1\n#define __GNUC__ 12", False),
    ],
)
def test_versions_of_gcc_that_drop_stores_get_the_flag_against_it(rules, tmp_path, macros, is_faulty):
    compiler = tmp_path / "compiler"
    compiler.write_text(f"#!/bin/sh\ncat <<'END'\n{macros}\nEND\n", "utf-8")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    assert ("-fno-delete-null-pointer-checks" in rules["gnu_flags"]([str(compiler)])) is is_faulty


def test_a_missing_compiler_is_reported_when_it_compiles(rules):
    assert rules["gnu_flags"]([f"{sys.prefix}/no-such-compiler"]) == rules["GNU_FLAGS"]


def test_every_source_is_compiled(rules, checkout):
    native = checkout / "classicvision" / "_native"
    once, per_target = rules["find_shared"](native), rules["find_kernels"](native)
    assert not set(once) & set(per_target)
    assert {*once, *per_target} == set(native.glob("*.cpp"))
