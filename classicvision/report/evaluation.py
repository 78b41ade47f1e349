"""An evaluation as data for JSON and as one HTML page.

The data follow `evaluation.schema.json` in this folder. The page contains its style and images and loads nothing, so
that it can be mailed or archived. Names of files and classes are escaped, because they are untrusted.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from classicvision.files import write_atomically
from classicvision.report.images import thumbnail
from classicvision.report.plain import flat, plain, text
from classicvision.report.templates import page_environment

if TYPE_CHECKING:
    from classicvision.evaluation.classifier_evaluation import Case, Evaluation

__all__ = ["evaluation_to_dict", "evaluation_to_html", "write_evaluation"]

FORMAT = "classicvision-evaluation"
VERSION = 1
"""Increased when a program for the old data would misread the new; a new key alone does not increase it."""

# Limits of what a page shows; the JSON has everything.
MAX_IMAGES = 24
MAX_CONFUSIONS = 10
MAX_FAILURES = 200


def evaluation_to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values for JSON; undefined values are None.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    dict
        As `evaluation.schema.json` describes it. Accuracies are in [0, 1]; mistakes are complete, the worst first.
    """
    scores = evaluation.scores
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": text(evaluation.title),
        "source": text(evaluation.source),
        "n_images": scores.n_images,
        "accuracy": scores.accuracy,
        "accuracy_interval": list(scores.accuracy_interval),
        "mean_per_class_accuracy": scores.mean_per_class_accuracy,
        "mean_per_class_interval": list(scores.mean_per_class_interval),
        "majority_share": scores.majority_share,
        "classes": _class_rows(evaluation),
        "confusion": scores.confusion.tolist(),
        "confusions": [
            {"true": text(c.true), "predicted": text(c.predicted), "n_images": c.n_images, "support": c.support}
            for c in scores.confusions()
        ],
        "mistakes": [_mistake(case) for case in evaluation.mistakes()],
        "failures": [{"path": text(f.path), "reason": text(f.reason)} for f in evaluation.failures],
        "model": plain(evaluation.model),
    }


def evaluation_to_html(evaluation: Evaluation) -> str:
    """Return an evaluation as one HTML page that needs no other file.

    Only the worst mistakes are shown. Their images are read again from their paths; a missing one is replaced by a
    message.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
        HTML 5, to be written as UTF-8.
    """
    environment = page_environment()
    environment.filters["percent"] = _percent
    data = evaluation_to_dict(evaluation)
    return environment.get_template("evaluation.html.j2").render(
        data,
        n_tested_classes=evaluation.scores.n_tested_classes,
        n_mistakes=len(data["mistakes"]),
        shown=_with_thumbnails(evaluation, data["mistakes"]),
        max_confusions=MAX_CONFUSIONS,
        max_failures=MAX_FAILURES,
        model_rows=list(flat(data["model"])),
        command=_command(evaluation),
    )


def write_evaluation(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """Write the page of `evaluation_to_html`. The file is replaced atomically.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_atomically(Path(path), [evaluation_to_html(evaluation).encode()])


def _class_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    scores = evaluation.scores
    n_predicted = scores.confusion.sum(axis=0)
    return [
        {
            "name": text(name),
            "support": int(scores.support[row]),
            "n_predicted": int(n_predicted[row]),
            "precision": _defined(scores.precision, row),
            "recall": _defined(scores.recall, row),
            "f1": _defined(scores.f1, row),
        }
        for row, name in enumerate(scores.classes)
    ]


def _mistake(case: Case) -> dict[str, Any]:
    return {
        "path": text(case.path),
        "true": text(case.true),
        "predicted": text(case.predicted),
        "margin": plain(case.margin),
        "n_keypoints": case.n_keypoints,
        "note": text(case.note),
    }


def _with_thumbnails(evaluation: Evaluation, mistakes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    worst = evaluation.mistakes(MAX_IMAGES)
    return [
        {**mistake, "thumbnail": thumbnail(case.path), "name": _within(evaluation.source, case.path)}
        for mistake, case in zip(mistakes[: len(worst)], worst, strict=True)
    ]


def _within(source: str, path: Path) -> str:
    """Return a path relative to the evaluated folder, or in full if it is elsewhere."""
    return text(path.relative_to(source) if source and path.is_relative_to(source) else path)


def _command(evaluation: Evaluation) -> str | None:
    """Return the command line that reproduces this page, if model file and folder are known."""
    file = evaluation.model.get("file", evaluation.model.get("name"))
    if not file or not evaluation.source:
        return None
    words = ["classicvision", "evaluate", text(file), text(evaluation.source), "--report", "report.html"]
    return shlex.join(words)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _defined(values: NDArray[np.float64], row: int) -> float | None:
    return None if math.isnan(values[row]) else float(values[row])
