"""``classicvision doctor``."""

from __future__ import annotations

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision doctor
  classicvision doctor --json
"""


@click.command("doctor", epilog=EXAMPLES, short_help="Say which engine and libraries are in use.")
@options.JSON
def doctor_command(as_json: bool) -> int:
    """Say what this installation computes with: the engine of SIFT, its instruction set, and the libraries."""
    from classicvision import workflows

    facts = workflows.doctor()
    if as_json:
        render.print_json(facts)
        return 0
    kernels = facts["instruction_set"] or "none: install where there is a C++17 compiler, for several times the speed"
    rows = [("SIFT engine", facts["engine"]), ("compiled kernels", kernels), *facts["versions"].items()]
    click.echo(render.table(rows))
    return 0
