"""``classicvision benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.evaluation.benchmark_result import Benchmark

EXAMPLES = """\b
Examples:
  classicvision benchmark images/
  classicvision benchmark images/ --recipe sift-bovw --recipe mine.toml --report bench.html
  classicvision benchmark images/ --recipe sift-bovw --recipe cnn:resnet50.onnx@imagenet --learning-curve 5,10,25
  classicvision benchmark images/ --lite --robustness
"""


def _numbers(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        numbers = tuple(int(word) for word in (value or "").split(",") if word.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 5,10,25") from error
    if any(number < 2 for number in numbers):
        raise click.BadParameter(f"{value!r} has a number below 2; choosing C needs two images per class")
    return numbers


@click.command("benchmark", epilog=EXAMPLES, short_help="Compare recipes on a folder of images.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    metavar="NAME|FILE.toml|cnn:FILE|fusion:FILE",
    help="A recipe to compare: a name from `classicvision recipes`, a TOML file, or a network, as in "
    "cnn:net.onnx@imagenet (@PRESET is its preprocessing). Repeat it per recipe; by default sift-bovw and dense-bovw.",
)
@click.option("--splits", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of random splits.")
@click.option(
    "--train",
    type=click.IntRange(min=2),
    help="Training images per class; by default half of the smallest class, at most 100.",
)
@click.option("--learning-curve", metavar="5,10,25", callback=_numbers, help="Also train on so many images per class.")
@click.option("--robustness", is_flag=True, help="Also test on 200 images under 24 corruptions.")
@click.option(
    "--lite", is_flag=True, help="Run everything at toy size on two splits, to check that it works: about a minute."
)
@click.option("--no-leakage", is_flag=True, help="Do not search the test images for copies of training images.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Random seed of the first split."
)
@options.output_option(
    "--report", suffixes=(".html", ".htm"), required=False, text="Write an HTML report, images included."
)
@options.output_option("--markdown", suffixes=(".md",), required=False, text="Write the tables as Markdown.")
@options.extraction_options
@options.JSON
def benchmark_command(
    folder: Path,
    recipes: tuple[str, ...],
    lite: bool,
    no_leakage: bool,
    report: Path | None,
    markdown: Path | None,
    run: options.Run,
    as_json: bool,
    **plan: Any,
) -> int:
    """Compare recipes on FOLDER, with one sub-folder of images per class.

    All recipes share the same training and test images. A winner is named only if the difference is significant.
    Repeat the command to resume an interrupted benchmark.
    """
    from classicvision import workflows
    from classicvision.report.benchmark import benchmark_to_dict
    from classicvision.report.benchmark_page import write_benchmark
    from classicvision.workflows.benchmark import DEFAULT_RECIPES

    chosen = recipes or DEFAULT_RECIPES
    _require_recipes(chosen)
    settings = _read_plan(plan)
    with run.settings() as how:
        found = workflows.benchmark(folder, chosen, settings=settings, is_lite=lite, leakage=not no_leakage, **how)
    if as_json:
        render.print_json(benchmark_to_dict(found))
    else:
        click.echo(_to_text(found))
    for path in filter(None, (report, markdown)):  # last, so that a full disk loses the page and not the figures
        write_benchmark(path, found)
        click.echo(f"Wrote {render.printable(path)}.", err=True)
    return render.report_failures(found.failures)


def _require_recipes(arguments: tuple[str, ...]) -> None:
    """Refuse an unknown recipe before any work begins."""
    from classicvision.classify.named_recipes import load_recipe
    from classicvision.errors import SettingsError

    try:
        for argument in arguments:
            load_recipe(argument)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _read_plan(plan: dict[str, Any]) -> Any:
    from classicvision.evaluation.plan import BenchmarkSettings

    return BenchmarkSettings(
        n_splits=plan["splits"],
        n_train=plan["train"],
        learning_curve=plan["learning_curve"],
        robustness=plan["robustness"],
        seed=plan["seed"],
    )


def _to_text(found: Benchmark) -> str:
    from classicvision.evaluation.conclusion import conclude

    n_classes, n_splits = len(found.images.classes), len(found.splits)
    rows: list[tuple[str, ...]] = [
        ("recipe", "accuracy %", "95 % interval", "deviation", "numbers", "ms/image", "training s", "MB")
    ]
    for result in found.results:
        accuracy = found.comparison.accuracies[result.name]
        of_splits, deviation = result.split_results, accuracy.deviation
        rows.append(
            (
                result.name,
                f"{100 * accuracy.mean.value:.1f}",
                f"{100 * accuracy.mean.low:.1f} to {100 * accuracy.mean.high:.1f}",
                "-" if deviation is None else f"{100 * deviation:.1f}",
                f"{of_splits[0].n_outputs}",
                f"{result.cost.total:.1f}",
                f"{sorted(one.seconds for one in of_splits)[len(of_splits) // 2]:.1f}",
                f"{of_splits[0].n_bytes / 1e6:.1f}",
            )
        )
    lines = [
        f"{render.count(len(found.images), 'image')} of {render.count(n_classes, 'class', 'classes')}, "
        f"{render.count(n_splits, 'split')}: {found.splits[0].train.shape[1]} training images per class, "
        f"{len(found.splits[0].test)} test images.",
        "",
        render.table(rows, right=range(1, 8)),
        *_curve(found),
        *_robustness(found),
        "",
        render.printable(conclude(found.comparison)),
        *(f"  {render.printable(verdict.sentence)}" for verdict in found.comparison.verdicts),
        *(f"Split {number}: {one.sentence}" for number, one in enumerate(found.leakage, 1) if one.leaks),
    ]
    if found.leakage and not any(one.leaks for one in found.leakage):
        lines.append("No test image is a copy of a training image.")
    if found.is_lite:
        lines.append("This was a trial at toy size: it shows that everything works, not how well.")
    return "\n".join(lines)


def _curve(found: Benchmark) -> list[str]:
    if not found.settings.learning_curve:
        return []
    rows = [("images per class", *(str(n) for n in found.settings.learning_curve))]
    for result in found.results:
        steps = result.curve.values()
        rows.append((result.name, *(f"{100 * sum(step) / len(step):.1f}" for step in steps)))
    return ["", render.table(rows, right=range(1, len(rows[0])))]


def _robustness(found: Benchmark) -> list[str]:
    if not found.settings.robustness:
        return []
    rows = [("corruption", *(result.name for result in found.results))]
    for corruption in found.results[0].corrupted:
        description = "none" if corruption is None else corruption.description
        rows.append((description, *(f"{100 * result.corrupted[corruption]:.1f}" for result in found.results)))
    return ["", render.table(rows, right=range(1, len(rows[0])))]
