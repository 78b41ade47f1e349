"""``classicvision fit``."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.classify.recipe import Recipe, TestTime
    from classicvision.classify.selection import Selection
    from classicvision.evaluation.stage_comparison import StageComparison
    from classicvision.synthetic.augmentation import Augmentation
    from classicvision.workflows import Fit

AUTO = "auto"  # in place of a recipe's name
DEFAULT_BUDGET = 300.0  # seconds

EXAMPLES = """\b
Examples:
  classicvision fit images/ -o model.cvmodel
  classicvision fit images/ -o model.cvmodel --set encoder.n_words=300
  classicvision fit images/ -o model.cvmodel --augment mirror --tta mirror
  classicvision fit images/ -o model.cvmodel --recipe mine.toml --seed 1 --json
  classicvision fit images/ -o model.cvmodel --recipe auto --budget 600
  classicvision fit images/ -o model.cvmodel --backbone mobilenet.onnx --preprocessing inception
  classicvision fit images/ -o model.cvmodel --backbone resnet18-v1 --stages all
"""


@click.command("fit", epilog=EXAMPLES, short_help="Fit a classifier on a folder of images.")
@click.argument("folder", type=click.Path(path_type=Path))
@options.output_option("-o", "--output", suffixes=(".cvmodel",), text="The model file to write.")
@click.option(
    "--backbone",
    metavar="FILE.onnx|NAME",
    help="Use the features of this network instead of visual words: short for --recipe cnn:FILE.",
)
@options.STAGE
@click.option("--stages", type=click.Choice(["all"]), help="Also evaluate a classifier on every stage of the network.")
@options.PREPROCESSING
@options.recipe_options
@click.option(
    "--budget",
    type=options.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help=f"Time limit for --recipe auto, by default {DEFAULT_BUDGET:g}. The final fit is not counted.",
)
@click.option(
    "--augment",
    multiple=True,
    type=click.Choice(["mirror", "crop", "scale", "color", "cutout"]),
    help="Also train on an augmented copy of each image. May be repeated, one copy each.",
)
@options.TTA
@options.extraction_options
@options.JSON
def fit_command(folder: Path, output: Path, run: options.Run, as_json: bool, **choices: Any) -> int:
    """Fit a classifier on FOLDER, with one sub-folder of images per class.

    The printed accuracy is cross-validated: every image is classified by a model that was not trained on it.

    --recipe auto compares recipes by cross-validation, with --backbone those of the network too, and fits the best.
    """
    from classicvision import workflows

    choice = _Choice(**choices)
    with run.settings() as how:
        fitted = workflows.fit(
            folder, recipe=choice.recipes(), seed=choice.seed, budget=choice.budget or DEFAULT_BUDGET, **how
        )
        fitted.classifier.save(output)
        compared = workflows.compare_stages(folder, fitted.classifier.recipe, **how) if choice.stages else None
    if as_json:
        render.print_json(_to_dict(fitted, output) | ({"stages": _stages_to_dict(compared)} if compared else {}))
    else:
        click.echo(_to_text(fitted, output) + (f"\n\n{_stages_to_text(compared)}" if compared else ""))
    _report_contradictions(fitted)
    return render.report_failures(fitted.failures)


@dataclass(frozen=True)
class _Choice:
    """The options that choose and change the recipe."""

    recipe: str | None
    overrides: tuple[str, ...]
    seed: int | None
    budget: float | None
    backbone: str | None
    stage: str | None
    stages: str | None
    preprocessing: str | None
    augment: tuple[Augmentation, ...]
    tta: TestTime | None

    def recipes(self) -> Recipe | dict[str, Recipe]:
        """Return the named recipe, or the candidates of `auto`; options that exclude each other are a usage error."""
        if self.recipe != AUTO:
            return self._with_views(self._named())
        return {name: self._with_views(recipe) for name, recipe in self._candidates().items()}

    def _with_views(self, recipe: Recipe) -> Recipe:
        return replace(recipe, augment=self.augment or recipe.augment, tta=self.tta or recipe.tta)

    def _named(self) -> Recipe:
        if self.recipe and self.backbone:
            raise click.UsageError(
                "--recipe and --backbone exclude each other: --backbone FILE is short for --recipe cnn:FILE"
            )
        if self.budget is not None:
            raise click.UsageError("--budget needs --recipe auto: it limits the time for choosing a recipe")
        name = f"cnn:{self.backbone}" if self.backbone else self.recipe or options.DEFAULT_RECIPE
        recipe = options.read_recipe(name, (*self._network_overrides(), *self.overrides), self.seed)
        if self.stages and recipe.extractor.kind != "onnx":
            raise click.UsageError("--stages needs a network: add --backbone FILE")
        if self.stages and (self.augment or self.tta):
            raise click.UsageError("--stages does not support --augment or --tta; remove either")
        return recipe

    def _candidates(self) -> dict[str, Recipe]:
        from classicvision.classify.selection import candidates

        if self.overrides or self.stages:
            raise click.UsageError("--set and --stages apply to one recipe, but --recipe auto compares several")
        changes = self._network_overrides()
        return candidates(options.read_recipe(f"cnn:{self.backbone}", changes, None) if self.backbone else None)

    def _network_overrides(self) -> tuple[str, ...]:
        """Return `--stage` and `--preprocessing` as overrides of the extractor's settings."""
        changes = {"stage": self.stage, "preprocessing": self.preprocessing}
        given = [f"extractor.{name}={json.dumps(value)}" for name, value in changes.items() if value is not None]
        if given and not (self.backbone or (self.recipe or "").startswith("cnn:")):
            raise click.UsageError(
                "--stage and --preprocessing need a network: add --backbone FILE. For a fusion use "
                "--recipe fusion:FILE@PRESET and --set extractor.parts.0.stage=NAME"
            )
        return tuple(given)


