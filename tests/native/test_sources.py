"""What the C++ sources keep to: one file per target, and no choice of a target anywhere else."""

import re

import pytest

TARGETS = ["isa_avx512.h", "isa_avx2.h", "isa_plain.h", "isa_arrays.h"]
# What knows compilers, processors and systems. All other files are the algorithms and their bindings.
PLATFORM = {*TARGETS, "isa.h", "isa_vectors.h", "isa_loops.h", "compiler.h", "arena.cpp", "dispatch.cpp"}

CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*", re.M)
INTRINSIC = re.compile(r"\b(_mm\w*|__m\d\w*|__builtin_\w+|__attribute__|asm|__asm__|v\w+q_[fsu]\d+)\b")
FUNCTION = re.compile(r"^CV_INLINE .*?\b(\w+)\(", re.M)
CONSTANT = re.compile(r"^constexpr \w+ (\w+) =", re.M)
TYPE = re.compile(r"^typedef .*?\b(\w+)(?: __attribute__.*)?;", re.M)


@pytest.fixture(scope="module")
def native(checkout):
    return checkout / "classicvision" / "_native"


def code_of(path):
    return re.sub(r"//.*", "", path.read_text("utf-8"))


def with_includes(native, name):
    """Return the code of a target's file and of what it includes of ours."""
    code = code_of(native / name)
    return code + "".join(with_includes(native, other) for other in re.findall(r'#include "(\w+\.h)"', code))


def test_no_algorithm_asks_for_the_processor_or_the_compiler(native):
    found = [
        f"{path.name}: {match[0].strip()}"
        for path in sorted([*native.glob("*.cpp"), *native.glob("*.h")])
        if path.name not in PLATFORM
        for pattern in (CONDITIONAL, INTRINSIC)
        for match in pattern.finditer(code_of(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("pattern", [FUNCTION, CONSTANT, TYPE], ids=["functions", "constants", "types"])
@pytest.mark.parametrize("name", TARGETS[1:])
def test_targets_have_the_same_names(native, name, pattern):
    names, expected = (set(pattern.findall(with_includes(native, one))) for one in (name, TARGETS[0]))
    own = {"kept_apart", "has_any", "converted", "QuarterBytes"}  # helpers inside one file
    assert len(expected) >= 3
    assert names - own == expected - own


def test_a_target_is_chosen_in_one_place(native):
    including = [
        path.name
        for path in sorted([*native.glob("*.cpp"), *native.glob("*.h")])
        if any(f'"{target}"' in code_of(path) for target in TARGETS)
    ]
    assert including == ["isa.h"]
