"""A benchmark of recipes as one HTML page, and as Markdown.

The page contains its style, plots and images and loads nothing, so that it can be mailed or archived. Names of files,
classes and recipes are escaped, because they are untrusted.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from classicvision.files import write_atomically
from classicvision.report.benchmark import benchmark_to_dict
from classicvision.report.images import thumbnail
from classicvision.report.plain import flat, visible
from classicvision.report.plots import N_SERIES, Series, curves, points
from classicvision.report.templates import page_environment

if TYPE_CHECKING:
    from classicvision.evaluation.benchmark_result import Benchmark

__all__ = ["benchmark_to_html", "benchmark_to_markdown", "write_benchmark"]

# Limits of what a page shows; the JSON has everything.
MAX_IMAGES = 5  # for each recipe of a pair
MAX_PAIRS = 6
MAX_LEAKS = 12
MAX_LISTED = 200
SYMBOLS = "●■◆▲▼✚"  # the markers of the plots


def benchmark_to_html(benchmark: Benchmark) -> str:
    """Return a benchmark as one HTML page that needs no other file.

    Images are read again from their paths; a missing one is replaced by a message.

    Returns
    -------
    str
        HTML 5, to be written as UTF-8.
    """
    environment = page_environment()
    environment.filters |= {"percent": _percent, "visible": visible, "p": _p, "signed": _signed, "sig": _significant}
    data = benchmark_to_dict(benchmark)
    recipes = data["recipes"]
    return environment.get_template("benchmark.html.j2").render(
        data,
        best=max(recipes, key=lambda recipe: recipe["accuracy"])["name"],
        symbols=[SYMBOLS[i % N_SERIES] for i in range(len(recipes))],
        n_series=N_SERIES,
        cost_plot=_cost_plot(recipes),
        curve_plot=_curve_plot(recipes, data["n_train"] // len(data["classes"])),
        corruption_plots=_corruption_plots(recipes),
        class_rows=_class_rows(data),
        tables=[_confusion_rows(data["classes"], recipe) for recipe in recipes],
        partings=[_with_thumbnails(one) for one in data["disagreements"][:MAX_PAIRS]],
        leaks=_leaks(data["leakage"]),
        max_listed=MAX_LISTED,
        settings_rows=list(flat(data["settings"])),
        recipe_rows=[list(flat(recipe["recipe"])) for recipe in recipes],
        machine_rows=list(flat(data["machine"])),
        command=_command(data),
    )


def benchmark_to_markdown(benchmark: Benchmark) -> str:
    """Return a benchmark as Markdown: the verdict, the tables, the tests and the protocol."""
    environment = page_environment()
    environment.autoescape = False
    environment.filters |= {"percent": _percent, "cell": _cell, "sig": _significant}
    data = benchmark_to_dict(benchmark)
    return environment.get_template("benchmark.md.j2").render(data, command=_command(data))


def write_benchmark(path: str | os.PathLike[str], benchmark: Benchmark) -> None:
    """Write the page, or Markdown if the suffix is ``.md``. The file is replaced atomically.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    is_markdown = path.suffix.lower() == ".md"
    write_atomically(path, [(benchmark_to_markdown if is_markdown else benchmark_to_html)(benchmark).encode()])


def _cost_plot(recipes: Sequence[dict[str, Any]]) -> str:
    series = []
    for recipe in recipes:
        half = (recipe["interval"][1] - recipe["interval"][0]) / 2
        series.append(
            Series(recipe["name"], [recipe["milliseconds"]["total"]], [100 * recipe["accuracy"]], [100 * half])
        )
    return points(series, key="cost", labels=("milliseconds per image, one thread", "mean per-class accuracy, %"))


