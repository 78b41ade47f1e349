"""``classicvision index``: the commands that build and maintain an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import DONE, ERROR, options, render

if TYPE_CHECKING:
    from classicvision.index.changes import IndexChange

EXAMPLES = """\b
Examples:
  classicvision index build library/ -o library.cvindex
  classicvision index add library.cvindex more/
  classicvision index update library.cvindex
  classicvision index info library.cvindex
"""

INDEX = click.argument("index", type=click.Path(path_type=Path))


@click.group("index", epilog=EXAMPLES, short_help="Build and maintain an index of images for copy search.")
def index_command() -> None:
    """Build and maintain an index of a library of images, in which copies are found quickly.

    To search an index, use `classicvision copies IMAGES --against INDEX`. An index is a folder. No command changes,
    moves or deletes an image. While one process writes to an index, others can search it.
    """


@index_command.command("build", short_help="Build an index of a library.")
@click.argument("library", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The folder of the new index."
)
@click.option(
    "--vocabulary",
    type=click.Path(path_type=Path, exists=True),
    metavar="INDEX|FILE.cvwords",
    help="Use the visual words of another index; by default they are learned from the library.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting, e.g. extractor.max_features=500 or n_words=50000. May be repeated.",
)
@options.extraction_options
@options.JSON
def build_command(
    library: tuple[Path, ...],
    output: Path,
    vocabulary: Path | None,
    overrides: tuple[str, ...],
    run: options.Run,
    as_json: bool,
) -> int:
    """Build an index of the images in LIBRARY: folders, searched at every depth, and files."""
    from classicvision import workflows
    from classicvision.index.settings import IndexSettings

    if not output.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder {output.absolute().parent} does not exist; create it first")
    settings = options.change(IndexSettings(), overrides)
    with run.settings() as how:
        change = workflows.build_index(library, output, settings=settings, vocabulary=vocabulary, **how)
    return _report(change, output, as_json)


@index_command.command("add", short_help="Add images.")
@INDEX
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.extraction_options
@options.JSON
def add_command(index: Path, paths: tuple[Path, ...], run: options.Run, as_json: bool) -> int:
    """Add the images in PATHS, files and folders, to INDEX. Images that it already has are skipped."""
    from classicvision import workflows

    with run.settings() as how:
        change = workflows.add_to_index(index, paths, **how)
    return _report(change, index, as_json)


@index_command.command("update", short_help="Bring an index up to date with its library.")
@INDEX
@click.argument("library", nargs=-1, type=click.Path(path_type=Path))
@options.extraction_options
@options.JSON
def update_command(index: Path, library: tuple[Path, ...], run: options.Run, as_json: bool) -> int:
    """Add new images of LIBRARY to INDEX, replace changed ones, and remove those whose files no longer exist.

    LIBRARY defaults to what the index was built from. Files whose size and time are unchanged are not read.
    """
    from classicvision import workflows

    with run.settings() as how:
        change = workflows.update_index(index, library or None, **how)
    return _report(change, index, as_json)


@index_command.command("remove", short_help="Remove images from an index.")
@INDEX
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.JSON
def remove_command(index: Path, paths: tuple[Path, ...], as_json: bool) -> int:
    """Remove the images in PATHS, files and folders, from INDEX. The files themselves are not changed."""
    from classicvision import workflows

    return _report(workflows.remove_from_index(index, paths), index, as_json)


@index_command.command("info", short_help="Show what an index contains.")
@INDEX
@options.JSON
def info_command(index: Path, as_json: bool) -> int:
    """Show the images, words, sizes and settings of INDEX."""
    from classicvision import workflows

    facts = workflows.index_info(index)
    if as_json:
        render.print_json(facts)
    else:
        click.echo(_facts_to_text(facts))
    return 0


@index_command.command("verify", short_help="Check an index for damage.")
@INDEX
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@options.JSON
def verify_command(index: Path, quiet: bool, as_json: bool) -> int:
    """Read every byte of INDEX and compare it with its checksums. The exit code is 1 if something is damaged."""
    from classicvision import workflows

    with render.progress_bar(quiet) as progress:
        damage = workflows.verify_index(index, progress=progress)
    if as_json:
        render.print_json({"index": str(index), "damage": [{"path": str(d.path), "reason": d.reason} for d in damage]})
    else:
        lines = [f"{render.printable(d.path)}: {render.printable(d.reason)}" for d in damage]
        click.echo("\n".join([*lines, "Build the index again."] if damage else ["The index is intact."]))
    return ERROR if damage else DONE


def _report(change: IndexChange, index: Path, as_json: bool) -> int:
    if as_json:
        render.print_json(_change_to_dict(change, index))
    else:
        parts = [
            f"{n} {what}"
            for n, what in (
                (change.n_added, "added"),
                (change.n_replaced, "replaced"),
                (change.n_removed, "removed"),
                (change.n_unchanged, "unchanged"),
            )
            if n
        ]
        done, now = ", ".join(parts) or "nothing changed", render.count(change.n_images, "image")
        click.echo(f"{render.printable(index)}: {done}; {now} now.")
        if change.relearned:
            click.echo(f"The index has grown, so its words were learned again: {change.n_words}.")
    return render.report_failures(change.failures, n_kept=change.n_kept)


def _change_to_dict(change: IndexChange, index: Path) -> dict[str, Any]:
    return {
        "index": str(index),
        "n_added": change.n_added,
        "n_replaced": change.n_replaced,
        "n_removed": change.n_removed,
        "n_unchanged": change.n_unchanged,
        "n_images": change.n_images,
        "n_words": change.n_words,
        "relearned": change.relearned,
        "failures": render.failures_to_dicts(change.failures),
        "n_kept": change.n_kept,
    }


def _facts_to_text(facts: dict[str, Any]) -> str:
    import tomli_w

    n_images = facts["n_images"]
    lines = [
        f"{render.printable(facts['folder'])}: {render.count(n_images, 'image')} of {render.printable(facts['root'])}, "
        f"{facts['n_without_keypoints']} without keypoints",
        f"{facts['n_keypoints']} keypoints, {facts['n_words']} words, {render.count(facts['n_segments'], 'segment')}, "
        f"{render.count(facts['n_removed'], 'removed image')} still on disk",
        f"{render.file_size(facts['bytes'])}, {render.file_size(facts['bytes_per_image'])} per image: "
        + ", ".join(f"{kind} {render.file_size(n)}" for kind, n in facts["bytes_of"].items()),
    ]
    return "\n".join([*lines, "", tomli_w.dumps(facts["settings"]).strip()])
