"""``classicvision benchmark-matching``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.evaluation.keypoint_benchmark import MatchingBenchmark
    from classicvision.evaluation.keypoints import MatchingProtocol, MatchingSummary

EXAMPLES = """\b
Examples:
  classicvision benchmark-matching hpatches/
  classicvision benchmark-matching oxford/graf --detector sift-fast --detector orb
  classicvision benchmark-matching hpatches/ --set max_side=640 --set n_keypoints=1000 --json
"""


@click.command("benchmark-matching", epilog=EXAMPLES, short_help="Compare keypoint detectors on known homographies.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME",
    help="A detector to measure: sift-exact, sift-fast, sift-reference, sift-opencv, orb or akaze. May be repeated; "
    "by default all but the slow sift-reference.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the protocol, e.g. ratio=0.7: max_side, n_keypoints, ratio, mutual, threshold, "
    "scale_factor, n_hypotheses or seed. May be repeated.",
)
@options.JOBS
@options.QUIET
@options.JSON
def benchmark_matching_command(
    folder: Path, detectors: tuple[str, ...], overrides: tuple[str, ...], jobs: int, quiet: bool, as_json: bool
) -> int:
    """Measure repeatability and matching accuracy of keypoint detectors on the scenes in FOLDER.

    A scene is a folder with img1.png to img6.png and H1to2p to H1to6p (Oxford), or 1.ppm to 6.ppm and H_1_2 to H_1_6
    (HPatches). Each homography maps points of the first image onto the other image.
    """
    from classicvision import workflows
    from classicvision.evaluation.detectors import DETECTORS
    from classicvision.evaluation.keypoint_benchmark import DEFAULT_DETECTORS
    from classicvision.evaluation.keypoints import MatchingProtocol
    from classicvision.report.keypoint_benchmark import matching_to_dict

    if unknown := [name for name in detectors if name not in DETECTORS]:
        raise click.UsageError(f"unknown --detector {unknown[0]!r}; choose from {', '.join(DETECTORS)}")
    protocol = options.change(MatchingProtocol(), overrides)
    with render.progress_bar(quiet) as progress:
        measured = workflows.benchmark_matching(
            folder, detectors=detectors or DEFAULT_DETECTORS, protocol=protocol, n_jobs=jobs, progress=progress
        )
    if as_json:
        render.print_json(matching_to_dict(measured))
    else:
        click.echo(_to_text(measured))
    return render.report_failures(measured.failures)


def _to_text(measured: MatchingBenchmark) -> str:
    from classicvision.evaluation.keypoints import HOMOGRAPHY_THRESHOLDS

    protocol = measured.protocol
    limits = "/".join(map(str, HOMOGRAPHY_THRESHOLDS))
    head = ("detector", "keypoints", "repeatability %", "matches", "correct", "matching score %", "precision %")
    rows: list[tuple[str, ...]] = [(*head, f"homography {limits} px %", "corner px")]
    rows += [_row(name, summary) for name, summary in measured.summaries.items()]
    n_scenes = len({(pair.scene, pair.a) for pair in measured.pairs})
    n_pairs = next(iter(measured.summaries.values())).n_pairs
    lines = [
        render.table(rows, right=range(1, len(rows[0]))),
        "",
        f"Means over {render.count(n_pairs, 'image pair')} of {render.count(n_scenes, 'scene')}; corner px is the "
        f"median corner error. {_describe_protocol(protocol)}",
    ]
    lines += [f"Skipped {name}: {reason}." for name, reason in measured.absent.items()]
    return "\n".join(lines)


def _row(name: str, found: MatchingSummary) -> tuple[str, ...]:
    corner = found.median_corner_error
    return (
        name,
        f"{found.n_keypoints:.0f}",
        f"{100 * found.repeatability:.1f}",
        f"{found.n_matches:.0f}",
        f"{found.n_right:.0f}",
        f"{100 * found.matching_score:.1f}",
        f"{100 * found.precision:.1f}",
        " / ".join(f"{100 * share:.0f}" for share in found.homographies),
        "-" if corner == float("inf") else f"{corner:.2f}",
    )


def _describe_protocol(protocol: MatchingProtocol) -> str:
    size = "original size" if protocol.max_side is None else f"images of at most {protocol.max_side} pixels"
    mutual = "mutual " if protocol.mutual else ""
    return (
        f"Protocol: {size}, {protocol.n_keypoints} strongest keypoints, {mutual}nearest neighbours with ratio "
        f"{protocol.ratio:g}, correct within {protocol.threshold:g} px and a scale "
        f"factor of {protocol.scale_factor:g}, {protocol.n_hypotheses} hypotheses, seed {protocol.seed}."
    )
