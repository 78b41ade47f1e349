"""A whole `fit` of one Scene-15 split beside the script that everybody writes: accuracy, wall time, peak memory.

Both see the same 1,500 images and are tested on the same rest, interleaved in one run; a warm `fit` is one that finds
the cache of the cold one.

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
    protocol.add_common_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Path(folder), options.recipe, options.seed, options.repeats, options.jobs)
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


def compare(work: Path, recipe: str, seed: int, repeats: int, jobs: int) -> dict[str, dict[str, float]]:
    images = ImageFolder.open(protocol.shared_data() / "scene15")
    train, test = ([images.paths[row] for row in rows] for rows in protocol.split_rows(images.labels, 100, seed))
    lists = [_write_list(work / f"{name}.txt", paths) for name, paths in (("train", train), ("test", test))]
    nothing = _write_list(work / "nothing.txt", [])
    folders = [_link(work / name, paths) for name, paths in (("train", train), ("test", test))]
    model, cache = work / "scene15.cvmodel", work / "cache"
    fit = [sys.executable, "-m", "classicvision", "fit", folders[0], "-o", model, "--recipe", recipe, "-q"]
    fit += ["--cache", cache, "--jobs", str(jobs)]
    runs: dict[str, list[measure.Run]] = {"fit, cold": [], "fit, warm": [], "everyday script": []}
    for _ in range(repeats):
        shutil.rmtree(cache, ignore_errors=True)
        runs["fit, cold"].append(measure.run(fit))
        runs["fit, warm"].append(measure.run(fit))
        runs["everyday script"].append(measure.run([sys.executable, PEER, lists[0], nothing]))
    result = {
        name: {
            "seconds": statistics.median(run.seconds for run in found),
            "cpu_seconds": statistics.median(run.cpu_seconds for run in found),
            "peak_mb": max(run.peak_bytes for run in found) / 1e6,
        }
        for name, found in runs.items()
    }
    evaluate = [sys.executable, "-m", "classicvision", "evaluate", model, folders[1], "--json", "-q", "--no-cache"]
    result["fit, cold"]["accuracy"] = json.loads(measure.run(evaluate).output)["mean_per_class_accuracy"]
    peer = measure.run([sys.executable, PEER, *lists]).output
    result["everyday script"]["accuracy"] = float(peer.split()[-1])
    return result


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
