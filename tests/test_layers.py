"""The layers of the architecture, checked in the source: who may import whom, and who may import which library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "classicvision"

# Top to bottom. A module imports from lower rows or from its own package; names in one row do not import each other.
# A name may be listed before its module exists; a module that is not listed is an error.
LAYERS = (
    {"__init__", "__main__", "cli"},
    {"workflows"},
    {"report"},
    {"evaluation"},
    {"classify", "copies", "viz"},
    {"index"},
    {"encoding", "matching"},
    {"extraction"},
    {"items"},
    {"features", "backbone"},
    {"folders", "cache", "synthetic"},
    {"images", "workers"},
    {"archive", "config", "decoding", "_native"},
    {"files", "locks", "progress", "versions"},
    {"errors", "_version"},
)

# `python -m classicvision` runs the command line.
SAME_ROW = {("__main__", "cli")}

# Packages that may import a library; their sub-modules are included.
HOMES = {
    "click": {"cli"},
    "cv2": {"images", "synthetic", "features", "viz"},
    "jinja2": {"report", "viz"},
    "matplotlib": {"report", "viz"},
    "google": {"backbone"},
    "onnx": {"backbone"},
    "onnxruntime": {"backbone"},
    "scipy": {"evaluation.statistics"},
    "sklearn": {"encoding.estimators", "encoding.vocabulary", "classify.logistic"},
    "pickle": set(),
    "dill": set(),
    "cloudpickle": set(),
    "shelve": set(),
    "marshal": set(),
}

# Libraries that are slow to load: imported inside functions only, except in the modules named.
INSIDE_FUNCTIONS = {"sklearn": {"encoding.estimators"}} | {
    library: set() for library in ("matplotlib", "onnx", "onnxruntime", "scipy")
}

# Packages that may call a function, by its full name.
CALLS = {
    "print": {"cli"},
    "eval": set(),
    "exec": set(),
    "numpy.load": {"archive"},
    "numpy.save": {"archive"},
    "joblib.load": set(),
    "joblib.dump": set(),
    "cv2.imread": set(),
    "cv2.imwrite": set(),
}

# A module of workflows composes a command; what it composes is in the packages below.
MAX_LINES_OF_WORKFLOW = 60  # of code, without imports, docstrings and comments

# These never touch the disk.
NO_DISK = {"features", "encoding", "matching"}
DISK = {"glob", "io", "os", "pathlib", "shutil", "tempfile"}


def within(module: str, places: set[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def imports(tree: ast.Module, package: str) -> Iterator[tuple[str, bool]]:
    """Yield the full name of everything imported, and whether that happens inside a function or for types only."""
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in later) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from ((f"{origin}.{alias.name}", id(node) in later) for alias in node.names)


def runtime_imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the full name of everything imported when the code runs, inside functions too; types are not."""
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield from (name for name, _ in imports(ast.Module([node], []), package))


