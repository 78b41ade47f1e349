"""``classicvision doctor``."""

from __future__ import annotations

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision doctor
  classicvision doctor --json
"""


@click.command("doctor", epilog=EXAMPLES, short_help="Print the engine and libraries in use.")
@options.JSON
def doctor_command(as_json: bool) -> int:
    """Print what this installation computes with: the SIFT engine, its instruction set and the library versions."""
    from classicvision import workflows

    facts = workflows.doctor()
    if as_json:
        render.print_json(facts)
        return 0
    kernels = facts["instruction_set"] or "not installed: reinstall with a C++17 compiler to run several times faster"
    rows = [("SIFT engine", facts["engine"]), ("compiled kernels", kernels), *facts["versions"].items()]
    click.echo(render.table(rows))
    return 0
