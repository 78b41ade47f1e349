"""``classicvision copies``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from classicvision.cli import FOUND, options, render

if TYPE_CHECKING:
    from classicvision.copies.findings import Finding, Findings
    from classicvision.copies.settings import SearchSettings

MAX_SHOWN = 20  # findings or groups shown as text; JSON, CSV and the page have more

EXAMPLES = """\b
Examples:
  classicvision copies images/
  classicvision copies queries/ --against library.cvindex --report copies.html
  classicvision copies new.jpg --against images/ --exit-code
  classicvision copies image.jpg --self
  classicvision copies images/ --backbone resnet18-v1 --backbone-calibration resnet18.json
"""


@click.command("copies", epilog=EXAMPLES, short_help="Find copies among images, completely or in part.")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="INDEX|FOLDER",
    help="Compare with these images instead of with each other; a folder is indexed first.",
)
@click.option("--self", "within", is_flag=True, help="Search each image for parts that were copied within it.")
@options.output_option(
    "--report", suffixes=(".html", ".htm"), required=False, text="Write an HTML page that shows all pairs side by side."
)
@options.output_option("--csv", suffixes=(".csv",), required=False, text="Write one CSV row per finding.")
@click.option(
    "--related",
    "shows_related",
    is_flag=True,
    help="Also list pairs that are not copies: the same layout with other content, or one scene photographed twice.",
)
@click.option(
    "--least-share",
    type=options.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Do not list copies that cover less than this share of both images, e.g. 0.1 for logos.",
)
@click.option("--exit-code", is_flag=True, help="Exit with code 11 if a copy was found.")
@click.option(
    "--false-match-rate",
    type=options.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="RATE",
    help="Share of unrelated pairs that may be called copies, e.g. 1e-6. Never loosens the threshold.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Calibration file for the rate: written by `classicvision calibrate` from images known to be unrelated.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting, e.g. n_candidates=500."
)
@options.fallback_options
@options.extraction_options
@options.JSON
def copies_command(
    images: tuple[Path, ...],
    against: Path | None,
    within: bool,
    report: Path | None,
    csv: Path | None,
    shows_related: bool,
    least_share: float,
    exit_code: bool,
    false_match_rate: float | None,
    calibration: Path | None,
    overrides: tuple[str, ...],
    fallback: options.Fallback,
    run: options.Run,
    as_json: bool,
) -> int:
    """Find the IMAGES that copy each other, or images elsewhere, completely or in part.

    IMAGES are files, and folders, searched at every depth. Crops, rotated, mirrored and rescaled copies, collages and
    screenshots are found, and the transform from image a to image b is described. Images with too few keypoints are
    compared as a whole: by a perceptual hash and, with --backbone, by the features of a network. No file is changed,
    moved or deleted.
    """
    from classicvision import workflows

    if within and (against or false_match_rate or calibration or overrides):
        raise click.UsageError("--self cannot be combined with --against, --false-match-rate, --calibration or --set")
    if within and fallback.backbone:
        raise click.UsageError("--self cannot be combined with --backbone: a network compares whole images, not parts")
    settings = _settings(overrides, false_match_rate, calibration, against)
    network = fallback.open(false_match_rate)
    with run.settings() as how:
        if within:
            findings = workflows.find_copies_within(images, **how)
        elif against:
            findings = workflows.find_copies(images, against, settings=settings, fallback=network, **how)
        else:
            findings = workflows.find_copies_among(images, settings=settings, fallback=network, **how)
    findings = findings.covering(least_share)
    _show(findings, as_json)
    if findings.related and not as_json:
        click.echo(_related(findings, shows_related))
    _write(findings, report, csv, run.quiet)
    code = render.report_failures(findings.failures)
    return FOUND if exit_code and findings.findings else code


def _settings(
    overrides: tuple[str, ...], false_match_rate: float | None, calibration: Path | None, against: Path | None
) -> SearchSettings:
    from classicvision import workflows
    from classicvision.copies.settings import SearchSettings

    settings = options.change(SearchSettings(), overrides)
    if false_match_rate is None:
        if calibration is not None:
            raise click.UsageError("--calibration is used with --false-match-rate; give the rate too")
        return settings
    return workflows.at_false_match_rate(settings, false_match_rate, calibration, against=against)


def _show(findings: Findings, as_json: bool) -> None:
    from classicvision.report.copies import copies_to_dict

    if as_json:
        render.print_json(copies_to_dict(findings))
        return
    click.echo(_to_text(findings))
    if findings.n_small:
        n = render.count(findings.n_small, "smaller copy", "smaller copies")
        click.echo(f"{n} not listed: less than --least-share of both images is covered.", err=True)
    if findings.undecided:
        n = render.count(len(findings.undecided), "undecided image")
        click.echo(f"{n}: too few keypoints. --json lists them.", err=True)
    for one in findings.incomplete[:MAX_SHOWN]:
        click.echo(f"{render.printable(one.path)}: more copies may exist: {one.reason}", err=True)
    if (n_more := len(findings.incomplete) - MAX_SHOWN) > 0:
        click.echo(f"... and {render.count(n_more, 'more image')} of which more copies may exist; see --json", err=True)


def _write(findings: Findings, report: Path | None, csv: Path | None, quiet: bool) -> None:
    """Write the files last: the result is printed even if the disk is full."""
    from classicvision.report.copies import write_copies_csv
    from classicvision.report.copies_page import write_copies

    if csv:
        write_copies_csv(csv, findings)
        click.echo(f"Wrote {render.printable(csv)}.", err=True)
    if report:
        with render.progress_bar(quiet) as progress:
            write_copies(report, findings, progress=partial(progress, "images") if progress else None)
        click.echo(f"Wrote {render.printable(report)}.", err=True)


def _to_text(findings: Findings) -> str:
    compared = _compared(findings)
    if not findings.findings:
        is_alone = findings.scope == "among" and findings.n_queries == 1
        hint = " Only one image given. Pass more, or use --against or --self." if is_alone else ""
        return f"No copies found. Compared {compared}.{hint}"
    seconds = f"in {findings.seconds:.1f} s"
    if findings.scope == "within":
        n_found = len(findings.findings)
        verb = "contains" if n_found == 1 else "contain"
        found = f"{render.count(n_found, 'image')} {verb} duplicated regions."
        return f"{_within(findings)}\n\n{found} Compared {compared}{',' if findings.n_queries > 1 else ''} {seconds}."
    parts = _pairs(findings) if findings.scope == "against" else _groups(findings)
    n = render.count(len(findings.findings), "copy", "copies")
    groups = render.count(len(findings.groups), "group")
    return f"{parts}\n\n{n} in {groups}. Compared {compared} {seconds}."


def _related(findings: Findings, shows_all: bool) -> str:
    """Return how many pairs are related, and the best of them if all are to be shown."""
    kinds = {
        "template": "the same layout with other content",
        "same scene": "one scene or printed thing photographed twice",
        "unverified": "keypoints agree in a part too small or too flat to compare its pixels",
    }
    counts = {kind: sum(kind in finding.labels for finding in findings.related) for kind in kinds}
    found = "; ".join(f"{kinds[kind]} ({render.count(n, 'pair')})" for kind, n in counts.items() if n)
    note = f"Related, but not copies: {found}."
    if not shows_all:
        return f"{note} --related lists them."
    rows = [("a", "b", "score", "relation")]
    rows += [(str(f.path_a), str(f.path_b), _score(f), ", ".join(f.labels)) for f in findings.related[:MAX_SHOWN]]
    n_more = len(findings.related) - MAX_SHOWN
    more = f"\n... and {render.count(n_more, 'more pair')}; see --json" if n_more > 0 else ""
    return f"\n{note}\n{render.table(rows, right=(2,))}{more}"


def _compared(findings: Findings) -> str:
    queries = render.count(findings.n_queries, "image")
    if findings.scope == "against":
        return f"{queries} with {render.count(findings.n_references, 'image')}"
    if findings.scope == "within":
        return f"{queries} with itself" if findings.n_queries == 1 else f"{queries}, each with itself"
    return queries


def _pairs(findings: Findings) -> str:
    rows = [("query (a)", "reference (b)", "score", "transform")]
    rows += [(str(f.path_a), str(f.path_b), _score(f), _words(f)) for f in findings.findings[:MAX_SHOWN]]
    return render.table(rows, right=(2,)) + _more(len(findings.findings), "finding")


def _within(findings: Findings) -> str:
    rows = [("image", "score", "regions")]
    rows += [(str(f.path_a), _score(f), _words(f)) for f in findings.findings[:MAX_SHOWN]]
    return render.table(rows, right=(1,)) + _more(len(findings.findings), "finding")


def _groups(findings: Findings) -> str:
    """Return the pairs of each group below its heading."""
    blocks = []
    for number, group in enumerate(findings.groups[:MAX_SHOWN], 1):
        pairs = [findings.findings[row] for row in group.rows[:MAX_SHOWN]]
        rows = [(f"  {f.path_a}", str(f.path_b), _score(f), _words(f)) for f in pairs]
        title = f"Group {number}: {render.count(len(group.paths), 'image')}"
        more = len(group.rows) - len(pairs)
        blocks.append(f"{title}\n{render.table(rows, right=(2,))}" + (f"\n  ... and {more} more pairs" if more else ""))
    return "\n".join(blocks) + _more(len(findings.groups), "group")


def _more(n: int, noun: str) -> str:
    n_more = n - MAX_SHOWN
    return f"\n... and {render.count(n_more, f'more {noun}')}; see --report, --csv or --json" if n_more > 0 else ""


def _score(finding: Finding) -> str:
    return "" if finding.result.is_equal else f"{finding.result.score:.1f}"


def _words(finding: Finding) -> str:
    from classicvision.report.copies import in_words

    return in_words(finding)
