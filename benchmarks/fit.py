"""A whole `fit` of one Scene-15 split compared with the usual everyday script: accuracy, wall time, peak memory.

Both train on the same 1,500 images and are tested on the rest, interleaved in one run; a warm `fit` uses the cache of
the cold one.

    python benchmarks/fit.py --repeats 3
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import machine
import measure
import protocol

from classicvision import ImageFolder

PEER = Path(__file__).parent / "peers" / "everyday_script.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--recipe", default="sift-bovw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-accuracy", action="store_true", help="measure only time and memory, in half the time")
    protocol.add_common_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        split = Split.link(Path(folder), options.seed)
        result = compare(split, options.recipe, options.repeats, options.jobs)
        if not options.no_accuracy:
            add_accuracy(result, split)
    print(f"\nfit of one Scene-15 split, {options.jobs} workers, medians of {options.repeats}")
    print(f"{protocol.versions_line()}\n")
    print("| | wall s | CPU s | peak MB | mean per-class accuracy % |\n| --- | ---: | ---: | ---: | ---: |")
    for name, row in result.items():
        accuracy = f"{100 * row['accuracy']:.2f}" if "accuracy" in row else ""
        print(f"| {name} | {row['seconds']:.2f} | {row['cpu_seconds']:.2f} | {row['peak_mb']:.0f} | {accuracy} |")
    for kind in ("seconds", "cpu_seconds"):
        cold, warm, peer = (result[name][kind] for name in ("fit, cold", "fit, warm", "everyday script"))
        print(f"\n{kind}: cold / warm = {cold / warm:.2f}; everyday script / cold fit = {peer / cold:.2f}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine.describe(), "rows": result}, indent=2) + "\n")


@dataclass(frozen=True)
class Split:
    """One split as folders of links and as lists of paths, for training and testing, and a working folder."""

    work: Path
    folders: tuple[Path, Path]
    lists: tuple[Path, Path]

    @classmethod
    def link(cls, work: Path, seed: int) -> Split:
        """Draw a split and write its lists and links into a folder."""
        images = ImageFolder.open(protocol.shared_data() / "scene15")
        parts = [[images.paths[row] for row in rows] for rows in protocol.split_rows(images.labels, 100, seed)]
        names = ("train", "test")
        folders, lists = (
            tuple(make(work / f"{name}{ending}", paths) for name, paths in zip(names, parts, strict=True))
            for make, ending in ((_link, ""), (_write_list, ".txt"))
        )
        return cls(work, folders, lists)

    @property
    def model(self) -> Path:
        """Return where the model is written."""
        return self.work / "scene15.cvmodel"


def compare(split: Split, recipe: str, repeats: int, jobs: int) -> dict[str, dict[str, float]]:
    """Return median times and peak memory of each training method."""
    cache, nothing = split.work / "cache", _write_list(split.work / "nothing.txt", [])
    fit = [sys.executable, "-m", "classicvision", "fit", split.folders[0], "-o", split.model, "--recipe", recipe, "-q"]
    fit += ["--cache", cache, "--jobs", str(jobs)]
    runs: dict[str, list[measure.Run]] = {"fit, cold": [], "fit, warm": [], "everyday script": []}
    for _ in range(repeats):
        shutil.rmtree(cache, ignore_errors=True)
        runs["fit, cold"].append(measure.run(fit))
        runs["fit, warm"].append(measure.run(fit))
        runs["everyday script"].append(measure.run([sys.executable, PEER, split.lists[0], nothing]))
    return {
        name: {
            "seconds": statistics.median(run.seconds for run in found),
            "cpu_seconds": statistics.median(run.cpu_seconds for run in found),
            "peak_mb": max(run.peak_bytes for run in found) / 1e6,
        }
        for name, found in runs.items()
    }


def add_accuracy(result: dict[str, dict[str, float]], split: Split) -> None:
    """Add the mean per-class accuracy of the last model and of the script on the test images."""
    evaluate = [sys.executable, "-m", "classicvision", "evaluate", split.model, split.folders[1]]
    evaluate += ["--json", "-q", "--no-cache"]
    result["fit, cold"]["accuracy"] = json.loads(measure.run(evaluate).output)["mean_per_class_accuracy"]
    peer = measure.run([sys.executable, PEER, *split.lists]).output
    result["everyday script"]["accuracy"] = float(peer.split()[-1])


def _write_list(path: Path, images: Sequence[Path]) -> Path:
    path.write_text("".join(f"{image}\n" for image in images))
    return path


def _link(folder: Path, images: Sequence[Path]) -> Path:
    """Make a folder of classes whose images are links to the real ones."""
    for image in images:
        link = folder / image.parent.name / image.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(image.resolve())
    return folder


if __name__ == "__main__":
    main()
