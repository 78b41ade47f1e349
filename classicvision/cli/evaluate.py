"""``classicvision evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.classify.recipe import TestTime
    from classicvision.evaluation.classifier_evaluation import Evaluation

EXAMPLES = """\b
Examples:
  classicvision evaluate model.cvmodel held-out/
  classicvision evaluate model.cvmodel held-out/ --report report.html
  classicvision evaluate model.cvmodel held-out/ --json > scores.json
"""


@click.command("evaluate", epilog=EXAMPLES, short_help="Evaluate a model on labelled images.")
@options.MODEL
@click.argument("folder", type=click.Path(path_type=Path))
@options.output_option(
    "--report", suffixes=(".html", ".htm"), required=False, text="Write an HTML report, images included."
)
@options.TTA
@options.BACKBONE
@options.extraction_options
@options.JSON
def evaluate_command(
    model: Path,
    folder: Path,
    report: Path | None,
    tta: TestTime | None,
    backbone: Path | None,
    run: options.Run,
    as_json: bool,
) -> int:
    """Evaluate MODEL on FOLDER, with one sub-folder of images per class.

    Use images that the model was not fitted on. The command warns about test images that were also training images.
    """
    from classicvision import workflows
    from classicvision.report.evaluation import evaluation_to_dict, write_evaluation

    with run.settings() as how:
        evaluation = workflows.evaluate(model, folder, tta=tta, backbone=backbone, **how)
    if as_json:
        render.print_json(evaluation_to_dict(evaluation))
    else:
        click.echo(_to_text(evaluation))
    if report:  # last, so that a full disk loses the page and not the figures
        write_evaluation(report, evaluation)
        click.echo(f"Wrote {report}.", err=True)
    _warn_of_seen_images(evaluation)
    return render.report_failures(evaluation.failures)


def _to_text(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "F1", "images")]
    for i, label in enumerate(scores.classes):
        measures = (scores.precision[i], scores.recall[i], scores.f1[i])
        rows.append((label, *(f"{m:.3f}" if m == m else "-" for m in measures), str(scores.support[i])))
    low, high = scores.accuracy_interval
    class_low, class_high = scores.mean_per_class_interval
    lines = [
        render.table(rows, right=(1, 2, 3, 4)),
        "",
        f"Accuracy {render.percent(scores.accuracy)} (95 % interval {100 * low:.1f} to {100 * high:.1f}), "
        f"mean per class {render.percent(scores.mean_per_class_accuracy)} "
        f"({100 * class_low:.1f} to {100 * class_high:.1f}), {render.count(scores.n_images, 'image')}.",
    ]
    return "\n".join(lines)


def _warn_of_seen_images(evaluation: Evaluation) -> None:
    seen = evaluation.model["seen_in_training"]
    if seen:
        click.echo(
            f"Warning: {seen} of these {evaluation.scores.n_images} images are training images of the model, byte for "
            "byte. The accuracy says little about new images.",
            err=True,
        )
