"""The mutation test: which changes it makes, and that each of them is a change."""

from __future__ import annotations

import ast
import importlib.util
from types import ModuleType

import pytest

SOURCE = '''
@cache
def f(x: int, y: float = 0.5) -> bool:
    """Docstring 1."""
    if not 0 <= x < 7 and min(x, 2) in y:
        raise ValueError(f"{x + 1}", 3)
    check(x)
    return -y // 3 == x
'''
CHANGES = {
    ("0.5", "2.0"),
    ("if not 0 <= x < 7 and min(x, 2) in y:", "if not (not 0 <= x < 7 and min(x, 2) in y):"),
    ("not 0 <= x < 7 and min(x, 2) in y", "not 0 <= x < 7 or min(x, 2) in y"),
    ("not 0 <= x < 7", "0 <= x < 7"),
    ("0 <= x < 7", "0 < x < 7"),
    ("0 <= x < 7", "0 <= x <= 7"),
    ("0", "1"),
    ("7", "15"),
    ("min(x, 2) in y", "min(x, 2) not in y"),
    ("min", "max"),
    ("2", "5"),
    ("check(x)", "pass"),
    ("-y // 3 == x", "-y // 3 != x"),
    ("-y // 3", "-y * 3"),
    ("-y", "y"),
    ("3", "7"),
}


@pytest.fixture(scope="module")
def mutants(checkout) -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", checkout / "tests" / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comparisons_operators_numbers_conditions_and_calls_are_changed_and_no_messages_or_types(mutants):
    found = [
        tuple(ast.unparse(node).splitlines()[0] for node in change[2:]) for change in mutants.changes(ast.parse(SOURCE))
    ]
    assert sorted(found) == sorted(CHANGES)


def test_each_mutant_compiles_and_differs_from_the_source_and_from_all_others(mutants):
    sources = [mutants.mutated(SOURCE, number) for number in range(len(CHANGES))]
    for source in sources:
        compile(source, "mutant.py", "exec")
    assert len({ast.unparse(ast.parse(SOURCE)), *sources}) == len(CHANGES) + 1


def test_a_smaller_draw_is_a_part_of_a_larger_one(mutants):
    few, many = (mutants.draw(["classicvision/config.py"], count) for count in (5, 20))
    assert len(many) == 20
    assert all(change in many for change in few)


def test_a_failing_test_kills_a_mutant_an_equivalent_one_survives_and_the_file_is_restored(mutants, tmp_path):
    path = tmp_path / "doubling.py"
    path.write_text("double = lambda x: 2 * x\n")
    (tmp_path / "test_doubling.py").write_text("import doubling\ndef test_it():\n    assert doubling.double(3) == 6\n")
    sources = ("double = lambda x: 3 * x", "double = lambda x: x + x")
    assert [mutants.killed_by(["test_doubling.py"], 60, source, path, tmp_path) for source in sources] == [".", ""]
    assert path.read_text() == "double = lambda x: 2 * x\n"
