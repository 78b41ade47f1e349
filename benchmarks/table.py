"""Every speed benchmark of this folder in one document, Markdown and JSON, with the machine, versions and commit.

Each script runs as it does by itself, one after the other: all whose names begin with `speed`, then `throughput.py` and
`fit.py`. What one of them prints is a chapter; the first table has the ratios of those that are known here.

    python benchmarks/table.py --markdown speed.md --json speed.json
    python benchmarks/table.py --only speed speed_words
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine

HERE = Path(__file__).parent
WHOLE_PROGRAMS = ("throughput", "fit")  # two cores; the others measure one thread
Report = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=scripts(), default=scripts(), help="run these alone")
    parser.add_argument("--repeats", type=int, help="of each measurement; by default what each script takes")
    parser.add_argument("--markdown", type=Path, help="also write the document here")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    options = parser.parse_args()
    chapters = {name: run(name, options.repeats) for name in options.only}
    report = {"machine": machine.describe(), "parts": {name: figures for name, (_, figures) in chapters.items()}}
    text = document(report, {name: printed for name, (printed, _) in chapters.items()})
    print(text)
    if options.markdown:
        options.markdown.write_text(text, "utf-8")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def scripts() -> list[str]:
    return [*sorted(path.stem for path in HERE.glob("speed*.py")), *WHOLE_PROGRAMS]


def run(name: str, repeats: int | None) -> tuple[str, Report]:
    """Return what a script prints, without its line about the machine, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(figures)]
        command += ["--repeats", str(repeats)] if repeats else []
        one_thread = {} if name in WHOLE_PROGRAMS else {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=os.environ | one_thread, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{name}.py ended with {done.returncode}")
        report: Report = json.loads(figures.read_text("utf-8"))
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("cpu ")).strip(), report


def document(report: Report, printed: dict[str, str]) -> str:
    """Return the Markdown document."""
    facts = "\n".join(f"- {name}: {_plain(value)}" for name, value in report["machine"].items())
    rows = "\n".join(f"| {what} | {ratio:.2f} |" for what, ratio in summary(report["parts"]))
    chapters = "\n\n".join(f"## {title(name)}\n\n{text}" for name, text in printed.items())
    return f"# Speed\n\n{facts}\n\n| ours against the peer | times |\n| --- | ---: |\n{rows}\n\n{chapters}\n"


def title(name: str) -> str:
    """Return the first sentence of a script's description."""
    return (ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text("utf-8"))) or name).split(".\n")[0]


def summary(parts: dict[str, Report]) -> Iterator[tuple[str, float]]:
    """Yield what each known part comes to: how many times faster, or smaller, than the peer."""
    for name, summarise in SUMMARIES.items():
        if name in parts:
            yield from summarise(parts[name])


def of_sift(report: Report) -> Iterator[tuple[str, float]]:
    for heap, rows in report["heaps"].items():
        for precision in rows[0]["ratio"]:
            ratios = [row["ratio"][precision] for row in rows]
            yield f"SIFT, {precision}, OpenCV, {heap} heap, geometric mean", geometric_mean(ratios)
    peaks = report["peak_bytes"]
    for precision in sorted(peaks.keys() - {"opencv"}):
        yield f"SIFT, {precision}, peak memory, OpenCV", peaks["opencv"] / peaks[precision]


def of_dense(report: Report) -> Iterator[tuple[str, float]]:
    for peer in ("vlfeat", "opencv"):
        yield f"dense SIFT, {peer}, geometric mean", geometric_mean([row["ratio"][peer] for row in report["speed"]])


def of_match(report: Report) -> Iterator[tuple[str, float]]:
    for kind, ratio in report["ratio"].items():
        yield f"matching, {kind}, OpenCV, geometric mean", ratio


def of_words(report: Report) -> Iterator[tuple[str, float]]:
    for row in report["search"]:
        times = row["milliseconds"]
        for ours in (name for name in times if name.startswith("ours")):
            yield f"nearest of {row['n_words']} words, {ours}, faiss Flat", times["faiss"] / times[ours]
    if "kmeans" in report:
        rows = report["kmeans"]
        for ours in (name for name in rows if name.startswith("ours")):
            yield f"k-means, {ours}, faiss", rows["faiss"]["seconds"] / rows[ours]["seconds"]


def of_throughput(report: Report) -> Iterator[tuple[str, float]]:
    for heap, rows in report["heaps"].items():
        for source in dict.fromkeys(row["source"] for row in rows):
            seconds = {row["way"]: row["seconds"] for row in rows if row["source"] == source}
            theirs = min(time for way, time in seconds.items() if way.startswith("OpenCV"))
            for way in seconds:
                if not way.startswith("OpenCV"):
                    yield f"folder, {source}, {way}, OpenCV's best way, {heap} heap", theirs / seconds[way]


def of_fit(report: Report) -> Iterator[tuple[str, float]]:
    rows = report["rows"]
    for kind in ("seconds", "cpu_seconds"):
        yield f"fit, cold, everyday script, {kind}", rows["everyday script"][kind] / rows["fit, cold"][kind]


SUMMARIES: dict[str, Callable[[Report], Iterator[tuple[str, float]]]] = {
    "speed": of_sift,
    "speed_dense": of_dense,
    "speed_match": of_match,
    "speed_words": of_words,
    "throughput": of_throughput,
    "fit": of_fit,
}


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    main()
