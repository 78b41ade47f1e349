"""Memory against the number of images: extract thousands of files and read all items, or run a `fit`.

The files are the images of Scene-15, repeated with new names and new content (a number after the end of the JPEG), so
that each is decoded, extracted and cached. Every count runs in a separate process with a separate cache.

    python benchmarks/many_images.py --counts 1000 10000
    python benchmarks/many_images.py --counts 1000 10000 --command fit
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measure
import protocol

from classicvision import FeatureCache, Sift, extract, find_images, workflows

MEGABYTE = 1e6


def extract_and_read(images: Path, cache: Path, jobs: int) -> dict[str, float]:
    """Extract SIFT from all images of a folder, then read every item once."""
    result = extract(find_images([images]), Sift(engine="opencv"), cache=FeatureCache(cache), n_jobs=jobs)
    keypoints = sum(len(item) for item in result.items)
    return {"failures": len(result.failures), "keypoints": keypoints, "seconds": result.seconds}


def fit(images: Path, cache: Path, jobs: int) -> dict[str, float]:
    """Fit the default recipe. Its accuracy would be meaningless: images repeat across the folds."""
    start = time.monotonic()
    fitted = workflows.fit(images, cache=FeatureCache(cache), n_jobs=jobs)
    return {"failures": len(fitted.failures), "seconds": time.monotonic() - start}


# The commands to measure: each takes a folder of images and an empty cache, and returns figures to report.
COMMANDS: dict[str, Callable[[Path, Path, int], dict[str, float]]] = {"extract": extract_and_read, "fit": fit}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000], help="numbers of images")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--command", choices=COMMANDS, default="extract")
    parser.add_argument("--json", type=Path, help="also write the result here")
    parser.add_argument("--run-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_in:
        print(json.dumps(run_here(options.command, options.run_in, options.jobs)))
        return
    rows = [run_apart(options.command, count, options.jobs) for count in options.counts]
    print(f"\n{options.command}, {options.jobs} workers; {protocol.versions_line()}\n")
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def run_apart(command: str, count: int, jobs: int) -> dict[str, float]:
    """Make the images and run the command in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        repeat_images(Path(folder) / "images", count)
        run = measure.run(
            [sys.executable, __file__, "--command", command, "--run-in", folder, "--jobs", str(jobs)],
        )
    return {"images": count, "peak_all_mb": run.peak_bytes / MEGABYTE, **json.loads(run.output)}


def run_here(command: str, folder: Path, jobs: int) -> dict[str, float]:
    """Run the command and add the peak memory of this process and of its largest worker."""
    figures = COMMANDS[command](folder / "images", folder / "cache", jobs)
    entries, n_bytes = FeatureCache(folder / "cache").size()
    return {
        **figures,
        "peak_main_mb": peak_memory(resource.RUSAGE_SELF),
        "peak_worker_mb": peak_memory(resource.RUSAGE_CHILDREN),
        "entries": entries,
        "store_mb": n_bytes / MEGABYTE,
    }


def peak_memory(who: int) -> float:
    """Return the peak resident set size in MB; of children, that of the largest."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / MEGABYTE


def repeat_images(folder: Path, count: int) -> None:
    """Fill a folder with images that differ in name and bytes, each in the folder of its class."""
    folder.mkdir()
    # Sorted by file name first, so that the first few cover all classes.
    sources = sorted((protocol.shared_data() / "scene15").glob("*/*.jpg"), key=lambda path: (path.name, path.parent))
    for number, source in zip(range(count), itertools.cycle(sources), strict=False):
        # Decoders stop at the end-of-image marker, so these bytes change the content but not the pixels.
        copy = folder / source.parent.name / f"{number:07}.jpg"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(source.read_bytes() + f"copy {number}".encode())


def print_table(rows: list[dict[str, float]]) -> None:
    print("| images | images/s | peak MB, all | main | largest worker | cache MB | entries | failures |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['images']} | {row['images'] / row['seconds']:.1f} | {row['peak_all_mb']:.0f} "
            f"| {row['peak_main_mb']:.0f} | {row['peak_worker_mb']:.0f} | {row['store_mb']:.0f} "
            f"| {row['entries']} | {row['failures']} |"
        )


if __name__ == "__main__":
    main()
