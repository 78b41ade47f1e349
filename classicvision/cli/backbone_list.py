"""``classicvision backbone list``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.backbone.registry import Entry

EXAMPLES = """\b
Examples:
  classicvision backbone list
  classicvision backbone list --all --json
"""


@click.command("list", epilog=EXAMPLES, short_help="List the networks that can be fetched by name.")
@click.option(
    "-a",
    "--all",
    "every_file",
    is_flag=True,
    help="List every file, including older operator sets and quantised networks.",
)
@options.JSON
def list_command(every_file: bool, as_json: bool) -> int:
    """List the networks of the ONNX model zoo that `backbone pull` can fetch, with the accuracies the zoo reports."""
    from classicvision import workflows

    entries = workflows.list_backbones(every_file=every_file)
    if as_json:
        render.print_json([asdict(entry) for entry in entries])
        return 0
    header = ("name", "family", "size", "top-1", "top-5", "preprocessing", "licence")
    click.echo(render.table([header, *map(_row, entries)], right=(2, 3, 4)))
    click.echo(
        "\nTop-1 and top-5 accuracy in percent, as reported by the zoo. Where preprocessing is -, the zoo does\n"
        "not document it: pass --preprocessing. Use any other network by its file."
    )
    return 0


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.name,
        entry.family,
        render.file_size(entry.n_bytes),
        _number(entry.top1),
        _number(entry.top5),
        entry.preprocessing or "-",
        entry.licence,
    )


def _number(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.1f}"
