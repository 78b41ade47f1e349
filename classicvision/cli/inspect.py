"""``classicvision inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision inspect model.cvmodel
  classicvision inspect model.cvmodel --json
"""


@click.command("inspect", epilog=EXAMPLES, short_help="Print the contents of a model file.")
@options.MODEL
@options.BACKBONE
@options.JSON
def inspect_command(model: Path, backbone: Path | None, as_json: bool) -> int:
    """Print the recipe, classes, training summary, library versions and arrays of MODEL, and verify every checksum."""
    from classicvision import workflows

    facts = workflows.inspect(model, backbone=backbone)
    if as_json:
        render.print_json(facts)
    else:
        click.echo(_to_text(facts))
    return 0


def _to_text(facts: dict[str, Any]) -> str:
    import tomli_w

    training = facts["training"]
    arrays = [("array", "shape", "type")]
    arrays += [(n, " x ".join(map(str, a["shape"])) or "-", a["dtype"]) for n, a in facts["arrays"].items()]
    images = [(label, str(n)) for label, n in zip(facts["classes"], training["images_per_class"], strict=True)]
    sections = [
        f"{facts['file']}: {facts['kind']}, {render.file_size(facts['bytes'])}, "
        f"format version {facts['format_version']}\nSHA-256 {facts['sha256']}",
        f"Fitted on {render.count(training['n_images'], 'image')} of {training['folder']}; cross-validated accuracy "
        f"{render.percent(training['accuracy'])} (deviation {render.percent(training['accuracy_deviation'])}, "
        f"{training['folds']} folds), mean per class {render.percent(training['mean_per_class_accuracy'])}, "
        f"C = {facts['cost']:g}.",
        render.table([("class", "images"), *images], right=(1,)),
        tomli_w.dumps(facts["recipe"]).strip(),
        render.table(arrays),
        ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    ]
    return "\n\n".join(sections)
