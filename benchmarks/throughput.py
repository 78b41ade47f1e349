"""SIFT over a folder of images on two cores, compared with the ways to parallelise OpenCV.

Wall and processor time of a whole folder, after workers have started and done one image each; only `extract` includes
starting its workers, hashing the files and writing a cache. "In memory" gives every method the same grey images; "from
files" includes reading and decoding them. OpenCV runs in worker processes with one thread each, in threads of one
process, and in sequence with OpenCV's own threads; the best of them is the peer. Each run is a separate process, with a
heap that keeps its pages and with the default one; peak memory is that of the whole process tree.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --repeats 1 --folder images/ --json throughput.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import machine
import measure
import numpy as np
import protocol
import psutil
from numpy.typing import NDArray

from classicvision import FeatureCache, Sift, extract, find_images
from classicvision.images import read_image, to_gray

ImageSource = Path | NDArray[np.uint8]
Finder = Callable[[ImageSource], int]

SOURCES = ("in memory", "from files")
PEERS = ("OpenCV, processes", "OpenCV, threads", "OpenCV, own threads")
OURS = ("classicvision, threads", "classicvision, extract")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of images; by default BSDS500's training set")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions per method (default %(default)s)")
    parser.add_argument("--precision", help="precision of our SIFT: exact or fast")
    parser.add_argument("--part", nargs=2, metavar=("WAY", "SOURCE"), help=argparse.SUPPRESS)
    protocol.add_common_options(parser)
    options = parser.parse_args()
    options.folder = options.folder or protocol.shared_data() / "bsds500" / "train"
    if options.part:
        print(json.dumps(run_here(*options.part, options)))
        return
    precision = options.precision or Sift().precision
    report = {"machine": machine.describe(), "jobs": options.jobs, "precision": precision, "heaps": {}}
    for heap, environment in heaps().items():
        report["heaps"][heap] = rows = compare(environment, options)
        print_table(heap, rows)
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def heaps() -> dict[str, dict[str, str]]:
    from speed import HEAPS  # imports scikit-image, which must not count as memory of a method

    return HEAPS


def compare(environment: dict[str, str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the median seconds and the peak memory of each method and source."""
    tasks = [(way, source) for source in SOURCES for way in (*PEERS, *OURS) if (way, source) != (OURS[1], SOURCES[0])]
    found: dict[tuple[str, str], list[dict[str, float]]] = {task: [] for task in tasks}
    os.environ.update(environment)
    for _ in range(options.repeats):
        for task in tasks:
            command = [sys.executable, __file__, "--folder", options.folder, "--jobs", str(options.jobs)]
            command += ["--precision", options.precision] if options.precision else []
            run = measure.run([*command, "--part", *task])
            found[task].append(json.loads(run.output) | {"peak_mb": run.peak_bytes / 1e6})
    for name in environment:
        del os.environ[name]
    return [
        {"way": way, "source": source, **{name: statistics.median(run[name] for run in runs) for name in runs[0]}}
        for (way, source), runs in found.items()
    ]


def run_here(way: str, source: str, options: argparse.Namespace) -> dict[str, float]:
    paths = find_images([options.folder])
    settings = Sift(**({"precision": options.precision} if options.precision else {}))
    if way == OURS[1]:
        with tempfile.TemporaryDirectory() as folder:
            return timed(lambda: extract_all(paths, settings, Path(folder), options.jobs))
    cv2.setNumThreads(
        options.jobs if way == PEERS[2] else 1
    )  # before anything else: OpenCV's threads do not survive a fork
    images: Sequence[ImageSource] = paths if source == SOURCES[1] else [to_gray(read_image(path)) for path in paths]
    finder = our_finder(settings) if way in OURS else opencv_finder(settings)
    if way == PEERS[0]:
        return with_processes(finder, images, options.jobs)
    with ThreadPoolExecutor(1 if way == PEERS[2] else options.jobs) as pool:
        list(pool.map(finder, images[: options.jobs]))
        return timed(lambda: sum(pool.map(finder, images)))


def extract_all(paths: Sequence[Path], settings: Sift, folder: Path, n_jobs: int) -> int:
    """Extract into a cache and return the number of keypoints; counting them is part of the time."""
    return sum(map(len, extract(paths, settings, cache=FeatureCache(folder), n_jobs=n_jobs).items))


def our_finder(settings: Sift) -> Finder:
    return lambda image: len(settings(read_image(image) if isinstance(image, Path) else image))


def opencv_finder(settings: Sift) -> Finder:
    """Return OpenCV's SIFT with the same settings, one object per thread."""
    own = threading.local()

    def find(image: ImageSource) -> int:
        if not hasattr(own, "sift"):
            own.sift = cv2.SIFT_create(
                0, settings.n_layers, settings.contrast, settings.edge_ratio, settings.sigma, cv2.CV_8U, True
            )
        if isinstance(image, Path):
            image = cv2.imdecode(np.frombuffer(image.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        return len(own.sift.detectAndCompute(image, None)[0])

    return find


_found_by: Finder
_images: Sequence[ImageSource]


def with_processes(finder: Finder, images: Sequence[ImageSource], n_jobs: int) -> dict[str, float]:
    """Time worker processes, which inherit the images and return only the number of keypoints."""
    global _found_by, _images
    _found_by, _images = finder, images
    with get_context("fork").Pool(n_jobs) as pool:
        pool.map(_find, range(n_jobs), chunksize=1)
        return timed(lambda: sum(pool.imap_unordered(_find, range(len(images)), chunksize=4)))


def _find(number: int) -> int:
    return _found_by(_images[number])


def timed(work: Callable[[], int]) -> dict[str, float]:
    cpu, start = cpu_seconds(), time.perf_counter()
    n_keypoints = work()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds() - cpu, "keypoints": n_keypoints}


def cpu_seconds() -> float:
    """Return the processor time of this process and its children, running or ended."""
    me = psutil.Process()
    own = me.cpu_times()
    alive = (child.cpu_times() for child in me.children(recursive=True))
    return own.user + own.system + own.children_user + own.children_system + sum(t.user + t.system for t in alive)


def print_table(heap: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{heap.capitalize()} heap:\n")
    print("| images | way | wall s | CPU s | peak MB | keypoints | faster than OpenCV (wall, CPU) |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        times = (row["seconds"], row["cpu_seconds"])
        facts = f"{times[0]:.2f} | {times[1]:.2f} | {row['peak_mb']:.0f} | {row['keypoints']:.0f}"
        faster = ", ".join(
            f"{best / time:.2f}" for best, time in zip(best_peer(rows, row["source"]), times, strict=True)
        )
        print(f"| {row['source']} | {row['way']} | {facts} | {faster} |")


def best_peer(rows: list[dict[str, Any]], source: str) -> tuple[float, float]:
    """Return the wall time of OpenCV's fastest method, and the least processor time of any."""
    peers = [row for row in rows if row["source"] == source and row["way"] in PEERS]
    return min(row["seconds"] for row in peers), min(row["cpu_seconds"] for row in peers)


if __name__ == "__main__":
    main()
