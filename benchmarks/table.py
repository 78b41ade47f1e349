"""Every speed benchmark in one document, Markdown and JSON, with the machine, its flags, versions and commit.

Each piece is one script with some options, run in a separate process. Its figures are written to the JSON file
immediately and replace those that the file had for the piece, so pieces can be measured a few at a time, and again. The
document contains every piece in the file: first the ratios and what is required of them, then the output of each
script.

    python benchmarks/table.py speed.json --markdown speed.md
    python benchmarks/table.py speed.json --only sift words-avx2
    python benchmarks/table.py speed.json --only --markdown speed.md      # measures nothing
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Report = dict[str, Any]
Rows = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Piece:
    """A script, its options, its environment variables, and how to summarise its figures."""

    title: str
    script: str
    summarise: Callable[[Report], Rows]
    repeats: int
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    column: int = 0  # of the summary: 0 for the best instruction set, 1 if limited to AVX2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, help="JSON file of figures, created if missing")
    parser.add_argument("--only", nargs="*", choices=PIECES, default=list(PIECES), help="measure only these pieces")
    parser.add_argument("--repeats", type=int, help="repetitions per measurement; by default set per piece")
    parser.add_argument("--markdown", type=Path, help="also write the document to this file")
    options = parser.parse_args()
    report: Report = json.loads(options.figures.read_text("utf-8")) if options.figures.exists() else {}
    for name in options.only:
        report[name] = measure(PIECES[name], options.repeats)
        options.figures.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    text = document({name: report[name] for name in PIECES if name in report})
    print(text)
    if options.markdown:
        options.markdown.write_text(text, "utf-8")


def measure(piece: Piece, repeats: int | None) -> Report:
    """Run a script; return its command, its output without the line about the machine, and its figures."""
    words = [f"{piece.script}.py", "--repeats", str(repeats or piece.repeats), *piece.options]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / words[0]), *words[1:], "--json", str(figures)]
        done = subprocess.run(command, env=os.environ | piece.environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
        found: Report = json.loads(figures.read_text("utf-8"))
    lines = [line for line in done.stdout.splitlines() if not line.startswith("cpu ")]
    return {
        "command": " ".join([*(f"{name}={value}" for name, value in piece.environment.items()), *words]),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "machine": found.pop("machine"),
        "printed": "\n".join(lines).strip(),
        "figures": found,
    }


def document(report: Report) -> str:
    """Return the Markdown document of the pieces that were measured."""
    if not report:
        return "Nothing was measured yet.\n"
    machine = next(iter(report.values()))["machine"]
    facts = "\n".join(f"- {name}: {_plain(machine[name])}" for name in FACTS if name in machine)
    rows = "\n".join(f"| {' | '.join(row)} |" for row in summary(report))
    head = "| ours against the peer | best instruction set | held to AVX2 | required |\n| --- | ---: | ---: | ---: |"
    chapters = "\n\n".join(chapter(name, found, machine) for name, found in report.items())
    return f"# Speed\n\n{facts}\n\n{head}\n{rows}\n\n{chapters}\n"


def summary(report: Report) -> Iterator[tuple[str, str, str, str]]:
    """Yield each comparison, our ratios with the best instruction set and limited to AVX2, and the required ones."""
    found: dict[str, list[str]] = {}
    for name, part in report.items():
        piece = PIECES[name]
        for what, value in piece.summarise(part["figures"]):
            found.setdefault(what, ["", ""])[piece.column] = value
    for what, values in found.items():
        yield what, *values, REQUIRED.get(what, "")


def chapter(name: str, found: Report, machine: Report) -> str:
    """Return the output of one piece, with its command and the machine facts that differ from the document's head."""
    other = [f"{fact}: {_plain(value)}" for fact, value in found["machine"].items() if machine.get(fact) != value]
    command = f"`{found['command']}`, {found['minutes']} minutes" + "".join(f"; {fact}" for fact in other)
    return f"## {PIECES[name].title}\n\n{command}\n\n{found['printed']}"


def of_sift(report: Report) -> Rows:
    for heap, rows in report["heaps"].items():
        for precision in rows[0]["ratio"]:
            ratios = [row["ratio"][precision] for row in rows]
            yield f"SIFT {precision}, OpenCV, {heap} heap, geometric mean of {len(rows)}", _times(ratios)
    peaks = report["peak_bytes"]
    for precision in sorted(peaks.keys() - {"opencv"}):
        yield f"SIFT {precision}, OpenCV, peak memory", f"1/{peaks['opencv'] / peaks[precision]:.1f}"


def of_dense(report: Report) -> Rows:
    for peer, name in (("vlfeat", "VLFeat flat"), ("opencv", "OpenCV grid")):
        ratios = [row["ratio"][peer] for row in report["speed"]]
        yield f"dense SIFT, {name}, geometric mean", f"{_times(ratios)} ({min(ratios):.0f} to {max(ratios):.0f})"


