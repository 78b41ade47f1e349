"""``classicvision calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.workflows import CalibrationRun

EXAMPLES = """\b
Examples:
  classicvision calibrate unrelated/ -o mine.json
  classicvision calibrate scenes/ --across-folders --pairs 200000 -o scenes.json
"""

RATES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
_NO_TAIL = (
    "Warning: nearly all pairs have a score of 0, so these pictures show no tail: the thresholds are those of theory. "
    "Pictures that are hard to tell apart, such as text or bricks, need higher ones; calibrate on such pictures too."
)
N_SHOWN = 5  # of the worst pairs


@click.command("calibrate", epilog=EXAMPLES, short_help="Measure how often unrelated pictures look like copies.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.output_option("-o", "--output", suffixes=(".json",), required=False, text="Write the calibration here.")
@click.option(
    "--pairs", type=click.IntRange(min=1), default=100_000, show_default=True, help="Compare at most so many."
)
@click.option("--across-folders", is_flag=True, help="Compare only pictures of different folders.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draw of pairs.")
@options.extraction_options
@options.JSON
def calibrate_command(
    paths: tuple[Path, ...],
    output: Path | None,
    pairs: int,
    across_folders: bool,
    seed: int,
    run: options.Run,
    as_json: bool,
) -> int:
    """Compare unrelated pictures in PATHS with each other, and say which threshold has which rate of false matches.

    No two of the pictures may show the same thing: look at the pairs that are listed as most alike, take those that do
    out, and run it again.
    """
    from classicvision import workflows
    from classicvision.workflows.calibrate import calibration_to_dict

    with run.settings() as how:
        measured = workflows.calibrate(paths, n_pairs=pairs, across_folders=across_folders, seed=seed, **how)
    if as_json:
        render.print_json(calibration_to_dict(measured))
    else:
        click.echo(_to_text(measured))
    if not measured.calibration.has_tail:
        click.echo(_NO_TAIL, err=True)
    if output:
        workflows.write_calibration(output, measured)
        click.echo(f"Wrote {render.printable(output)}.", err=True)
    return render.report_failures(measured.failures)


def _to_text(measured: CalibrationRun) -> str:
    found = measured.calibration
    thresholds = [("false-match rate", "threshold", "")]
    for rate in RATES:
        how = "extrapolated" if found.is_extrapolated(rate) else ""
        thresholds.append((f"{rate:.0e}", f"{found.threshold_for(rate):.1f}", how))
    undecided = render.count(measured.n_undecided, "picture")
    lines = [
        f"{found.n_pairs:,} pairs of {render.count(found.n_images, 'picture')}; highest score {found.highest:.1f}. "
        f"{undecided} left out for too few keypoints.",
        "",
        render.table(thresholds, right=(0, 1)),
    ]
    if measured.worst:
        worst = [("score", "most alike", "")]
        worst += [(f"{pair.score:.1f}", str(pair.path_a), str(pair.path_b)) for pair in measured.worst[:N_SHOWN]]
        lines += ["", render.table(worst, right=(0,))]
    return "\n".join(lines)
