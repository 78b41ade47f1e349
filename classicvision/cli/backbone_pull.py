"""``classicvision backbone pull``."""

from __future__ import annotations

from pathlib import Path

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision backbone pull resnet18-v1
  classicvision backbone pull mobilenetv2-12 googlenet-12 --cache /data/classicvision
  classicvision backbone pull resnet18-v1 --offline
"""


@click.command("pull", epilog=EXAMPLES, short_help="Fetch networks of the model zoo.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The cache folder, in which networks are kept under `backbones`; by default the user's.",
)
@click.option(
    "--offline", is_flag=True, help="Only look whether they are there; CLASSICVISION_OFFLINE=1 says the same."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@options.JSON
def pull_command(names: tuple[str, ...], cache: Path | None, offline: bool, quiet: bool, as_json: bool) -> int:
    """Fetch the networks NAME... unless they are there, and print where they are, a path a line.

    Size and SHA-256 of every file are compared with the registry. What was broken off goes on where it stopped.
    """
    from classicvision import workflows

    folder = cache / "backbones" if cache else None
    with render.progress_bar(quiet) as progress:
        files = [
            workflows.pull_backbone(name, folder=folder, offline=offline or None, progress=progress) for name in names
        ]
    if as_json:
        render.print_json([{"name": name, "file": str(file)} for name, file in zip(names, files, strict=True)])
    else:
        click.echo("\n".join(map(str, files)))
    return 0
