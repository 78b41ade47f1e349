"""``classicvision show``."""

from __future__ import annotations

from pathlib import Path

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision show photo.jpg -o stages.png
  classicvision show photo.jpg -o stages.pdf --set extractor.contrast=0.08
"""


@click.command("show", epilog=EXAMPLES, short_help="Draw every step of SIFT on one photo.")
@click.argument("photo", type=click.Path(path_type=Path))
@options.output_option("-o", "--output", suffixes=(".png", ".pdf", ".svg"), text="The sheet to write.")
@options.recipe_options
def show_command(photo: Path, output: Path, recipe: str, overrides: tuple[str, ...], seed: int | None) -> int:
    """Draw every step of SIFT on PHOTO as one sheet.

    Gradient, Laplacian, Laplacian of Gaussian with its zero crossings, difference of Gaussians, extrema before and
    after each rejection, oriented keypoints, one descriptor.
    """
    from classicvision import workflows

    settings = options.read_recipe(recipe, overrides, seed)
    if output.exists() and photo.exists() and output.samefile(photo):
        raise click.UsageError(f"{output} is the photo itself; choose another name for the sheet")
    n_keypoints = workflows.show(photo, output, recipe=settings)
    click.echo(f"Drew {render.count(n_keypoints, 'keypoint')} to {output}.")
    return 0