def of_match(report: Report) -> Rows:
    for kind, ratio in report["ratio"].items():
        yield f"two images compared, {kind}, OpenCV and MAGSAC", _times([ratio])


def of_words(report: Report) -> Rows:
    for row in report["search"]:
        times = row["milliseconds"]
        ours = {_from_bytes(name): times["faiss"] / ms for name, ms in times.items() if name.startswith("ours")}
        for name, ratio in ours.items():
            yield f"nearest of {row['n_words']} words{name}, faiss Flat", _times([ratio])
    ways = report.get("kmeans", {})
    for name in (name for name in ways if name.startswith("ours")):
        inertia = 100 * (ways[name]["inertia"] / ways["faiss"]["inertia"] - 1)
        ratio = _times([ways["faiss"]["seconds"] / ways[name]["seconds"]])
        yield f"k-means{_from_bytes(name)}, faiss", f"{ratio}, inertia {inertia:+.3f} %"


def of_backbones(report: Report) -> Rows:
    for row in report["networks"]:
        yield f"network {row['network']}, plain onnxruntime", _times([1 / row["ratio"]])
    for row in report.get("folder", []):
        one, two = row["seconds_after_start"]
        yield f"folder by {row['network']}, two workers, one worker", _times([one / two])


def of_folder(report: Report) -> Rows:
    for heap, rows in report["heaps"].items():
        for source in dict.fromkeys(row["source"] for row in rows):
            here = [row for row in rows if row["source"] == source]
            theirs = min(row["seconds"] for row in here if row["way"].startswith("OpenCV"))
            for row in here:
                if not row["way"].startswith("OpenCV"):
                    way = row["way"].removeprefix("classicvision, ")
                    what = f"folder {source} by {way}, {report['precision']}, OpenCV's best way, {heap} heap"
                    yield what, _times([theirs / row["seconds"]])


def of_fit(report: Report) -> Rows:
    ours, theirs = (report["rows"][name] for name in ("fit, cold", "everyday script"))
    yield "whole fit, cold, the everyday script", _times([theirs["seconds"] / ours["seconds"]])
    yield "whole fit, cold, processor time", _times([theirs["cpu_seconds"] / ours["cpu_seconds"]])
    yield "whole fit, cold, peak memory", f"1/{theirs['peak_mb'] / ours['peak_mb']:.1f}"


AVX2 = {"CLASSICVISION_ISA": "v3", "OMP_NUM_THREADS": "1"}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
FAISS_AVX2 = AVX2 | {"FAISS_SIMD_LEVEL": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
FACTS = ("cpu", "cpu_flags", "system", "instruction_set", "versions", "commit")

PIECES = {
    "sift": Piece("SIFT", "speed", of_sift, 3),
    "sift-avx2": Piece("SIFT, held to AVX2", "speed", of_sift, 3, (), AVX2, 1),
    "dense": Piece("Dense SIFT", "speed_dense", of_dense, 3),
    "dense-avx2": Piece("Dense SIFT, held to AVX2", "speed_dense", of_dense, 3, (), AVX2, 1),
    "words": Piece("Nearest words and k-means", "speed_words", of_words, 5, ("--seeds", "1"), ONE_THREAD),
    "words-avx2": Piece("The same, all held to AVX2", "speed_words", of_words, 5, ("--seeds", "1"), FAISS_AVX2, 1),
    "match": Piece("Two images compared", "speed_match", of_match, 5, (), ONE_THREAD),
    "match-avx2": Piece("Two images compared, held to AVX2", "speed_match", of_match, 5, (), AVX2, 1),
    "folder": Piece("A folder on two cores", "throughput", of_folder, 1, ("--precision", "exact")),
    "folder-fast": Piece("A folder on two cores, fast", "throughput", of_folder, 1, ("--precision", "fast")),
    "networks": Piece("Networks", "speed_backbones", of_backbones, 51, (), ONE_THREAD),
    "fit": Piece("A whole fit", "fit", of_fit, 1, ("--no-accuracy",)),
}

# The required ratios, with the best instruction set / limited to AVX2.
REQUIRED = {
    "SIFT exact, OpenCV, warm heap, geometric mean of 11": "4 / 3.3",
    "SIFT fast, OpenCV, warm heap, geometric mean of 11": "7 / 5",
    "SIFT exact, OpenCV, peak memory": "1/3",
    "dense SIFT, VLFeat flat, geometric mean": "25",
    "dense SIFT, OpenCV grid, geometric mean": "80",
    "nearest of 1000 words, faiss Flat": "5",
    "nearest of 4096 words, faiss Flat": "5",
    "k-means, faiss": "2.5, inertia within 0.1 %",
    "folder in memory by threads, exact, OpenCV's best way, warm heap": "4.5",
    "whole fit, cold, the everyday script": "5",
}


def _times(ratios: list[float]) -> str:
    """Return the geometric mean."""
    return f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}"


def _from_bytes(name: str) -> str:
    return name.removeprefix("ours").removeprefix(",")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    main()
