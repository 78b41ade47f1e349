"""``classicvision predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.classify.recipe import TestTime
    from classicvision.workflows import Predictions

EXAMPLES = """\b
Examples:
  classicvision predict model.cvmodel new.jpg
  classicvision predict model.cvmodel new.jpg more/ --json
"""


@click.command("predict", epilog=EXAMPLES, short_help="Predict the classes of images.")
@options.MODEL
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.TTA
@options.BACKBONE
@options.extraction_options
@options.JSON
def predict_command(
    model: Path,
    paths: tuple[Path, ...],
    tta: TestTime | None,
    backbone: Path | None,
    run: options.Run,
    as_json: bool,
) -> int:
    """Predict the class of each image in PATHS. Folders are searched recursively.

    The margin is the score of the best class minus that of the second best, in units of the SVM margin. It is not a
    probability.
    """
    from classicvision import workflows

    with run.settings() as how:
        answers = workflows.predict(model, paths, tta=tta, backbone=backbone, **how)
    if as_json:
        render.print_json(_to_dict(answers, model))
    elif answers.paths:
        click.echo(_to_text(answers))
    return render.report_failures(answers.failures)


def _to_dict(answers: Predictions, model: Path) -> dict[str, Any]:
    return {
        "model": str(model),
        "predictions": [
            {
                "path": str(path),
                "label": answer.label,
                "margin": answer.margin,
                "n_keypoints": answer.n_keypoints,
                "note": answer.note,
                "scores": answer.scores,
            }
            for path, answer in zip(answers.paths, answers.predictions, strict=True)
        ],
        "failures": render.failures_to_dicts(answers.failures),
    }


def _to_text(answers: Predictions) -> str:
    rows = [("image", "class", "margin", "")]
    for path, answer in zip(answers.paths, answers.predictions, strict=True):
        rows.append((str(path), answer.label, f"{answer.margin:.2f}", answer.note))
    return render.table(rows, right=(2,))
