"""The JSON file of a calibration, of keypoints or of a network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from classicvision import config
from classicvision.copies.calibration_pairs import WorstPair
from classicvision.errors import SettingsError
from classicvision.extraction import Failure
from classicvision.files import PathLike, write_atomically

__all__ = ["FORMAT_VERSION", "common_facts", "read_calibrated", "write_calibration"]

FORMAT_VERSION: Final = 1

T = TypeVar("T")


class SupportsToDict(Protocol):
    """A calibration run, of keypoints or of a network."""

    def to_dict(self) -> dict[str, Any]: ...


def write_calibration(path: PathLike, run: SupportsToDict) -> None:
    """Write a calibration run, of keypoints or of a network, to a small JSON file, completely or not at all."""
    write_atomically(Path(path), [(json.dumps(run.to_dict(), indent=2) + "\n").encode()])


def read_calibrated(path: PathLike, type_: type[T], kind: str, name: str, remedy: str) -> T:
    """Read the calibration, of the type `type_`, from a file that `write_calibration` wrote.

    Raises
    ------
    SettingsError
        If the file is not of that kind; the message uses `name` for what was expected, and ends with the remedy.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not a {name} ({error}); {remedy}") from error
    if not isinstance(data, dict) or data.get("kind") != kind or data.get("format_version") != FORMAT_VERSION:
        raise SettingsError(f"{path} is not a {name} of this release; {remedy}")
    return config.from_dict(type_, data.get("calibration", {}), where="calibration")


def common_facts(
    n_undecided: int, worst: Iterable[WorstPair], failures: Iterable[Failure], *, score: str = "score"
) -> dict[str, Any]:
    """Return the entries that every calibration file has, as plain values; `score` is the key of a pair's score."""
    return {
        "n_undecided": n_undecided,
        "worst": [{"a": str(pair.path_a), "b": str(pair.path_b), score: pair.score} for pair in worst],
        "failures": [{"path": str(failure.path), "reason": failure.reason} for failure in failures],
    }
