"""``classicvision match``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import DONE, FOUND, options, render

if TYPE_CHECKING:
    from classicvision.matching.result import MatchResult, Region

EXAMPLES = """\b
Examples:
  classicvision match a.jpg b.jpg
  classicvision match a.jpg b.jpg --draw match.png
  classicvision match a.jpg b.jpg --json --exit-code
  classicvision match a.jpg b.jpg --backbone resnet18-v1 --backbone-calibration resnet18.json
"""


@click.command("match", epilog=EXAMPLES, short_help="Decide whether one image is a copy of another.")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@options.output_option(
    "--draw",
    suffixes=(".png", ".jpg", ".jpeg", ".webp"),
    required=False,
    text="Draw both images and the parts they share.",
)
@click.option("--exit-code", is_flag=True, help="Exit with code 11 if they match.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting, e.g. threshold=20 or sift.contrast=0.02. May be repeated.",
)
@options.fallback_options
@options.JSON
def match_command(
    a: Path,
    b: Path,
    draw: Path | None,
    exit_code: bool,
    overrides: tuple[str, ...],
    fallback: options.Fallback,
    as_json: bool,
) -> int:
    """Decide whether image A or a part of it is in image B: cropped, scaled, rotated, mirrored, or in a collage.

    Negatives are found too. The transform is described in words, with the share of each image. Images with too few
    keypoints are compared as a whole: by a perceptual hash and, with --backbone, by the features of a network.
    """
    from classicvision import workflows
    from classicvision.matching.settings import MATCHING_SIFT, MatchSettings

    of_sift = tuple(one.removeprefix("sift.") for one in overrides if one.startswith("sift."))
    sift = options.change(MATCHING_SIFT, of_sift)
    settings = options.change(MatchSettings(), tuple(one for one in overrides if not one.startswith("sift.")))
    if draw is not None and any(path.exists() and draw.exists() and draw.samefile(path) for path in (a, b)):
        raise click.UsageError(f"{draw} is one of the images; choose another name for the drawing")
    result = workflows.match(a, b, sift=sift, settings=settings, fallback=fallback.open(), draw=draw)
    if as_json:
        render.print_json({"a": str(a), "b": str(b), **_to_dict(result)})
    else:
        click.echo(_to_text(result))
        if draw is not None:
            click.echo(f"Drawn to {render.printable(draw)}.")
    return FOUND if exit_code and result.verdict == "copy" else DONE


def _to_dict(result: MatchResult) -> dict[str, Any]:
    names = ("verdict", "method", "reason", "score", "cosine", "n_keypoints", "n_matches", "image_sizes")
    facts = {name: getattr(result, name) for name in names}
    return {**facts, "regions": [_region_to_dict(region, result) for region in result.regions]}


def _region_to_dict(region: Region, result: MatchResult) -> dict[str, Any]:
    from classicvision.matching.transform_text import describe_region
    from classicvision.report.pixels import pixels_to_dict

    return {
        "words": describe_region(region, *result.image_sizes),
        "kind": region.kind,
        "mirrored": region.is_mirrored,
        "inverted": region.is_inverted,
        "significance": region.significance,
        "n_pairs": len(region.pairs),
        "share_a": region.share_a,
        "share_b": region.share_b,
        "b_from_a": region.b_from_a.tolist(),
        "polygon_a": region.polygon_a.tolist(),
        "polygon_b": region.polygon_b.tolist(),
        "pixels": pixels_to_dict(region.pixels),
    }


def _to_text(result: MatchResult) -> str:
    from classicvision.matching.transform_text import describe_region

    verdict = {
        "copy": "Copy",
        "related": "Related, but not a copy",
        "no evidence": "No evidence of a copy",
        "cannot decide": "Cannot decide",
    }
    lines = [f"{verdict[result.verdict]}: {result.reason}."]
    lines += [
        f"  {describe_region(region, *result.image_sizes)} ({region.kind}, "
        f"{render.count(len(region.pairs), 'keypoint')}, significance {region.significance:.0f})"
        for region in result.regions
    ]
    return "\n".join(lines)
