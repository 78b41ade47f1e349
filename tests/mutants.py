"""Mutation testing: make one change in the code, run the tests that execute its line, and see whether one fails.

`make mutants` tries 300 changes, `python tests/mutants.py --count 40 classicvision/matching` 40 of one package. One run
under coverage finds the tests of each line. `tests/survivors.md` says why the known survivors are harmless.
"""

import argparse
import ast
import json
import os
import queue
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from coverage import CoverageData

CHECKOUT = Path(__file__).resolve().parent.parent
MUTATED = [f"classicvision/{name}" for name in ("matching", "index", "copies", "classify", "config.py")]
TESTED = [f"tests/{name}" for name in ("matching", "index", "copies", "classify", "workflows", "cli", "test_config.py")]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
BUDGET = 60.0  # seconds of tests per mutant; the quickest tests run first

PAIRS = ((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
PAIRS += ((ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitAnd, ast.BitOr))
SWAPS = dict(PAIRS) | {b: a for a, b in PAIRS} | {ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def replacement(node: ast.AST) -> ast.AST | None:
    """Return what a node is changed to, if it is of a kind that is changed."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            return ast.Compare(node.left, [SWAPS[type(op)]()], node.comparators)
        case ast.BinOp() | ast.BoolOp() if type(node.op) in SWAPS:
            return type(node)(**dict(ast.iter_fields(node)) | {"op": SWAPS[type(node.op)]()})
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            return node.operand
        case ast.Constant(value=bool() | int() | float() as value):
            return ast.Constant(not value if isinstance(value, bool) else 2 * value + 1)
        case ast.Name(id=name) if name in NAMES:
            return ast.Name(NAMES[name])
        case ast.If() | ast.IfExp() | ast.While() if ast.unparse(node.test) != "TYPE_CHECKING":
            return type(node)(**dict(ast.iter_fields(node)) | {"test": ast.UnaryOp(ast.Not(), node.test)})
        case ast.Expr(value=ast.Call()):
            return ast.Pass()
    return None


class Changes(ast.NodeTransformer):
    """Counts the possible changes of a file and makes the wanted one; messages and annotations stay as they are."""

    def __init__(self, path: str, wanted: int = -1) -> None:
        self.wanted, self.lines, self.text = wanted, [], ""
        self.source = ast.unparse(
            ast.fix_missing_locations(self.visit(ast.parse((CHECKOUT / path).read_text("utf-8"))))
        )

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and name != "decorator_list":
                value[:] = [self.visit(item) if isinstance(item, ast.AST) else item for item in value]
            elif isinstance(value, ast.AST) and name not in ("annotation", "returns", "exc"):
                setattr(node, name, self.visit(value))
        return node

    def visit(self, node: ast.AST) -> ast.AST:
        node = node if isinstance(node, ast.JoinedStr) else self.generic_visit(node)
        if (new := replacement(node)) is not None:
            self.lines.append(node.lineno)
        if new is None or len(self.lines) - 1 != self.wanted:
            return node
        self.text = f"{ast.unparse(node).splitlines()[0]}  ->  {ast.unparse(new).splitlines()[0]}"
        return new


def possible(paths: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the file, number and line of each possible change."""
    listing = subprocess.run(["git", "ls-files", *paths], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for path in filter(lambda name: name.endswith(".py"), listing.stdout.split()):
        yield from ((path, number, line) for number, line in enumerate(Changes(path).lines))


def map_tests(folder: Path) -> tuple[CoverageData, dict[str, float]]:
    """Run the tests once; return which of them execute each line, and the seconds of each."""
    options = ["-n", "auto", "--cov=classicvision", "--cov-context=test", "--cov-report=", "-o", "junit_family=xunit1"]
    environment, data = os.environ | {"COVERAGE_FILE": str(folder / "data")}, CoverageData(str(folder / "data"))
    command = [*PYTEST, *options, f"--junitxml={folder / 'junit.xml'}", *TESTED]
    subprocess.run(command, cwd=CHECKOUT, check=True, env=environment)
    data.read()
    cases = ElementTree.parse(folder / "junit.xml").iter("testcase")
    return data, {f"{case.get('file')}::{case.get('name')}": float(case.attrib["time"]) for case in cases}


def tests_of(path: str, line: int, data: CoverageData, seconds: dict[str, float]) -> list[str]:
    """Return the tests that execute a line, quickest first; for a line that runs on import, the tests of its file."""
    lines = data.contexts_by_lineno(str(CHECKOUT / path))
    contexts = set(lines.get(line, ())) - {""} or {context for found in lines.values() for context in found}
    tests = sorted({context.rpartition("|")[0] for context in contexts} & set(seconds), key=seconds.__getitem__)
    return [test for number, test in enumerate(tests) if not number or sum(map(seconds.get, tests[:number])) < BUDGET]


def is_killed(source: str, path: Path, tests: list[str], tree: Path) -> bool:
    """Tell whether a test fails, or does not end, in a tree whose file has this source."""
    original, environment = path.read_bytes(), os.environ | {"PYTHONPATH": str(tree)}
    path.write_text(source, "utf-8")
    try:
        command = [*PYTEST, "-x", *tests]
        return (
            subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=4 * BUDGET).returncode != 0
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_bytes(original)


def main() -> None:
    """Draw mutants, try them, and print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", default=MUTATED)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    drawn = random.Random(0).sample(list(possible(options.paths)), options.count)
    folder, trees = CHECKOUT / "build" / "mutants", queue.Queue()
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(os.cpu_count() or 1):
        trees.put(shutil.copytree(CHECKOUT, folder / str(number), ignore=shutil.ignore_patterns("build", ".git")))
    data, seconds = map_tests(folder)

    def try_one(path: str, number: int, line: int) -> dict[str, object]:
        mutant, tests, tree = Changes(path, number), tests_of(path, line, data, seconds), trees.get()
        killed = bool(tests) and is_killed(mutant.source, tree / path, tests, tree)
        trees.put(tree)
        print("." if killed else f"\n{path}:{line} ({len(tests)} tests): {mutant.text}", end="", flush=True)
        return {"path": path, "line": line, "change": mutant.text, "tests": len(tests), "killed": killed}

    with ThreadPoolExecutor(trees.qsize()) as pool:
        results = list(pool.map(try_one, *zip(*drawn, strict=True)))
    (folder / "results.json").write_text(json.dumps(results, indent=1), "utf-8")
    print(f"\n{sum(bool(result['killed']) for result in results)} of {len(results)} mutants killed")


if __name__ == "__main__":
    main()
