"""``classicvision backbone verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import DONE, ERROR, options, render

if TYPE_CHECKING:
    from classicvision.backbone.verification import Verification

EXAMPLES = """\b
Examples:
  classicvision backbone verify resnet18-v1
  classicvision backbone verify my.onnx --preprocessing imagenet --reference my.json
  classicvision backbone verify my.onnx --preprocessing caffe --set crop=384 --set resize_to=384
  classicvision backbone verify my.onnx --preprocessing imagenet --write my.json
"""


@click.command("verify", epilog=EXAMPLES, short_help="Check that a network is right, and sees pictures rightly.")
@options.NETWORK
@options.network_options
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Vectors that the network gave where it comes from; docs/backbones.md shows how to make them.",
)
@options.output_option(
    "--write",
    "output",
    suffixes=(".json",),
    required=False,
    text="Write the vectors of this network to FILE.json, to compare with elsewhere.",
)
@options.JSON
def verify_command(
    network: str,
    preprocessing: str | None,
    overrides: tuple[str, ...],
    stage: str,
    reference: Path | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Compare a network with the registry, with what it should say of three photographs, and with stored vectors.

    The photographs come with scikit-image. The exit code is 1 if something came out wrong, or, unless vectors were
    written, nothing could be compared.
    """
    from classicvision import workflows

    backbone = options.open_backbone(network, preprocessing, overrides, stage)
    found = workflows.verify_backbone(backbone, reference=reference)
    if output:
        workflows.write_reference(backbone, output)
    if as_json:
        render.print_json(_to_dict(found))
    else:
        click.echo(_to_text(found))
    if output:
        click.echo(f"Wrote {render.printable(output)}.", err=True)
    return DONE if found.passed or (output and not found.compared) else ERROR


def _to_text(found: Verification) -> str:
    backbone = found.backbone
    lines = [f"{render.printable(backbone.path)}: SHA-256 {backbone.sha256}", _words_of_content(found)]
    if found.photos:
        right = sum(check.passed for check in found.photos)
        lines.append(f"Photographs: {right} of {len(found.photos)} have their class among the first five")
        lines += [f"  {_mark(check.passed)} {check.photo:8} classes {check.top5}" for check in found.photos]
    else:
        lines.append("Photographs: not compared, since the output is not ImageNet's 1000 classes")
    if found.agreements:
        lines.append("Stored vectors: relative distance")
        lines += [f"  {_mark(check.passed)} {check.photo:8} {check.distance:.5f}" for check in found.agreements]
    else:
        lines.append("Stored vectors: none given. Photographs cannot show wrong colours or crops; --reference can.")
    return "\n".join([*lines, _verdict(found)])


def _verdict(found: Verification) -> str:
    if not found.compared:
        return "Nothing could be compared: give --reference."
    return "All that was compared is right." if found.passed else "Something is wrong: see above."


def _words_of_content(found: Verification) -> str:
    if found.impostor_of:
        return f"Registry: the file is called {found.impostor_of}, but that one has another content"
    return f"Registry: it is {found.entry.name}" if found.entry else "Registry: does not know this content"


def _mark(passed: bool) -> str:
    return "right" if passed else "WRONG"


def _to_dict(found: Verification) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "network": found.backbone.path,
        "sha256": found.backbone.sha256,
        "preprocessing": asdict(found.backbone.contract),
        "registry": found.entry.name if found.entry else None,
        "impostor_of": found.impostor_of or None,
        "photos": [asdict(check) for check in found.photos],
        "agreements": [asdict(check) | {"passed": check.passed} for check in found.agreements],
        "passed": found.passed,
    }
