"""``classicvision show``."""

from __future__ import annotations

from pathlib import Path

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision show image.jpg -o stages.png
  classicvision show image.jpg -o stages.pdf --set contrast=0.08 --set max_side=400
"""


@click.command("show", epilog=EXAMPLES, short_help="Draw every step of SIFT on one image.")
@click.argument("image", type=click.Path(path_type=Path))
@options.output_option("-o", "--output", suffixes=(".png", ".pdf", ".svg"), text="The figure to write.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting of SIFT, e.g. contrast=0.08. May be repeated.",
)
def show_command(image: Path, output: Path, overrides: tuple[str, ...]) -> int:
    """Draw every step of SIFT on IMAGE as one figure.

    Gradient, Laplacian, Laplacian of Gaussian with its zero crossings, difference of Gaussians, extrema before and
    after each rejection, oriented keypoints, one descriptor.
    """
    from classicvision import workflows
    from classicvision.features.sift import Sift

    sift = options.change(Sift(), overrides)
    if output.exists() and image.exists() and output.samefile(image):
        raise click.UsageError(f"{output} is the input image; choose another name for the figure")
    n_keypoints = workflows.show(image, output, sift=sift)
    click.echo(f"Drew {render.count(n_keypoints, 'keypoint')} to {output}.")
    return 0
