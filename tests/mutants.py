"""Mutation testing: make one change in the code, run the tests that execute its line, and see whether one fails.

`make mutants` tries 300 changes, without the image sets. `tests/survivors.md` lists the known survivors.
"""

import argparse
import ast
import hashlib
import itertools
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from coverage import CoverageData

CHECKOUT = Path(__file__).resolve().parent.parent
MUTATED = [f"classicvision/{name}" for name in ("matching", "index", "copies", "classify", "config.py")]
TESTED = ("matching", "index", "copies", "classify", "workflows", "cli", "native", "test_config.py", "test_settings.py")
BUDGET = 60.0  # seconds of tests per mutant; the quickest tests run first
UNCHANGED = ("annotation", "returns", "exc", "decorator_list")
PAIRS = ((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
PAIRS += ((ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitAnd, ast.BitOr))
SWAPS = dict(PAIRS) | {b: a for a, b in PAIRS} | {ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node is changed to: one node for each change of it."""
    match node:
        case ast.Compare(left, ops, comparators):
            for i, op in enumerate(ops):
                if type(op) in SWAPS:
                    yield ast.Compare(left, [*ops[:i], SWAPS[type(op)](), *ops[i + 1 :]], comparators)
        case ast.BinOp() | ast.BoolOp() | ast.AugAssign() if type(node.op) in SWAPS:
            yield type(node)(**dict(ast.iter_fields(node)) | {"op": SWAPS[type(node.op)]()})
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.Constant(value=bool() | int() | float() as value):
            yield ast.Constant(not value if isinstance(value, bool) else 2 * value + 1)
        case ast.Name(id=name) if name in NAMES:
            yield ast.Name(NAMES[name])
        case ast.If() | ast.IfExp() | ast.While() if ast.unparse(node.test) != "TYPE_CHECKING":
            yield type(node)(**dict(ast.iter_fields(node)) | {"test": ast.UnaryOp(ast.Not(), node.test)})
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()


def changes(node: ast.AST) -> Iterator[tuple[Any, Any, ast.AST, ast.AST]]:
    """Yield the possible changes below a node: what holds the node to change, its key there, the node, the new one."""
    for name, value in list(vars(node).items()):
        for holder, key in ((value, i) for i in range(len(value))) if isinstance(value, list) else [(vars(node), name)]:
            child = holder[key]
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr) and name not in UNCHANGED:
                yield from ((holder, key, child, new) for new in replacements(child))
                yield from changes(child)


def mutated(source: str, number: int) -> str:
    tree = ast.parse(source)
    holder, key, _, new = next(itertools.islice(changes(tree), number, None))
    holder[key] = new
    return ast.unparse(ast.fix_missing_locations(tree))


def draw(paths: list[str], count: int) -> list[list[Any]]:
    """Draw changes by their hashes, which an edit elsewhere leaves as they are: path, number, line and description."""
    listing = subprocess.run(["git", "ls-files", *paths], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    found: list[tuple[Any, ...]] = []
    for path in filter(lambda name: name.endswith(".py"), listing.stdout.split()):
        texts: list[str] = []
        for number, (*_, old, new) in enumerate(changes(ast.parse((CHECKOUT / path).read_text("utf-8")))):
            texts.append("  ->  ".join(ast.unparse(node).partition("\n")[0] for node in (old, new)))
            key = hashlib.sha256(f"{path} {texts[-1]} {texts.count(texts[-1])}".encode()).digest()
            found.append((key, path, number, old.lineno, texts[-1]))
    return sorted(change for _, *change in sorted(found)[:count])


def run_tests(tree: Path, options: list[str], limit: float | None = None) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": f"{tree}", "COVERAGE_FILE": f"{tree}/coverage", "CLASSICVISION_SHARED": f"{tree}/none"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=tree, env=os.environ | own, capture_output=True, text=True, timeout=limit)


def map_tests(tree: Path) -> tuple[CoverageData, dict[str, float]]:
    """Run the tests once; return which of them execute each line, and the seconds of each that passes."""
    options = ["-n", "auto", "--cov=classicvision", "--cov-context=test", "--cov-report=", "-o", "junit_family=xunit1"]
    options += [f"--junitxml={tree / 'junit.xml'}", *(f"tests/{name}" for name in TESTED)]
    if (done := run_tests(tree, options)).returncode:
        print(f"{done.stdout}{done.stderr}Tests that fail without a change are not used.", flush=True)
    (data := CoverageData(str(tree / "coverage"))).read()
    cases = [case for case in ElementTree.parse(tree / "junit.xml").iter("testcase") if case.find("failure") is None]
    return data, {f"{case.get('file')}::{case.get('name')}": float(case.attrib["time"]) for case in cases}


def tests_of(lines: dict[int, list[str]], line: int, seconds: dict[str, float]) -> list[str]:
    """Return the tests that execute a line, quickest first; if none does, those of all modules that test its file."""
    found = {context.rpartition("|")[0] for context in lines.get(line, ())} & set(seconds)
    if not found:
        modules = {context.partition("::")[0] for contexts in lines.values() for context in contexts}
        found = {test for test in seconds if test.partition("::")[0] in modules}
    tests = sorted(found, key=seconds.__getitem__)
    spent = itertools.accumulate((seconds[test] for test in tests), initial=0.0)
    return [test for test, before in zip(tests, spent, strict=False) if before < BUDGET]


def killed_by(tests: list[str], limit: float, source: str, path: Path, tree: Path) -> str:
    """Return how a source that replaces a file of a tree is noticed: a test fails (.), or does not end (t), or not."""
    original = path.read_bytes()
    path.write_text(source, "utf-8")
    try:
        return "." if run_tests(tree, ["-x", *tests], limit).returncode else ""
    except subprocess.TimeoutExpired:
        return "t"
    finally:
        path.write_bytes(original)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", default=MUTATED)
    parser.add_argument("--count", type=int, default=300)
    drawn = draw(**vars(parser.parse_args()))
    folder, trees = CHECKOUT / "build" / "mutants", queue.Queue()
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(os.cpu_count() or 1):
        trees.put(shutil.copytree(CHECKOUT, folder / str(number), ignore=shutil.ignore_patterns("build", ".git")))
    data, seconds = map_tests(folder / "0")

    def try_one(path: str, number: int, line: int, text: str) -> bool:
        tests, tree = tests_of(data.contexts_by_lineno(str(folder / "0" / path)), line, seconds), trees.get()
        source, limit = mutated((tree / path).read_text("utf-8"), number), BUDGET + 4 * sum(map(seconds.get, tests))
        how = killed_by(tests, limit, source, tree / path, tree) if tests else ""
        trees.put(tree)
        print(how or f"\n{path}:{line} ({len(tests)} tests): {text}", end="", flush=True)
        return bool(how)

    with ThreadPoolExecutor(trees.qsize()) as pool:
        killed = list(pool.map(try_one, *zip(*drawn, strict=True)))
    print(f"\n{sum(killed)} of {len(killed)} mutants killed")


if __name__ == "__main__":
    main()
