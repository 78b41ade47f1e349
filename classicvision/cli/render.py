"""Output of the commands: tables, JSON, lists of failures, and the progress bar."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from classicvision.extraction import Failure
    from classicvision.workflows import Progress

MAX_LISTED = 20  # failures shown as text; JSON lists every one


def print_json(data: Any) -> None:
    """Print one JSON document in ASCII, which any terminal and pipe passes unchanged."""
    click.echo(json.dumps(data, indent=2, allow_nan=False))


def printable(text: object) -> str:
    """Return text with control characters escaped: file names may contain them, and terminals execute them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in str(text))


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows of text in aligned columns; columns in `right` are aligned to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def percent(share: float) -> str:
    """Return 0.987 as ``98.7 %``."""
    return f"{100 * share:.1f} %"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 image`` or ``3 images``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def file_size(n_bytes: int) -> str:
    """Return ``24 kB`` or ``1.2 MB``."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1_000_000 else f"{n_bytes / 1e3:.0f} kB"


def failures_to_dicts(failures: Sequence[Failure]) -> list[dict[str, str]]:
    """Return failures as dicts for JSON."""
    return [{"path": str(failure.path), "reason": failure.reason} for failure in failures]


def report_failures(failures: Sequence[Failure], *, n_kept: int = 0) -> int:
    """List skipped images on standard error and return the exit code.

    `n_kept` of them remain in an index as they were.
    """
    from classicvision.cli import DONE, SOME_FAILED

    if not failures:
        return DONE
    click.echo(f"Skipped {count(len(failures), 'unreadable image')}:", err=True)
    for failure in failures[:MAX_LISTED]:
        click.echo(f"  {printable(failure.path)}: {printable(failure.reason)}", err=True)
    if len(failures) > MAX_LISTED:
        click.echo(f"  ... and {len(failures) - MAX_LISTED} more; --json lists all", err=True)
    if n_kept:
        click.echo(f"The index keeps its entries for {n_kept} of them; `index remove` removes images.", err=True)
    return SOME_FAILED


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """Yield a function that draws one bar per stage, with rate and time left; None if stderr is not a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()


class _Bars:
    """One bar after another on standard error."""

    def __init__(self) -> None:
        self._bar: ProgressBar[int] | None = None
        self._stage = ""
        self._start = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._start = stage, time.monotonic()
            self._bar = click.progressbar(
                length=total, label=f"{stage:8}", file=sys.stderr, show_pos=True, item_show_func=self._rate
            )
            self._bar.__enter__()
        if self._bar is not None:
            self._bar.update(done - self._bar.pos, done)

    def _rate(self, done: int | None) -> str:
        seconds = time.monotonic() - self._start
        return f"{done / seconds:.1f}/s" if done and seconds > 0 else ""

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._bar = None
