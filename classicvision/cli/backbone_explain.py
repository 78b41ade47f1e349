"""``classicvision backbone explain``."""

from __future__ import annotations

from pathlib import Path

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision backbone explain resnet18-v1 image.jpg -o page.html
  classicvision backbone explain my.onnx cat.jpg -o cat.html --preprocessing caffe --folder cats/
  classicvision backbone explain my.onnx image.jpg -o page.html --class 281 --names imagenet.txt
"""


@click.command("explain", epilog=EXAMPLES, short_help="Explain a network's answer for an image.")
@options.NETWORK
@click.argument("image", type=click.Path(path_type=Path))
@options.output_option("-o", "--output", suffixes=(".html", ".htm"), text="The page to write.")
@options.network_options
@click.option("--class", "target", type=int, help="Number of the class to explain; by default the most probable one.")
@click.option("--names", type=click.Path(path_type=Path), metavar="FILE.txt", help="Class names, one per line.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Also show the images of this folder with the nearest features."
)
@options.extraction_options
@options.JSON
def explain_command(
    network: str,
    image: Path,
    output: Path,
    preprocessing: str | None,
    overrides: tuple[str, ...],
    stage: str,
    target: int | None,
    names: Path | None,
    folder: Path | None,
    run: options.Run,
    as_json: bool,
) -> int:
    """Write an HTML page that explains a network's answer for IMAGE.

    It shows the filters of the first layer, the strongest feature maps of each stage, an occlusion map, a class
    activation map if the architecture allows one, and with --folder the nearest images.
    """
    from classicvision import workflows
    from classicvision.report.explanation import explanation_to_dict, write_explanation

    backbone = options.open_backbone(network, preprocessing, overrides, stage)
    with run.settings() as how:
        found = workflows.explain_backbone(backbone, image, folder=folder, target=target, names=names, **how)
    write_explanation(output, found)
    if as_json:
        render.print_json(explanation_to_dict(found))
    else:
        for answer in found.answers:
            click.echo(
                render.printable(f"class {answer.index}  {render.percent(answer.probability)}  {answer.name}".rstrip())
            )
        if found.no_activation:
            click.echo(f"No class activation map: {found.no_activation}.")
    click.echo(f"Wrote {render.printable(output)}.", err=True)
    return render.report_failures(found.failures)
