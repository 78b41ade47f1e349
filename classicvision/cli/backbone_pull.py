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
    help="Cache folder; networks go to its sub-folder `backbones`. By default the user's cache folder.",
)
@click.option(
    "--offline", is_flag=True, help="Fetch nothing, only look in the cache; the same as CLASSICVISION_OFFLINE=1."
)
@options.QUIET
@options.JSON
def pull_command(names: tuple[str, ...], cache: Path | None, offline: bool, quiet: bool, as_json: bool) -> int:
    """Fetch the networks NAME... that are not in the cache, and print one path per line.

    Every file is checked against the size and SHA-256 in the registry. Interrupted downloads resume.
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
