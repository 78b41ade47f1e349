"""The command line. Each command parses its arguments, calls one workflow and renders the result.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 error, 2 usage error, 3 done but
some images could not be read, 11 copies found (only with --exit-code), 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from classicvision._version import __version__
from classicvision.errors import ClassicVisionError, ClassicVisionWarning

__all__ = ["main"]

DONE, ERROR, USAGE, SOME_FAILED, FOUND, INTERRUPTED = 0, 1, 2, 3, 11, 130

# A command `a-b` is the click command `a_b_command` in the module `a_b`.
COMMANDS = (
    "fit",
    "predict",
    "evaluate",
    "match",
    "copies",
    "index",
    "calibrate",
    "backbone",
    "benchmark",
    "benchmark-matching",
    "inspect",
    "show",
    "recipes",
    "doctor",
)


class _LazyGroup(click.Group):
    """A group that imports a command's module only when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), f"{module}_command")
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Get started: classicvision fit FOLDER -o MODEL.cvmodel, with one sub-folder of images per class.",
)
@click.version_option(__version__, prog_name="classicvision")
def cli() -> None:
    """Classical computer vision: SIFT, visual words, image classification, copy detection."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit the process with its exit code."""
    _prepare_streams()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # raise SystemExit, so that temporary files are removed
            signal.signal(getattr(signal, name), _terminate)
    sys.exit(_run(arguments))


def _prepare_streams() -> None:
    """Make sure that both output streams exist and can print any file name."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code; exceptions become messages only here."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", ClassicVisionWarning)
        warnings.showwarning = _show_warning
        try:
            code = cli.main(arguments, prog_name="classicvision", standalone_mode=False)
            sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            return _report("Interrupted. Repeat the command to resume, unless it had --no-cache.", INTERRUPTED)
        except BrokenPipeError:
            # The reader closed the pipe, as `head` does. Keep the interpreter from flushing into it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ERROR
        except ClassicVisionError as error:
            return _report(f"Error: {error}", ERROR)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            hint = "; check the path" if isinstance(error, FileNotFoundError) else ""
            return _report(f"Error: {place}{error.strerror or error}{hint}", ERROR)
        except MemoryError:
            return _report(
                "Error: out of memory. Try --jobs 1 or smaller images (--set extractor.max_side=320).", ERROR
            )
    return int(code or DONE)


def _report(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code


def _show_warning(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    click.echo(f"Warning: {message}", err=True)
