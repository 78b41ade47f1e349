"""``classicvision show``."""

from __future__ import annotations

from pathlib import Path

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision show photo.jpg -o stages.png
  classicvision show photo.jpg -o stages.pdf --set contrast=0.08 --set max_side=400
"""


@click.command("show", epilog=EXAMPLES, short_help="Draw every step of SIFT on one photo.")
@click.argument("photo", type=click.Path(path_type=Path))
@options.output_option("-o", "--output", suffixes=(".png", ".pdf", ".svg"), text="The sheet to write.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting of SIFT, e.g. contrast=0.08. May be repeated.",
)
def show_command(photo: Path, output: Path, overrides: tuple[str, ...]) -> int:
    """Draw every step of SIFT on PHOTO as one sheet.

    Gradient, Laplacian, Laplacian of Gaussian with its zero crossings, difference of Gaussians, extrema before and
    after each rejection, oriented keypoints, one descriptor.
    """
    from classicvision import workflows
    from classicvision.features.sift import Sift

    sift = options.change(Sift(), overrides)
    if output.exists() and photo.exists() and output.samefile(photo):
        raise click.UsageError(f"{output} is the photo itself; choose another name for the sheet")
    n_keypoints = workflows.show(photo, output, sift=sift)
    click.echo(f"Drew {render.count(n_keypoints, 'keypoint')} to {output}.")
    return 0
