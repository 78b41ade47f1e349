"""Speed of the compiled SIFT in both precisions against OpenCV's: alternating in one process, same images, one thread.

Each figure is the median CPU time over the repetitions. OpenCV allocates its pyramid in each call, so its time depends
on the heap: everything is measured twice, in separate processes, with a heap that keeps its pages (warm) and with the
default one. Peak memory is that of the first call in a fresh process, minus what the process held before (Linux only).

    python benchmarks/speed.py
    python benchmarks/speed.py --isa v3 --json speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
import skimage
from numpy.typing import NDArray

from classicvision._native.sift import find_sift
from classicvision.features.sift import Sift
from classicvision.images import read_image, to_gray

PHOTOGRAPHS = [
    "astronaut.png",
    "camera.png",
    "brick.png",
    "gravel.png",
    "moon.png",
    "motorcycle_left.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "retina.jpg",
]
TILED = [(768, 1024), (1536, 2048)]  # height, width: the photographs above side by side
WARM = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
PRECISIONS = ["exact", "fast"]  # ours
HEAPS: dict[str, dict[str, str]] = {"warm": WARM, "default": {}}

Gray = NDArray[np.uint8]
Method = Callable[[Gray], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", choices=["portable", "v3", "v4"], help="instruction set; by default the best one")
    parser.add_argument("--repeats", type=int, default=9, help="repetitions per image and method (default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # what a separate process measures
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.part:
        print(json.dumps(measure(arguments.part, arguments.repeats)))
        return
    report = {"machine": run_part("machine", arguments), "heaps": {}}
    for heap, environment in HEAPS.items():
        report["heaps"][heap] = run_part("times", arguments, environment)
        print_table(heap, report["heaps"][heap])
    report["peak_bytes"] = {name: run_part(f"memory-{name}", arguments) for name in methods()}
    print_memory(report["peak_bytes"])
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def run_part(part: str, arguments: argparse.Namespace, environment: dict[str, str] | None = None) -> Any:
    """Measure one part in a separate process."""
    isa = {"CLASSICVISION_ISA": arguments.isa} if arguments.isa else {}
    words = [sys.executable, __file__, "--part", part, "--repeats", str(arguments.repeats)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | isa | (environment or {})
    return json.loads(subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measure(part: str, repeats: int) -> Any:
    if part == "machine":
        return machine.describe()
    if part == "times":
        return [compare(name, gray, repeats) for name, gray in images()]
    gray = tiled(*TILED[0])
    return peak_of(methods()[part.removeprefix("memory-")], gray)


def methods() -> dict[str, Method]:
    """Return the methods that compute keypoints and descriptors of a grey image."""
    settings = Sift()
    # enable_precise_upscale, the last argument: the same keypoints as ours.
    sift = cv2.SIFT_create(0, 3, settings.contrast, settings.edge_ratio, settings.sigma, cv2.CV_8U, True)

    def native(gray: Gray, fast: bool) -> int:
        frames, _ = find_sift(gray, n_layers=3, sigma=1.6, contrast=0.04, edge_ratio=10.0, upsample=True, fast=fast)
        return len(frames)

    return {
        "opencv": lambda gray: len(sift.detectAndCompute(gray, None)[0]),
        "exact": lambda gray: native(gray, fast=False),
        "fast": lambda gray: native(gray, fast=True),
    }


def compare(name: str, gray: Gray, repeats: int) -> dict[str, Any]:
    """Time the methods alternately, after one warm-up call of each."""
    row: dict[str, Any] = {"image": name, "height": gray.shape[0], "width": gray.shape[1]}
    row["keypoints"] = {method: find(gray) for method, find in methods().items()}
    seconds: dict[str, list[float]] = {method: [] for method in methods()}
    finders = methods()
    for _ in range(repeats):
        for method, find in finders.items():
            start = time.process_time()
            find(gray)
            seconds[method].append(time.process_time() - start)
    row["milliseconds"] = {method: 1e3 * float(np.median(times)) for method, times in seconds.items()}
    row["ratio"] = {method: row["milliseconds"]["opencv"] / row["milliseconds"][method] for method in PRECISIONS}
    return row


def peak_of(find: Method, gray: Gray) -> int:
    """Return the peak memory of one call in bytes, minus what the process held before."""
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # reset the peak
    before = held("VmRSS")
    find(gray)
    return held("VmHWM") - before


def held(name: str) -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def photographs() -> Iterator[tuple[str, Gray]]:
    for name in PHOTOGRAPHS:
        yield name, to_gray(read_image(Path(skimage.__file__).parent / "data" / name))


def images() -> Iterator[tuple[str, Gray]]:
    yield from photographs()
    for height, width in TILED:
        yield "photographs, tiled", tiled(height, width)


def tiled(height: int, width: int) -> Gray:
    """Tile the photographs into one image of a given size."""
    tiles = [gray[:384, :512] for _, gray in photographs()]
    rows, columns = -(-height // 384), -(-width // 512)
    grid = [[tiles[(row * columns + column) % len(tiles)] for column in range(columns)] for row in range(rows)]
    return np.ascontiguousarray(np.block(grid)[:height, :width])


def print_table(heap: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{heap.capitalize()} heap:\n")
    print("| image | size | keypoints | OpenCV ms | exact ms | fast ms | exact ratio | fast ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        times = " | ".join(f"{milliseconds:.1f}" for milliseconds in row["milliseconds"].values())
        ratios = " | ".join(f"{ratio:.2f}" for ratio in row["ratio"].values())
        size = f"{row['width']} x {row['height']}"
        print(f"| {row['image']} | {size} | {row['keypoints']['exact']} | {times} | {ratios} |")
    means = [np.exp(np.mean([np.log(row["ratio"][name]) for row in rows])) for name in PRECISIONS]
    print("| **geometric mean** | | | | | | " + " | ".join(f"**{mean:.2f}**" for mean in means) + " |")


def print_memory(peaks: dict[str, int]) -> None:
    height, width = TILED[0]
    amounts = ", ".join(f"{name} {n_bytes / 1e6:.1f} MB" for name, n_bytes in peaks.items())
    print(f"\nPeak memory of one call, {width} x {height}: {amounts}.")


if __name__ == "__main__":
    main()
