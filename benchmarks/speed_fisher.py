"""The cost of a Fisher vector per image, stage by stage: dense SIFT, descriptors to moments, the rest.

One kernel projects descriptors and accumulates moments; the cost of each alone is measured too. One thread, images of
Scene-15 of 256 x 256 pixels, a mixture learned from them; each figure is the median over repetitions of the CPU time
for all images, divided by their number. For comparison, the float32 matrix product that the posteriors would take with
the linear algebra library is timed as well: other load on the machine slows it down equally.

    OMP_NUM_THREADS=1 python benchmarks/speed_fisher.py
    OMP_NUM_THREADS=1 python benchmarks/speed_fisher.py --components 64 --dims 64 --isa v3
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import machine
import numpy as np
import protocol
from threadpoolctl import threadpool_limits

from classicvision import DenseSift, FisherSettings, ImageFolder, read_image
from classicvision.encoding.fisher import fisher_gradient
from classicvision.encoding.mixture import descriptor_moments, moments
from classicvision.encoding.vocabulary import relative_positions

N_IMAGES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=256)
    parser.add_argument("--dims", type=int, default=80)
    parser.add_argument("--no-places", action="store_true", help="descriptors without their position in the image")
    parser.add_argument("--step", type=int, default=4, help="step of the grid in pixels")
    parser.add_argument("--samples", type=int, default=250_000, help="descriptors to learn from")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--isa", choices=["portable", "v3", "v4"], help="instruction set; by default the best one")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in the process that measures
    arguments = parser.parse_args()
    if not arguments.here:
        raise SystemExit(run_apart(arguments.isa))
    with threadpool_limits(1):
        report = measure(arguments) | {"machine": machine.describe()}
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def run_apart(isa: str | None) -> int:
    """Measure in a process that uses the chosen instruction set."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({"CLASSICVISION_ISA": isa} if isa else {})
    return subprocess.run([sys.executable, *sys.argv, "--here"], env=environment, check=False).returncode


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return CPU milliseconds of each stage and the memory of the process."""
    images = ImageFolder.open(protocol.shared_data() / "scene15")
    square = [image for image in map(read_image, images.paths[::30]) if image.shape[:2] == (256, 256)]
    chosen = [square[row] for row in np.linspace(0, len(square) - 1, N_IMAGES).astype(int)]
    extractor = DenseSift(step=arguments.step, max_side=300)
    items = [extractor(image) for image in chosen]
    settings = FisherSettings(
        n_components=arguments.components,
        n_dims=arguments.dims,
        n_samples=arguments.samples,
        xy=not arguments.no_places,
    )
    start = time.process_time()
    codebook = settings.learn(items, np.random.default_rng(0))
    learned = time.process_time() - start
    mixture = codebook.mixture
    points = [codebook.projection.points(item) for item in items]
    found_places = [relative_positions(item) for item in items]
    found = [moments(each, mixture) for each in points]
    factors = np.ones((2 * mixture.means.shape[1], len(mixture.weights)), np.float32)
    both = [np.concatenate([each, each], axis=1) for each in points]
    ways: dict[str, Callable[[], Any]] = {
        "dense SIFT": lambda: drop(map(extractor, chosen)),
        "descriptors to moments": lambda: drop(
            descriptor_moments(item.descriptors, places, codebook.projection, mixture)
            for item, places in zip(items, found_places, strict=True)
        ),
        "projection alone": lambda: drop(map(codebook.projection.points, items)),
        "posteriors and sums alone": lambda: drop(moments(each, mixture) for each in points),
        "gradient": lambda: drop(fisher_gradient(each, mixture) for each in found),
        "whole encoding": lambda: drop(map(codebook.encode, items)),
        "image to code": lambda: drop(codebook.encode(extractor(image)) for image in chosen),
        "product of matrices": lambda: drop(each @ factors for each in both),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, run in ways.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {
        "descriptors": float(np.mean([len(item) for item in items])),
        "pixels": float(np.mean([image.shape[0] * image.shape[1] for image in chosen])),
        "milliseconds": {name: 1e3 * float(np.median(times)) / N_IMAGES for name, times in seconds.items()},
        "numbers": codebook.n_outputs,
        "learning_seconds": learned,
        "mebibytes_at_most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def drop(results: Iterable[Any]) -> None:
    """Compute results one by one and discard them: allocating fresh memory for each would cost more than the work."""
    for _ in results:
        pass


def print_report(report: dict[str, Any]) -> None:
    print(f"\n{report['descriptors']:.0f} descriptors of {report['pixels']:.0f} pixels, {report['numbers']} numbers.\n")
    print("| stage | ms per image |\n| --- | ---: |")
    for name, value in report["milliseconds"].items():
        print(f"| {name} | {value:.2f} |")
    print(
        f"\nLearning: {report['learning_seconds']:.1f} s of CPU. Memory: at most {report['mebibytes_at_most']:.0f} MiB."
    )
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))


if __name__ == "__main__":
    main()
