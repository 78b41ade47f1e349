"""What a Fisher vector costs an image, stage by stage: dense SIFT, from descriptors to moments, the rest.

One kernel makes points and counts them; what either would cost alone is measured too. One thread, pictures of Scene-15
of 256 x 256 pixels, a mixture learned from them; a figure is the median over repetitions of the process's CPU time for
all pictures, over their number. Beside the stages stands the one product of matrices that the posteriors would take by
the linear algebra library, float32: what other work on the machine costs, it costs it too.

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
from classicvision.encoding.vocabulary import relative_places

N_PICTURES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=256)
    parser.add_argument("--dims", type=int, default=80)
    parser.add_argument("--no-places", action="store_true", help="describe a patch without its place in the picture")
    parser.add_argument("--step", type=int, default=4, help="of the grid, in pixels")
    parser.add_argument("--samples", type=int, default=250_000, help="descriptors to learn from")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--isa", choices=["portable", "v3", "v4"], help="instruction set; the best one if left out")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
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
    square = [picture for picture in map(read_image, images.paths[::30]) if picture.shape[:2] == (256, 256)]
    pictures = [square[row] for row in np.linspace(0, len(square) - 1, N_PICTURES).astype(int)]
    extractor = DenseSift(step=arguments.step, max_side=300)
    items = [extractor(picture) for picture in pictures]
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
    found_places = [relative_places(item) for item in items]
    found = [moments(each, mixture) for each in points]
    factors = np.ones((2 * mixture.means.shape[1], len(mixture.weights)), np.float32)
    both = [np.concatenate([each, each], axis=1) for each in points]
    ways: dict[str, Callable[[], Any]] = {
        "dense SIFT": lambda: drop(map(extractor, pictures)),
        "descriptors to moments": lambda: drop(
            descriptor_moments(item.descriptors, places, codebook.projection, mixture)
            for item, places in zip(items, found_places, strict=True)
        ),
        "projection alone": lambda: drop(map(codebook.projection.points, items)),
        "posteriors and sums alone": lambda: drop(moments(each, mixture) for each in points),
        "gradient": lambda: drop(fisher_gradient(each, mixture) for each in found),
        "whole encoding": lambda: drop(map(codebook.encode, items)),
        "picture to code": lambda: drop(codebook.encode(extractor(picture)) for picture in pictures),
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
        "pixels": float(np.mean([picture.shape[0] * picture.shape[1] for picture in pictures])),
        "milliseconds": {name: 1e3 * float(np.median(times)) / N_PICTURES for name, times in seconds.items()},
        "numbers": codebook.n_outputs,
        "learning_seconds": learned,
        "mebibytes_at_most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def drop(results: Iterable[Any]) -> None:
    """Make results one after another and keep none: memory that is new to each would cost more than the work."""
    for _ in results:
        pass


def print_report(report: dict[str, Any]) -> None:
    print(f"\n{report['descriptors']:.0f} descriptors of {report['pixels']:.0f} pixels, {report['numbers']} numbers.\n")
    print("| stage | ms an image |\n| --- | ---: |")
    for name, value in report["milliseconds"].items():
        print(f"| {name} | {value:.2f} |")
    print(
        f"\nLearning: {report['learning_seconds']:.1f} s of CPU. Memory: at most {report['mebibytes_at_most']:.0f} MiB."
    )
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))


if __name__ == "__main__":
    main()
