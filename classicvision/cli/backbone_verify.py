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


@click.command("verify", epilog=EXAMPLES, short_help="Verify a network and its preprocessing.")
@options.NETWORK
@options.network_options
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Reference vectors from the framework that exported the network; docs/backbones.md shows how to make them.",
)
@options.output_option(
    "--write",
    "output",
    suffixes=(".json",),
    required=False,
    text="Write the vectors of this network to FILE.json, as a --reference elsewhere.",
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
    """Check a network against the registry, three photographs of known class, and reference vectors.

    The photographs come with scikit-image. The exit code is 1 if a check fails, or if there was nothing to check and
    --write was not given.
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
    lines = [f"{render.printable(backbone.path)}: SHA-256 {backbone.sha256}", _registry_line(found)]
    if found.image_checks:
        right = sum(check.passed for check in found.image_checks)
        lines.append(f"Photographs: {right} of {len(found.image_checks)} have the true class among the top five")
        lines += [f"  {_mark(check.passed)} {check.image:8} classes {check.top5}" for check in found.image_checks]
    else:
        lines.append("Photographs: not checked, because the output is not the 1000 classes of ImageNet")
    if found.vector_checks:
        lines.append("Reference vectors: relative distance")
        lines += [f"  {_mark(check.passed)} {check.image:8} {check.distance:.5f}" for check in found.vector_checks]
    else:
        lines.append("Reference vectors: not given. Only --reference reveals wrong colours or crops.")
    return "\n".join([*lines, _verdict(found)])


def _verdict(found: Verification) -> str:
    if not found.compared:
        return "Nothing to check: pass --reference."
    return "All checks passed." if found.passed else "A check failed: see above."


def _registry_line(found: Verification) -> str:
    if found.impostor_of:
        return f"Registry: the file is named {found.impostor_of}, but its content differs"
    return f"Registry: this is {found.entry.name}" if found.entry else "Registry: content not listed"


def _mark(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def _to_dict(found: Verification) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "network": found.backbone.path,
        "sha256": found.backbone.sha256,
        "preprocessing": asdict(found.backbone.contract),
        "registry": found.entry.name if found.entry else None,
        "impostor_of": found.impostor_of or None,
        "images": [asdict(check) for check in found.image_checks],
        "vectors": [asdict(check) | {"passed": check.passed} for check in found.vector_checks],
        "passed": found.passed,
    }
