"""Speed of the compiled dense SIFT against VLFeat and OpenCV on one thread, and agreement with VLFeat's descriptors.

All describe the same patches, alternating in one process; each figure is the median CPU time. VLFeat uses its flat
window, the SIMD of Debian's build, preallocated memory and float images; OpenCV uses upright keypoints on the grid,
with cells of the same size. The last row has four cell sizes, each after a blur (PHOW): ours against VLFeat's blur and
descriptors. OpenCV has no equivalent, so it describes the four grids in one call.

VLFeat's library is needed: `apt-get install libvlfeat1`.

    python benchmarks/speed_dense.py
    python benchmarks/speed_dense.py --isa v3 --json dense.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import machine
import numpy as np
from numpy.typing import NDArray
from peers.vlfeat import VlDsift, smooth
from speed import photographs, tiled

from classicvision import DenseSift
from classicvision.features.patches import first_cell

NO_BLUR = 1e6  # magnification
CELL = 3  # side of a cell in units of the keypoint's scale; OpenCV's size is twice the scale

# Height and width, step, cell sizes.
CASES: list[tuple[tuple[int, int], int, tuple[int, ...]]] = [
    ((512, 512), 4, (4,)),
    ((512, 512), 4, (8,)),
    ((768, 1024), 4, (4,)),
    ((768, 1024), 4, (8,)),
    ((512, 512), 6, (4, 6, 8, 10)),
]

Gray = NDArray[np.uint8]
Method = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", choices=["portable", "v3", "v4"], help="instruction set; by default the best one")
    parser.add_argument("--repeats", type=int, default=9, help="repetitions per case and peer (default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in the process that measures
    arguments = parser.parse_args()
    if not arguments.here:
        raise SystemExit(run_apart(arguments))
    cv2.setNumThreads(1)
    report = {"machine": machine.describe()}
    report["speed"] = [compare(*case, arguments.repeats) for case in CASES]
    print_speed(report["speed"])
    report["agreement"] = [agree(name, gray, size) for name, gray in photographs() for size in (4, 8)]
    print_agreement(report["agreement"])
    print("\n" + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def run_apart(arguments: argparse.Namespace) -> int:
    """Measure in a process that uses the chosen instruction set."""
    isa = {"CLASSICVISION_ISA": arguments.isa} if arguments.isa else {}
    words = [sys.executable, *sys.argv, "--here"]
    return subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "1"} | isa, check=False).returncode


def ours(step: int, sizes: tuple[int, ...]) -> DenseSift:
    magnification = NO_BLUR if len(sizes) == 1 else 6.0
    return DenseSift(step=step, bin_sizes=sizes, contrast=0.0, magnification=magnification, engine="native")


def by_vlfeat(gray: Gray, step: int, sizes: tuple[int, ...]) -> Method:
    image = gray.astype(np.float32)
    filters = [VlDsift(gray.shape, step, size, first_cell(size, max(sizes))) for size in sizes]
    if len(sizes) == 1:
        return lambda: filters[0].process(image)
    sigmas = [max((size / 6) ** 2 - 0.25, 0.01) ** 0.5 for size in sizes]
    return lambda: sum(dsift.process(smooth(image, sigma)) for dsift, sigma in zip(filters, sigmas, strict=True))


def by_opencv(gray: Gray, step: int, sizes: tuple[int, ...]) -> Method:
    features = ours(step, sizes)(gray)
    keypoints = [
        cv2.KeyPoint(float(x), float(y), 2 * float(scale), 0.0)
        for (x, y), scale in zip(features.xy, features.scale, strict=True)
    ]
    sift = cv2.SIFT_create()
    return lambda: len(sift.compute(gray, keypoints)[1])


def compare(shape: tuple[int, int], step: int, sizes: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Time the three alternately, after one warm-up call of each."""
    gray = tiled(*shape)
    settings = ours(step, sizes)
    ways = {
        "vlfeat": by_vlfeat(gray, step, sizes),
        "opencv": by_opencv(gray, step, sizes),
        "ours": lambda: len(settings(gray)),
    }
    counts = {name: run() for name, run in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    milliseconds = {name: 1e3 * float(np.median(times)) for name, times in seconds.items()}
    return {
        "height": shape[0],
        "width": shape[1],
        "step": step,
        "bin_sizes": sizes,
        "patches": counts,
        "milliseconds": milliseconds,
        "ratio": {name: milliseconds[name] / milliseconds["ours"] for name in ("vlfeat", "opencv")},
    }


def agree(name: str, gray: Gray, bin_size: int) -> dict[str, Any]:
    """Compare positions and descriptors with VLFeat's on one image."""
    features = ours(4, (bin_size,))(gray)
    dsift = VlDsift(gray.shape, 4, bin_size)
    dsift.process(gray.astype(np.float32))
    xy, theirs = dsift.result()
    mine = features.descriptors.astype(np.float64)
    known = mine.any(axis=1) & theirs.any(axis=1)  # a uniform patch has no gradient
    lengths = np.linalg.norm(mine[known], axis=1) * np.linalg.norm(theirs[known], axis=1)
    cosine = np.sum(mine[known] * theirs[known], axis=1) / lengths
    clear = features.response[known] >= DenseSift().contrast
    return {
        "image": name,
        "bin_size": bin_size,
        "patches": len(features),
        "same_positions": bool(np.array_equal(features.xy, xy)),
        "mean_cosine": float(cosine.mean()),
        "least_cosine": float(cosine[clear].min()),
    }


def print_speed(rows: list[dict[str, Any]]) -> None:
    print("\n| size | step / cells | patches | VLFeat ms | OpenCV ms | ours ms | VLFeat / ours | OpenCV / ours |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        times, ratio = row["milliseconds"], row["ratio"]
        cells = ", ".join(map(str, row["bin_sizes"]))
        print(
            f"| {row['width']} x {row['height']} | {row['step']} / {cells} | {row['patches']['ours']} "
            f"| {times['vlfeat']:.1f} | {times['opencv']:.1f} | {times['ours']:.2f} "
            f"| {ratio['vlfeat']:.0f} | {ratio['opencv']:.0f} |"
        )


def print_agreement(rows: list[dict[str, Any]]) -> None:
    print("\nAgreement with VLFeat, step 4; the least cosine is that of patches above the default contrast:\n")
    print("| image | cells | patches | same positions | mean cosine | least cosine |")
    print("| --- | ---: | ---: | --- | ---: | ---: |")
    for row in rows:
        print(
            f"| {row['image']} | {row['bin_size']} | {row['patches']} | {'yes' if row['same_positions'] else 'NO'} "
            f"| {row['mean_cosine']:.6f} | {row['least_cosine']:.6f} |"
        )


if __name__ == "__main__":
    main()
