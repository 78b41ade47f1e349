"""``classicvision backbone classify``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.workflows.backbone_classify import NamedClasses

EXAMPLES = """\b
Examples:
  classicvision backbone classify mobilenet.onnx image.jpg --preprocessing inception
  classicvision backbone classify resnet18-v1 images/ --names imagenet.txt --top 1 --json
"""


@click.command("classify", epilog=EXAMPLES, short_help="Classify images with a network's own classes.")
@options.NETWORK
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.preprocessing_options
@click.option("--top", "n_best", type=click.IntRange(min=1), default=5, show_default=True, help="Classes per image.")
@click.option("--names", type=click.Path(path_type=Path), metavar="FILE.txt", help="Class names, one per line.")
@click.option(
    "--views",
    type=click.Choice(["one", "mirror", "whole", "ten-crop"]),
    default="one",
    show_default=True,
    help="Views of each image to average: one is the centre crop, whole also the full image, both mirrored too.",
)
@options.extraction_options
@options.JSON
def classify_command(
    network: str,
    paths: tuple[Path, ...],
    preprocessing: str | None,
    overrides: tuple[str, ...],
    n_best: int,
    names: Path | None,
    views: Any,
    run: options.Run,
    as_json: bool,
) -> int:
    """Classify the images in PATHS with the classes that the network was trained on. Folders are searched recursively.

    Class numbers start at 0.
    """
    from classicvision import workflows
    from classicvision.backbone.network import OUTPUT

    backbone = replace(options.open_backbone(network, preprocessing, overrides, OUTPUT), views=views)
    with run.settings() as how:
        found = workflows.classify_with_backbone(backbone, paths, n_best=n_best, names=names, **how)
    if as_json:
        render.print_json(_to_dict(found, network))
    elif found.paths:
        click.echo(_to_text(found))
    return render.report_failures(found.failures)


def _to_dict(found: NamedClasses, network: str) -> dict[str, Any]:
    return {
        "network": network,
        "images": [
            {
                "path": str(path),
                "classes": [
                    {"index": answer.index, "probability": answer.probability, "name": answer.name}
                    for answer in answers
                ],
            }
            for path, answers in zip(found.paths, found.answers, strict=True)
        ],
        "failures": render.failures_to_dicts(found.failures),
    }


def _to_text(found: NamedClasses) -> str:
    rows = [("image", "class", "probability", "name")]
    for path, answers in zip(found.paths, found.answers, strict=True):
        for number, answer in enumerate(answers):
            name = answer.name or ("background" if answer.index < 0 else "")
            rows.append(("" if number else str(path), str(answer.index), render.percent(answer.probability), name))
    return render.table(rows, right=(1, 2))