def _curve_plot(recipes: Sequence[dict[str, Any]], n_train: int) -> str | None:
    if not any(recipe["curve"] for recipe in recipes):
        return None
    series = []
    for recipe in recipes:
        steps = {step["n_train"]: step["accuracies"] for step in recipe["curve"]} | {n_train: recipe["per_split"]}
        spread = [100 * stdev(found) if len(found) > 1 else 0 for found in steps.values()]
        series.append(Series(recipe["name"], list(steps), [100 * mean(found) for found in steps.values()], spread))
    ticks = [(n, str(n)) for n in series[0].x]
    labels = ("training images per class", "mean per-class accuracy, %")
    return curves(series, key="curve", ticks=ticks, labels=labels, logarithmic=True)


def _corruption_plots(recipes: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return for each kind of corruption its name and a plot over its strengths, which begin with none."""
    plots = []
    for name in dict.fromkeys(corruption["name"] for corruption in recipes[0]["corrupted"]):
        rows = [[corruption for corruption in recipe["corrupted"] if corruption["name"] == name] for recipe in recipes]
        series = [
            Series(
                recipe["name"], range(len(row) + 1), [100 * recipe["uncorrupted"], *(100 * d["accuracy"] for d in row)]
            )
            for recipe, row in zip(recipes, rows, strict=True)
        ]
        ticks = [(0, "none"), *((i, f"{corruption['strength']:g}") for i, corruption in enumerate(rows[0], 1))]
        plots.append((name, curves(series, key=f"corruption{name}", size=(3.0, 2.1), ticks=ticks, limits=(0, 105))))
    return plots


def _class_rows(data: dict[str, Any]) -> list[tuple[str, int, list[float | None]]]:
    """Return class, test images over all splits and the recall of each recipe; the class hardest for all first."""
    rows = []
    for i, name in enumerate(data["classes"]):
        recalls = [recipe["recall"][i] for recipe in data["recipes"]]
        rows.append((name, sum(data["recipes"][0]["confusion"][i]), recalls))
    return sorted(rows, key=lambda row: sum(1.0 if recall is None else recall for recall in row[2]))


def _confusion_rows(classes: Sequence[str], recipe: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "support": sum(row)} for name, row in zip(classes, recipe["confusion"], strict=True)]


def _with_thumbnails(parting: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for side in ("only_a", "only_b"):
        images = parting[side]
        shown[f"n_{side}"] = len(images)
        shown[side] = [{**image, "thumbnail": thumbnail(image["path"], 160)} for image in images[:MAX_IMAGES]]
    return parting | shown


def _leaks(leakage: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the leaks of all splits with thumbnails, each pair of images once, those of different classes first."""
    pairs: dict[tuple[str, ...], dict[str, Any]] = {}
    for split in leakage:
        for leak in split["leaks"]:
            pairs.setdefault(tuple(sorted((leak["train"], leak["test"]))), leak)
    chosen = sorted(pairs.values(), key=lambda leak: not leak["contradicts"])[:MAX_LEAKS]
    return [{**leak, "thumbnails": [thumbnail(leak["train"], 160), thumbnail(leak["test"], 160)]} for leak in chosen]


def _command(data: dict[str, Any]) -> str:
    """Return the command line that reproduces this page."""
    settings = data["settings"]
    words = ["classicvision", "benchmark", data["source"]]
    for recipe in data["recipes"]:
        words += ["--recipe", recipe["argument"]]
    if data["is_lite"]:
        words.append("--lite")
    else:
        words += ["--splits", str(settings["n_splits"]), "--train", str(data["n_train"] // len(data["classes"]))]
    if settings["learning_curve"]:
        words += ["--learning-curve", ",".join(map(str, settings["learning_curve"]))]
    words += ["--robustness"] if settings["robustness"] else []
    return shlex.join([*words, "--seed", str(settings["seed"]), "--report", "bench.html"])


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _significant(value: float | None) -> str:
    """Return a number in three digits, without an exponent."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(words: object) -> str:
    """Return text that cannot end a cell of a Markdown table, nor begin an element."""
    escaped = visible(words).replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\")
    return "".join(f"\\{c}" if c in "|`*_[]" else c for c in escaped)
