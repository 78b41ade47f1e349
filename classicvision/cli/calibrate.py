"""``classicvision calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.copies.calibration_pairs import WorstPair
    from classicvision.matching.calibration import Calibration
    from classicvision.workflows import BackboneCalibrationRun, CalibrationRun

EXAMPLES = """\b
Examples:
  classicvision calibrate unrelated/ -o mine.json
  classicvision calibrate scenes/ --across-folders --pairs 200000 -o scenes.json
  classicvision calibrate unrelated/ --backbone resnet18-v1 -o resnet18.json
"""

RATES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
_NO_TAIL = (
    "Warning: nearly all pairs have a score of 0, so these images show no tail: the thresholds are theoretical. "
    "Images that are hard to distinguish, such as text or bricks, need higher ones; calibrate on such images too."
)
N_SHOWN = 5  # worst pairs shown as text


@click.command("calibrate", epilog=EXAMPLES, short_help="Measure how often unrelated images look like copies.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.output_option(
    "-o", "--output", suffixes=(".json",), required=False, text="Write the calibration to this file."
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Number of pairs to compare, at most.",
)
@click.option("--across-folders", is_flag=True, help="Compare only images from different folders.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed for sampling pairs."
)
@options.calibrating_options
@options.extraction_options
@options.JSON
def calibrate_command(
    paths: tuple[Path, ...],
    output: Path | None,
    pairs: int,
    across_folders: bool,
    seed: int,
    fallback: options.Fallback,
    run: options.Run,
    as_json: bool,
) -> int:
    """Compare unrelated images in PATHS with each other, and list thresholds for rates of false matches.

    No two of the images may show the same thing: check the pairs that are listed as most alike, remove those that do,
    and repeat. With --backbone the features of a network are measured instead of keypoints, on the images blurred until
    they have too few keypoints.
    """
    from classicvision import workflows

    backbone = fallback.open_backbone()
    with run.settings() as how:
        options_of_both: dict[str, Any] = {"n_pairs": pairs, "across_folders": across_folders, "seed": seed, **how}
        if backbone is not None:
            seen = workflows.calibrate_backbone(paths, backbone, **options_of_both)
            return _finish(seen, _backbone_to_text(seen), output, as_json)
        measured = workflows.calibrate(paths, **options_of_both)
    return _finish(
        measured, _to_text(measured), output, as_json, note="" if measured.calibration.has_tail else _NO_TAIL
    )


def _finish(
    measured: CalibrationRun | BackboneCalibrationRun, text: str, output: Path | None, as_json: bool, *, note: str = ""
) -> int:
    """Print what was measured, and write it."""
    from classicvision import workflows

    if as_json:
        render.print_json(measured.to_dict())
    else:
        click.echo(text)
    if note:
        click.echo(note, err=True)
    if output:
        workflows.write_calibration(output, measured)
        click.echo(f"Wrote {render.printable(output)}.", err=True)
    return render.report_failures(measured.failures)


def _backbone_to_text(measured: BackboneCalibrationRun) -> str:
    found, undecided = measured.calibration.together, render.count(measured.n_undecided, "image")
    lines = [
        f"{found.n_pairs:,} pairs of {render.count(found.n_images, 'image')}; highest cosine "
        f"{measured.cosines.max():.4f}, highest significance with the perceptual hash {found.highest:.1f}. "
        f"{undecided} skipped: too little texture.",
        f"Above {measured.fallback.threshold:.1f} a pair is called a copy.",
    ]
    return "\n".join([*lines, "", _thresholds(found), "", _worst(measured.worst, 4)])


def _thresholds(found: Calibration) -> str:
    rows = [("false-match rate", "threshold", "")]
    for rate in RATES:
        how = "extrapolated" if found.is_extrapolated(rate) else ""
        rows.append((f"{rate:.0e}", f"{found.threshold_for(rate):.1f}", how))
    return render.table(rows, right=(0, 1))


def _worst(pairs: Sequence[WorstPair], n_digits: int = 1) -> str:
    rows = [("score", "most alike", "")]
    rows += [(f"{pair.score:.{n_digits}f}", str(pair.path_a), str(pair.path_b)) for pair in pairs[:N_SHOWN]]
    remedy = "If a pair shows the same thing, remove one of the two images and calibrate again."
    return f"{render.table(rows, right=(0,))}\n{remedy}"


def _to_text(measured: CalibrationRun) -> str:
    found = measured.calibration
    undecided = render.count(measured.n_undecided, "image")
    lines = [
        f"{found.n_pairs:,} pairs of {render.count(found.n_images, 'image')}; highest score {found.highest:.1f}."
        + (f" {undecided} skipped: too few keypoints." if measured.n_undecided else ""),
        "",
        _thresholds(found),
    ]
    if measured.worst:
        lines += ["", _worst(measured.worst)]
    return "\n".join(lines)