def import_graph(folder: Path) -> dict[str, set[str]]:
    """Return for each module of a package folder the modules that it imports at run time.

    An import inside a function counts: it only delays a circle. One for types alone does not. That importing a module
    also runs the `__init__` of its package is not an edge.
    """
    paths = {path: [PACKAGE, *path.relative_to(folder).with_suffix("").parts] for path in folder.rglob("*.py")}
    names = {path: ".".join(parts).removesuffix(".__init__") for path, parts in paths.items()}
    modules = set(names.values())
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for path, name in names.items():
        package = ".".join(paths[path][:-1])
        for imported in runtime_imports(ast.parse(path.read_text("utf-8")), package):
            origin = imported if imported in modules else imported.rpartition(".")[0]
            if origin in modules and origin != name:
                graph[name].add(origin)
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return groups of modules that import each other, directly or by way of others (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in order:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], order[other])
        if low[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in order:
            visit(module)
    return found


def lines_of_code(source: str) -> int:
    """Return the number of lines with code: not those of imports, docstrings, comments, or without anything."""
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(bool(line.split("#")[0].strip()) and number not in skipped for number, line in lines)


def long_workflows(folder: Path) -> list[str]:
    """Return the workflows with more code than a command needs: their logic belongs in a package below."""
    found = []
    for path in sorted((folder / "workflows").glob("*.py")):
        n_lines = lines_of_code(path.read_text("utf-8")) if path.name != "__init__.py" else 0
        if n_lines > MAX_LINES_OF_WORKFLOW:
            found.append(f"{path.name} has {n_lines} lines of code; {MAX_LINES_OF_WORKFLOW} are allowed")
    return found


def calls(tree: ast.Module) -> Iterator[str]:
    """Yield the full name of everything called, with imported names resolved."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, *rest = ast.unparse(node.func).split(".")
            yield ".".join([known.get(first, first), *rest])


def row_of(unit: str) -> int | None:
    return next((row for row, units in enumerate(LAYERS) if unit in units), None)


def faults_of_import(module: str, name: str, later: bool, units: set[str]) -> Iterator[str]:
    top = name.split(".")[0]
    here = module.split(".")[0]
    if top == PACKAGE:
        there = name.split(".")[1] if name.count(".") else "__init__"
        if there not in units and row_of(there) is None:  # `from classicvision import LocalFeatures`
            there = "__init__"
        row, other = row_of(here), row_of(there)
        if row is not None and other is not None and here != there and other <= row and (here, there) not in SAME_ROW:
            yield f"{module} imports {there}, which is not in a layer below"
        return
    if top in HOMES and not within(module, HOMES[top]):
        yield f"{module} imports {top}"
    if top in INSIDE_FUNCTIONS and not later and not within(module, INSIDE_FUNCTIONS[top]):
        yield f"{module} imports {top} outside a function"
    if top in DISK and here in NO_DISK:
        yield f"{module} imports {top}, and {here} never touches the disk"


def faults(folder: Path) -> list[str]:
    """Return everything in a package folder that breaks the rules above."""
    paths = sorted(folder.rglob("*.py"))
    modules = {path: ".".join(path.relative_to(folder).with_suffix("").parts) for path in paths}
    units = {module.split(".")[0] for module in modules.values()}
    found = [f"{unit} has no layer: give it one in LAYERS" for unit in sorted(units) if row_of(unit) is None]
    for path, name in modules.items():
        tree = ast.parse(path.read_text("utf-8"))
        module = name.removesuffix(".__init__")
        package = ".".join([PACKAGE, *path.relative_to(folder).parent.parts])
        for imported, later in imports(tree, package):
            found += faults_of_import(module, imported, later, units)
        for called in calls(tree):
            if called in CALLS and not within(module, CALLS[called]):
                found.append(f"{module} calls {called}")
            if called == "open" and module.split(".")[0] in NO_DISK:
                found.append(f"{module} opens a file")
    return found


def test_every_module_keeps_to_its_layer(checkout):
    assert faults(checkout / PACKAGE) == []


def test_no_modules_import_each_other_in_a_circle(checkout):
    assert circles(import_graph(checkout / PACKAGE)) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("from classicvision.images import b", "from classicvision.images.a import x", [["a", "b"]]),
        ("def f():\n    from . import b", "import classicvision.images.a", [["a", "b"]]),
        ("if TYPE_CHECKING:\n    from . import b", "from .a import x", []),
        ("from . import b", "from classicvision.images import c", []),
        ("from . import b", "from .c import x", [["a", "b", "c"]]),
    ],
)
def test_a_planted_circle_is_found(tmp_path, first, second, expected):
    (tmp_path / "images").mkdir()
    third = "from .a import x" if expected == [["a", "b", "c"]] else ""
    for name, source in (("__init__", ""), ("a", first), ("b", second), ("c", third)):
        (tmp_path / "images" / f"{name}.py").write_text(source, "utf-8")
    found = [[module.rpartition(".")[2] for module in group] for group in circles(import_graph(tmp_path))]
    assert found == expected


def test_no_workflow_has_more_code_than_a_command_needs(checkout):
    assert long_workflows(checkout / PACKAGE) == []


def test_a_planted_algorithm_in_workflows_is_found(tmp_path):
    (tmp_path / "workflows").mkdir()
    head = '"""Two\nlines."""\n\nimport os  # one\nfrom os import (\n    path,\n)\n\n\ndef f(x):\n    """One."""\n'
    for name, n in (("short", MAX_LINES_OF_WORKFLOW - 1), ("long", MAX_LINES_OF_WORKFLOW)):
        body = "    # a comment\n\n" + "    x += 1  # counted\n" * n
        (tmp_path / "workflows" / f"{name}.py").write_text(head + body, "utf-8")
    assert long_workflows(tmp_path) == ["long.py has 61 lines of code; 60 are allowed"]


@pytest.mark.parametrize(
    ("place", "source", "fault"),
    [
        ("features/sift.py", "from classicvision.encoding import bovw", "features.sift imports encoding"),
        ("features/sift.py", "def f():\n    from classicvision import workflows", "features.sift imports workflows"),
        ("features/sift.py", "import classicvision.extraction", "features.sift imports extraction"),
        ("features/sift.py", "from ..cli import main", "features.sift imports cli"),
        ("features/sift.py", "from .. import workflows", "features.sift imports workflows"),
        ("features/sift.py", "from classicvision import LocalFeatures", "features.sift imports __init__"),
        ("features/__init__.py", "from classicvision.classify import head", "features imports classify"),
        ("cache.py", "from classicvision.folders import find_images", "cache imports folders"),
        ("classify/head.py", "import sklearn.svm", "classify.head imports sklearn"),
        (
            "encoding/vocabulary.py",
            "from sklearn.cluster import KMeans",
            "encoding.vocabulary imports sklearn outside a function",
        ),
        ("encoding/bovw.py", "import cv2", "encoding.bovw imports cv2"),
        ("workflows.py", "import click", "workflows imports click"),
        ("workflows.py", "import pickle", "workflows imports pickle"),
        ("workflows.py", "print('done')", "workflows calls print"),
        ("workflows.py", "from matplotlib import pyplot", "workflows imports matplotlib"),
        ("classify/head.py", "import jinja2", "classify.head imports jinja2"),
        ("cache.py", "import numpy as np\nnp.load('x')", "cache calls numpy.load"),
        ("cache.py", "from numpy import load as read\nread('x')", "cache calls numpy.load"),
        ("cache.py", "import joblib\njoblib.load('x')", "cache calls joblib.load"),
        ("images.py", "import cv2\ncv2.imread('x')", "images calls cv2.imread"),
        ("features/sift.py", "from pathlib import Path", "features.sift imports pathlib"),
        ("features/sift.py", "open('x')", "features.sift opens a file"),
        ("helpers.py", "", "helpers has no layer"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, place, source, fault):
    units = ("__init__", "workflows", "cli", "extraction", "folders", "classify", "encoding")
    for name in (*(f"{unit}.py" for unit in units if not place.startswith(f"{unit}/")), place):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / place).write_text(source, "utf-8")
    assert [found for found in faults(tmp_path) if found.startswith(fault)] != []


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("workflows.py", "from classicvision.features.sift import Sift"),
        ("features/sift.py", "from classicvision.features.local import LocalFeatures\nfrom . import extrema"),
        ("cli/fit.py", "import click\nfrom classicvision import workflows\nprint('done')"),
        ("encoding/vocabulary.py", "def learn():\n    from sklearn.cluster import KMeans"),
        ("encoding/estimators.py", "from sklearn.base import BaseEstimator"),
        ("archive/file.py", "import numpy as np\nnp.load('x')"),
        ("cache.py", "class FeatureCache:\n    def load(self): ...\nStore().load()"),
    ],
)
def test_allowed_imports_are_not_faults(tmp_path, place, source):
    (tmp_path / "workflows.py").touch()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text(source, "utf-8")
    assert faults(tmp_path) == []