def _to_dict(fitted: Fit, output: Path) -> dict[str, Any]:
    from classicvision import config

    return {
        "model": str(output),
        "cost": fitted.classifier.head.cost,
        "classes": list(fitted.classifier.head.classes),
        **config.to_dict(fitted.classifier.training),
        "n_cached": fitted.n_cached,
        **({"selection": _selection_to_dict(fitted.selection)} if fitted.selection else {}),
        "contradictions": [[str(path) for path in group] for group in fitted.contradictions],
        "failures": render.failures_to_dicts(fitted.failures),
    }


def _to_text(fitted: Fit, output: Path) -> str:
    training = fitted.classifier.training
    chosen = f"{_selection_to_text(fitted.selection)}\n\n" if fitted.selection else ""
    return (
        f"{chosen}Fitted on {render.count(training.n_images, 'image')} of {len(training.images_per_class)} classes.\n"
        f"Cross-validated accuracy {render.percent(training.accuracy)} "
        f"(standard deviation {render.percent(training.accuracy_deviation)} over {training.folds} folds), "
        f"mean per class {render.percent(training.mean_per_class_accuracy)}.\n"
        f"Saved {output} ({render.file_size(output.stat().st_size)})."
    )


def _selection_to_dict(selection: Selection) -> dict[str, Any]:
    return {
        "name": selection.name,
        "reason": selection.reason,
        "trials": [vars(trial) for trial in selection.trials],
        "skipped": dict(selection.skipped),
    }


def _selection_to_text(selection: Selection) -> str:
    from classicvision.classify.selection import N_FOLDS

    rows: list[tuple[str, ...]] = [("recipe", "images", "accuracy", "deviation", "mean per class", "seconds")]
    for trial in selection.trials:
        shares = map(render.percent, (trial.accuracy, trial.deviation, trial.mean_per_class_accuracy))
        rows.append((trial.name, str(trial.n_images), *shares, f"{trial.seconds:.1f}"))
    names: dict[str, list[str]] = {}
    for name, why in selection.skipped.items():
        names.setdefault(why, []).append(name)
    lines = [f"Skipped {', '.join(alike)}: {render.printable(why)}." for why, alike in names.items()]
    how = (
        f"For speed the {N_FOLDS} folds of this comparison share a codebook; in the fit below each fold learns its own."
    )
    return "\n".join([render.table(rows, right=(1, 2, 3, 4, 5)), *lines, selection.reason, how])


def _stages_to_dict(compared: StageComparison) -> dict[str, Any]:
    return {
        "stages": [vars(score) for score in compared.stages],
        "learning_curve": [vars(point) for point in compared.curve],
        "advice": compared.advice,
    }


def _stages_to_text(compared: StageComparison) -> str:
    rows = [("stage", "dimensions", "accuracy", "deviation", "nearest neighbour")]
    for score in compared.stages:
        accuracy, deviation, nearest = map(render.percent, (score.accuracy, score.deviation, score.nearest))
        rows.append((score.stage, str(score.n_outputs), accuracy, deviation, nearest))
    curve = ", ".join(f"{render.percent(point.accuracy)} with {point.n_images}" for point in compared.curve)
    return f"{render.table(rows, right=(1, 2, 3, 4))}\n\nLast stage by number of images: {curve}.\n{compared.advice}"


def _report_contradictions(fitted: Fit) -> None:
    if fitted.contradictions:
        click.echo("Warning: identical files are in more than one class:", err=True)
    for group in fitted.contradictions[: render.MAX_LISTED]:
        click.echo("  " + " = ".join(map(render.printable, group)), err=True)
